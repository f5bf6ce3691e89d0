"""What the vLLM reader takes from lines of every generation, through every prefix."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distcheck.agent.logs.vllm import VllmReader, merge
from distcheck.checks.evidence import VllmLog


def read(*lines: str, source: str = "0.log") -> VllmLog:
    reader = VllmReader(source)
    for number, line in enumerate(lines, 1):
        assert any(word in line.encode() for word in VllmReader.WANTED), line
        reader.line(number, None, line)
    return reader.result()


@pytest.mark.parametrize(
    "line",
    [
        "INFO 11-27 02:16:17 model_runner.py:1077] Loading model weights took 8.4048 GB",
        "INFO 04-10 08:58:01 [model_runner.py:1146] Model loading took 8.4048 GB and 7.3 seconds",
        "INFO 04-16 10:28:33 [gpu_model_runner.py:1291] Model loading took 8.4048 GiB and 2 s",
        "(Worker_TP0 pid=9) INFO 01-02 10:00:00 [x.py:1] Model loading took 8.4048 GiB memory",
        "[2025-03-05 14:28:37,801] [INFO] [vllm.worker] > Model loading took 8.4048 GiB and 3 s",
        "ERROR ..]py:1140] Model loading took 8.4048 GiB and 3.0 seconds",
        "2025-09-18T12:00:01Z vllm-1  | INFO x.py:1] Model loading took 8.4048 GiB and 3.0 seconds",
    ],
)
def test_weights_are_read_in_every_wording(line: str) -> None:
    assert [w.gib for w in read(line).weights] == [8.4048]


def test_the_time_that_loading_took_is_not_a_size() -> None:
    took = "INFO [default_loader.py:268] Loading weights took 9.69 seconds"
    reader = VllmReader("0.log")
    reader.line(1, None, took)
    assert reader.result().weights == ()


@pytest.mark.parametrize(
    ("prefix", "label", "pid", "host"),
    [
        ("(VllmWorkerProcess pid=350)", "VllmWorkerProcess", 350, ""),
        ("(VllmWorker rank=1 pid=7789)", "VllmWorker", 7789, ""),
        ("(VllmWorker TP1 pid=7789)", "VllmWorker_TP1", 7789, ""),
        ("(Worker pid=312) (Worker_TP0 pid=312)", "Worker_TP0", 312, ""),
        ("(EngineCore_DP0 pid=5) (RayWorkerWrapper pid=6)", "RayWorkerWrapper", 6, ""),
        (
            "\x1b[36m(RayWorkerWrapper pid=319, ip=10.0.0.7)\x1b[0m",
            "RayWorkerWrapper",
            319,
            "10.0.0.7",
        ),
        ("←[36m(RayWorkerProc pid=319, ip=10.0.0.7)←[0m", "RayWorkerProc", 319, "10.0.0.7"),
        ("^[[36m(pid=319, ip=10.0.0.7)^[[0m", "", 319, "10.0.0.7"),
        ("[36m(RayWorkerWrapper pid=319)[0m", "RayWorkerWrapper", 319, ""),
    ],
)
def test_the_prefix_names_the_process(prefix: str, label: str, pid: int, host: str) -> None:
    found = read(f"{prefix} INFO 09-18 12:00:01 [x.py:1] Model loading took 8.4048 GiB and 2 s")
    one = found.weights[0]
    assert (one.label, one.pid, one.host, one.clock) == (label, pid, host, "09-18 12:00:01")


def test_the_label_gives_tensor_and_pipeline_index() -> None:
    one = read("(Worker_PP1_TP3 pid=8) Model loading took 8.2459 GiB memory and 2 s").weights[0]
    assert (one.pp, one.tp) == (1, 3)


def test_a_ray_workers_own_file_joins_rank_and_weights_of_its_pid() -> None:
    log = read(
        "rank 5 in world size 16 is assigned as DP rank 0, PP rank 0, TP rank 5, EP rank 5",
        "Model loading took 8.4048 GiB and 25.02 seconds",
        source="worker-00ab-01000000-455.out",
    )
    assert (log.weights[0].rank, log.weights[0].pid, log.weights[0].tp) == (5, 455, 5)
    assert log.weights[0].source == "worker-00ab-01000000-455.out:2"
    assert log.executor == "ray"


def test_out_and_err_of_one_worker_are_one_process() -> None:
    line = "rank 5 in world size 16 is assigned as DP rank 0, PP rank 0, TP rank 5"
    log = merge(
        [
            read(line, source="worker-00ab-01000000-455.err"),
            read("Model loading took 8.4048 GiB and 2 s", source="worker-00ab-01000000-455.out"),
        ]
    )
    assert [w.rank for w in log.weights] == [5]


def test_the_meeting_point_is_joined_to_the_assignment() -> None:
    log = read(
        "(Worker pid=3) world_size=2 rank=1 local_rank=0 distributed_init_method=tcp://h:1 x",
        "(Worker pid=3) rank 1 in world size 2 is assigned as DP rank 0, PP rank 0, PCP rank 0, "
        "TP rank 1, ETP rank 0, EP rank N/A, EPLB rank N/A",
    )
    (one,) = log.ranks
    assert (one.rank, one.world_size, one.tp, one.pp, one.ep) == (1, 2, 1, 0, None)
    assert one.init_method == "tcp://h:1"


def test_rays_repeats_count_the_line_that_they_stand_on() -> None:
    (one,) = read(
        "(RayWorkerWrapper pid=3) Model loading took 8 GiB [repeated 7x across cluster]"
    ).weights
    assert one.repeated == 6


def test_a_rounded_summary_yields_to_the_exact_line() -> None:
    log = read(
        "(VllmWorkerProcess pid=3) Loading model weights took 14.2531 GB",
        "(VllmWorkerProcess pid=3) model weights take 14.25GiB; non_torch_memory takes 0.06GiB",
    )
    assert [w.gib for w in log.weights] == [14.2531]


def test_of_two_data_parallel_sizes_the_larger_is_kept() -> None:
    log = read(
        "non-default args: {'model': 'm', 'data_parallel_size': 2}",
        "Initializing a V1 LLM engine (v0.32.0) with config: model='m', tensor_parallel_size=1, "
        "pipeline_parallel_size=1, data_parallel_size=1, quantization=None",
    )
    assert (log.dp, log.tp, log.version, log.engine) == (2, 1, "0.32.0", "V1")


def test_a_file_without_vllm_lines_shows_nothing() -> None:
    assert merge([VllmReader("0.log").result()]) == VllmLog()
    assert merge([]) == VllmLog()


def test_records_are_bounded() -> None:
    reader = VllmReader("0.log")
    for number in range(2000):
        reader.line(number, None, f"(Worker pid={number}) Model loading took 1.5 GiB and 2 s")
        reader.line(number, None, f"ValueError: {number}")
    log = reader.result()
    assert len(log.weights) <= 512
    assert log.dropped > 0
    assert len(log.failures) <= 64


_WORDS = st.sampled_from(
    [
        *(
            "Model loading took ",
            "8.4 GiB",
            "rank 5 in world size ",
            "16 is assigned as DP rank 0, ",
        ),
        *("(RayWorkerWrapper pid=3", ", ip=1.2.3.4)", "[repeated 3x across cluster]", "\x1b[36m"),
        *("non-default args: {", "'tensor_parallel_size': 2", "Initializing a V1 LLM engine (v1) "),
        *(
            "with config:",
            "# GPU blocks: 7",
            "KV cache size: 1,2,3 tokens",
            "09-18 12:00:01",
            "Error: ",
        ),
    ]
)


@given(st.lists(st.one_of(st.text(max_size=30), _WORDS), max_size=12), st.text(max_size=20))
def test_no_text_raises(parts: list[str], source: str) -> None:
    reader = VllmReader(source)
    reader.line(1, None, "".join(parts))
    reader.line(2, "2025-09-18T12:00:01Z", " ".join(parts))
    assert merge([reader.result(), reader.result()]).lines <= 4


def test_a_models_address_is_kept_without_its_login() -> None:
    loading = "Starting to load model https://me:s3cr3t@hub.example/m?sig=s3cr3t..."
    args = "non-default args: {'model': 's3://me:s3cr3t@bucket/m'}"
    assert "s3cr3t" not in str(read(loading).model)
    assert "s3cr3t" not in str(read(args).model)
    assert "bucket/m" in str(read(args).model)


MEMORY = {
    "0.7": (
        (
            "model weights take 14.25GiB; non_torch_memory takes 0.06GiB; PyTorch activation "
            "peak memory takes 1.43GiB; the rest of the memory reserved for KV Cache is 4.05GiB."
        ),
        (0.06, 1.43, None, 4.05),
    ),
    "0.6.4": (
        (
            "Memory profiling results: total_gpu_memory=139.72GiB initial_memory_usage=34.1GiB "
            "non_torch_memory=5.68GiB kv_cache_size=110.52GiB gpu_memory_utilization=0.95"
        ),
        (5.68, None, None, 110.52),
    ),
    "0.10.2": (
        (
            "Actual usage is 14.99 GiB for weight, 4.76 GiB for peak activation, 0.13 GiB for "
            "non-torch memory, and 0.39 GiB for CUDAGraph memory. Replace gpu_memory"
        ),
        (0.13, 4.76, 0.39, None),
    ),
    "0.33": (
        (
            "Actual usage is 15.1 GiB for consumed memory (weights + non-torch), 4.76 GiB for "
            "peak activation, and 0.39 GiB for CUDAGraph memory."
        ),
        (None, 4.76, 0.39, None),
    ),
    "graphs": (
        "Graph capturing finished in 13 secs, took 0.48 GiB",
        (None, None, 0.48, None),
    ),
}


@pytest.mark.parametrize(("line", "use"), MEMORY.values(), ids=MEMORY)
def test_what_else_takes_memory_is_read_in_every_wording(
    line: str, use: tuple[float | None, ...]
) -> None:
    (one,) = read(f"(Worker_TP1 pid=8) {line}").memory
    assert (one.non_torch_gib, one.activation_gib, one.graphs_gib, one.kv_gib) == use
    assert (one.label, one.pid) == ("Worker_TP1", 8)


def test_consumed_memory_is_not_taken_for_weights() -> None:
    words = "Actual usage is 15.1 GiB for consumed memory (weights + non-torch), 4.76 GiB for peak"
    assert read(f"(Worker_TP1 pid=8) {words}").weights == ()
