"""What an engineer reads about a log, in about ten lines."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.logs import corpus
from tests.logs.nccl_lines import COMM, head, job, text

from distcheck.agent.logs.describe import report
from distcheck.agent.logs.distil import Distiller
from distcheck.agent.logs.nccl_grammar import FAILURES, WRAPPED
from distcheck.checks.evidence.nccl import Communicator, NcclLog, NcclProcess
from distcheck.checks.evidence.vllm import VllmLog
from distcheck.checks.knowledge.nccl_remedies import FAILURES as REMEDIES
from distcheck.checks.knowledge.rank_ranges import gaps, ranges, spans
from distcheck.checks.logs_jobs import JobFile, separate_jobs
from distcheck.checks.logs_pairs import HostPair
from distcheck.checks.logs_report import LogsReport, nccl_part
from distcheck.exporters.logs_files import ENDLESS
from distcheck.exporters.logs_text import render_text
from distcheck.exporters.logs_traffic import traffic
from distcheck.exporters.typography import columns

VLLM = VllmLog()
FOUR = ("a", "b", "c", "d")


def told(tmp_path: Path, *files: list[str]) -> LogsReport:
    paths = [tmp_path / f"pod-{number}.log" for number in range(len(files))]
    for path, lines in zip(paths, files, strict=True):
        path.write_bytes(text(lines))
    return report([str(p) for p in paths])


def shown(tmp_path: Path, *files: list[str], width: int = 120) -> str:
    return render_text(told(tmp_path, *files), width)


def test_all_pairs_alike_are_one_sentence(tmp_path: Path) -> None:
    assert "all 4 host pairs: NET/IB with GPUDirect" in shown(tmp_path, job(hosts=FOUR))


def test_two_hosts_are_named(tmp_path: Path) -> None:
    assert "vllm-head-0 and vllm-worker-0: NET/IB with GPUDirect" in shown(tmp_path, job())


def test_the_odd_rank_is_named_with_its_host_and_transport(tmp_path: Path) -> None:
    odd = "b:207:707"
    lines = [
        line.replace("NET/IB/0/GDRDMA", "NET/Socket/0") if line.startswith(odd) else line
        for line in job(hosts=FOUR)
    ]
    page = shown(tmp_path, lines)
    assert "FAIL" in page
    assert "Some ranks on different nodes talk over TCP sockets" in page
    assert "rank 15 on b: NET/Socket for what it sends" in page


def test_gpudirect_on_one_host_only_names_the_end_and_the_host(tmp_path: Path) -> None:
    lines = [
        line.replace("/GDRDMA", "") if line.startswith("vllm-head-0") else line for line in job()
    ]
    page = shown(tmp_path, lines)
    assert "vllm-head-0 has none" in page
    assert "vllm-head-0 to vllm-worker-0: NET/IB with GPUDirect at the receiver only" in page
    pair = told(tmp_path, lines).nccl.pairs[0]
    assert (pair.gdr, pair.gdr_send, pair.gdr_receive) == (False, False, True)


def test_a_host_without_a_log_is_said_to_be_one(tmp_path: Path) -> None:
    lines = job(shown=range(8))
    page = shown(tmp_path, lines)
    assert "vllm-head-0 and a host whose log is not here: NET/IB with GPUDirect" in page
    assert "not in these logs: ranks 8 to 15" in page
    pairs = told(tmp_path, lines).nccl.pairs
    assert {(p.from_host, p.to_host) for p in pairs} == {
        ("vllm-head-0", None),
        (None, "vllm-head-0"),
    }


def test_pods_of_one_group_pair_up_across_their_files(tmp_path: Path) -> None:
    page = shown(tmp_path, job(shown=range(8)), job(shown=range(8, 16)))
    assert "vllm-head-0 and vllm-worker-0: NET/IB with GPUDirect" in page
    assert "16 of 16 complete" in page
    assert page.count("8 of 16 ranks") == 2


def test_several_files_are_one_report_and_one_line_each(tmp_path: Path) -> None:
    files = [
        job(hosts=[f"h{i}" for i in range(16)], shown=range(8 * i, 8 * i + 8)) for i in range(16)
    ]
    lines = shown(tmp_path, *files).strip("\n").split("\n")
    assert [line.split()[1] for line in lines[-16:]] == [f"pod-{i}.log" for i in range(16)]
    assert len(lines) <= 30


def test_sockets_that_are_only_chosen_are_not_called_used(tmp_path: Path) -> None:
    lines = [line for line in job(network="Socket", transport=None) if "NET/IB" not in line]
    page = shown(tmp_path, lines)
    assert "UNKNOWN" in page
    assert "NCCL chose sockets; no channel" in page


def test_why_sockets_comes_with_its_line_and_what_to_do(tmp_path: Path) -> None:
    lines = job(network="Socket", transport="NET/Socket/0")
    lines.insert(2, f"{head('vllm-head-0', 200, 0)} NET/IB : No device found.")
    lines = [line for line in lines if "NET/IB : Using" not in line]
    page = shown(tmp_path, lines)
    assert "TCP sockets, not RDMA: NCCL found no RDMA device" in page
    assert "NET/IB : No device found.   pod-0.log:" in page
    assert "Give the pod its RDMA device" in page


def test_without_nccl_lines_the_setting_that_makes_them_is_named(tmp_path: Path) -> None:
    page = shown(tmp_path, ["INFO: Uvicorn running"])
    assert "This holds no NCCL lines" in page
    assert "NCCL_DEBUG=INFO" in page


def test_warnings_alone_ask_for_info(tmp_path: Path) -> None:
    warn = f"{head('a', 1, 0, 'WARN')} NET/IB : Unable to open device mlx5_9"
    page = shown(tmp_path, [warn, warn])
    assert "Only NCCL's warnings are logged" in page
    assert "NCCL_DEBUG=INFO" in page
    assert "ib-open-device (2 lines)" in page


def test_a_failure_has_its_first_line_its_host_and_a_remedy(tmp_path: Path) -> None:
    warn = head("vllm-worker-0", 203, 3, "WARN").replace(" NCCL", " misc/shmutils.cc:87 NCCL")
    says = "Error: failed to extend /dev/shm/nccl-a1 to 33030528 bytes, error: No space left"
    found = told(tmp_path, [*job(), f"{warn} {says}"])
    page = render_text(found, 120)
    assert "NCCL failed on vllm-worker-0: /dev/shm is too small" in page
    assert f"pod-0.log:{len(job()) + 1}" in page
    assert "emptyDir of medium Memory" in " ".join(page.split())
    assert found.nccl.root_failure is not None
    assert found.nccl.root_failure.host == "vllm-worker-0"


def test_what_a_failures_words_tell_comes_before_what_its_kind_tells(tmp_path: Path) -> None:
    warn = f"{head('vllm-worker-0', 203, 3, 'WARN')} Cuda failure 2 'out of memory'"
    page = shown(tmp_path, [*job(), warn])
    assert "NCCL failed on vllm-worker-0: the GPU's memory is full" in page
    assert "--gpu-memory-utilization" in page


def test_an_interface_that_no_other_pod_reaches_is_told_beside_the_failure(tmp_path: Path) -> None:
    using = f"{head('vllm-head-0', 201, 1)} Bootstrap: Using lo:127.0.0.1<0>"
    words = "Connect to 127.0.0.1<41000> failed : Connection refused"
    warn = f"{head('vllm-worker-0', 203, 3, 'WARN')} {words}"
    page = " ".join(shown(tmp_path, [*job(complete=[], transport=None), using, warn]).split())
    assert "NCCL's bootstrap uses the loopback on vllm-head-0" in page
    assert "Bootstrap: Using lo:127.0.0.1<0>" in page
    assert "Set NCCL_SOCKET_IFNAME" in page


def test_a_link_that_went_down_is_told_beside_the_failure(tmp_path: Path) -> None:
    down = f"{head('vllm-head-0', 201, 1, 'WARN')} NET/IB : mlx5_0:1 Got async event : port error"
    words = "NET/IB : Got completion from peer 10.0.0.2<41000> with status=12 opcode=0 len=0"
    warn = f"{head('vllm-worker-0', 203, 3, 'WARN')} {words}"
    page = " ".join(shown(tmp_path, [*job(), down, warn]).split())
    assert "the link of an RDMA port went down on vllm-head-0" in page
    assert "Look at cable" in page


def test_one_rank_is_not_called_ranks(tmp_path: Path) -> None:
    page = shown(tmp_path, job(shown=[0], hosts=["a"], per_host=1))
    assert "1 ranks" not in page


def test_nothing_that_a_log_says_can_drive_the_terminal(tmp_path: Path) -> None:
    warn = f"{head('a', 1, 0, 'WARN')} No transport found for rank \x1b]0;owned\x07 1"
    page = shown(tmp_path, [warn])
    assert "\x1b" not in page
    assert "\x07" not in page


@pytest.mark.parametrize("label", corpus.labels(), ids=lambda p: p.stem)
@pytest.mark.parametrize("width", [80, 200])
def test_a_real_log_is_told_in_few_lines_that_fit(label: Path, width: int) -> None:
    page = render_text(report([str(label.with_suffix(".log"))]), width)
    lines = page.strip("\n").split("\n")
    assert len(lines) <= (18 if width == 80 else 13)
    assert max(map(columns, lines)) <= width


def test_ranks_that_only_started_may_be_stuck_or_starting(tmp_path: Path) -> None:
    page = shown(tmp_path, [x for x in job(complete=[], transport=None) if "rings" not in x])
    words = " ".join(page.split())
    assert "FAIL None of 16 ranks completed" in words
    assert "stuck, or this log ends while it starts: read it again in a minute" in words
    assert "Where it has more lines by then, the ranks were starting" in words
    assert "Where it has not, they are stuck: look which ranks are missing" in words


IN_ITS_START = [path for path in corpus.labels() if path.stem == "re-vllm-v1-lws-ib-gdr"]


@pytest.mark.parametrize("label", IN_ITS_START, ids=lambda p: p.stem)
def test_a_log_that_ends_in_the_start_is_not_said_to_be_stuck_for_sure(label: Path) -> None:
    distiller = Distiller("x")
    distiller.feed(b"".join(label.with_suffix(".log").read_bytes().splitlines(True)[:300]))
    part = nccl_part(distiller.finish().nccl)
    assert part.verdict == "failed"
    assert "or this log ends while it starts" in part.summary.says


def test_copies_through_host_memory_are_noted_beside_rdma(tmp_path: Path) -> None:
    lines = [x.replace("P2P/CUMEM", "SHM/direct/direct") for x in job()]
    page = shown(tmp_path, lines)
    assert "PASS" in page
    assert "within hosts: copies through host memory (SHM), not peer-to-peer: NCCL005" in page
    assert "copies through" not in shown(tmp_path, job())


def test_copies_of_a_part_are_counted(tmp_path: Path) -> None:
    lines = job()
    first = next(n for n, line in enumerate(lines) if "P2P/CUMEM" in line)
    lines[first] = lines[first].replace("P2P/CUMEM", "SHM/direct/direct")
    page = " ".join(shown(tmp_path, lines).split())
    assert "not peer-to-peer, on 1 of 14 channel lines: NCCL005" in page


def test_a_pass_on_half_a_group_says_how_much_was_seen(tmp_path: Path) -> None:
    half = told(tmp_path, job(shown=range(8)))
    assert half.status == "pass"
    assert half.headline.endswith("as far as seen: 8 of 16 ranks")
    assert "as far as seen" not in told(tmp_path, job()).headline


@pytest.mark.parametrize(
    "lines",
    [
        job(),
        job(shown=range(8)),
        job(network="Socket", transport="NET/Socket/0"),
        job(transport="NET/IB/0"),
        job(complete=[], transport=None),
        [],
        ["hello"],
        [*job(), "(EngineCore_0 pid=9) ERROR 08-10 [core.py:700] EngineCore failed to start."],
    ],
)
def test_status_and_headline_are_what_the_text_says(tmp_path: Path, lines: list[str]) -> None:
    found = told(tmp_path, lines)
    first = render_text(found, ENDLESS).split("\n", 1)[0]
    assert first.split(None, 1) == [found.status.upper(), found.headline]


def test_an_engine_that_failed_has_the_status_and_the_headline(tmp_path: Path) -> None:
    line = "(EngineCore_0 pid=9) ERROR 08-10 [core.py:700] EngineCore failed to start."
    found = told(tmp_path, [*job(), line])
    assert found.status == "fail"
    assert found.headline.startswith("The engine failed: ")


def _job_of(host: str, comm: str) -> list[str]:
    return [line.replace(COMM, comm) for line in job(hosts=[host], per_host=2)]


def test_files_of_several_jobs_are_told_apart(tmp_path: Path) -> None:
    found = told(tmp_path, _job_of("a", "0x1"), _job_of("b", "0x2"), _job_of("a", "0x3"))
    page = render_text(found, ENDLESS)
    assert found.headline.startswith("2 separate jobs are mixed here; ")
    assert "hold 2 separate jobs (pod-0.log, pod-2.log; pod-1.log): give each job's files" in page
    assert [len(files) for files in found.jobs] == [2, 1]


def test_files_of_one_communicator_are_one_job(tmp_path: Path) -> None:
    found = told(tmp_path, job(shown=range(8)), job(shown=range(8, 16)), ["ray started"])
    assert found.jobs == ()
    assert "separate jobs" not in render_text(found)


def test_a_pods_restarts_and_communicators_without_id_are_one_job() -> None:
    def file(name: str, host: str, one: Communicator) -> JobFile:
        return JobFile(name, NcclLog(processes=(process(host),), communicators=(one,)), VLLM)

    def process(host: str) -> NcclProcess:
        return NcclProcess(host, 1, "x:1", 1)

    pod = "ns_vllm-0_0d3a/vllm"
    restarts = [file(f"{pod}/{n}.log", f"h{n}", Communicator(f"{n}", 8, ())) for n in (0, 1)]
    assert separate_jobs(restarts) == ()
    nameless = [
        file(f"{n}.log", f"h{n}", Communicator(f"made-up#{n}", 16, (), inferred=True))
        for n in (2, 3)
    ]
    assert separate_jobs(nameless) == ()
    assert len(separate_jobs([restarts[0], nameless[0]])) == 2


def test_copies_of_a_dense_model_are_one_job() -> None:
    files = [
        JobFile(
            f"{n}.log",
            NcclLog(communicators=(Communicator(f"{n}", 8, ()),)),
            replace(VLLM, dp=2, model="m"),
        )
        for n in (0, 1)
    ]
    assert separate_jobs(files) == ()


def test_gpudirect_on_a_part_of_a_ranks_channels_is_told_by_size(tmp_path: Path) -> None:
    small = [
        line.replace(COMM, "0x99").replace("0x55a0", "0x66b0")
        for line in job(per_host=4, transport="NET/IB/{nic}")
        if not any(words in line for words in ("Bootstrap", "NCCL version", "NET/IB : Using"))
    ]
    page = shown(tmp_path, [*job(), *small])
    assert "GPUDirect on channel lines of communicators of 16 ranks: 4 of 4" in page
    assert "on vllm-head-0: NET/IB without GPUDirect" not in page


@pytest.mark.parametrize("label", corpus.labels(), ids=lambda p: p.stem)
def test_real_sizes_add_up_to_all_channel_lines(label: Path) -> None:
    part = report([str(label.with_suffix(".log"))]).nccl
    shares = {s.nranks: (s.direct, s.lines) for s in part.gdr_by_size}
    assert all(direct <= lines for direct, lines in shares.values())
    if label.stem == "real-mango-rccl-2node":
        assert shares == {16: (708, 708), 8: (64, 256)}
        assert "of 16 ranks: 708 of 708; of 8 ranks: 64 of 256" in render_text(
            report([str(label.with_suffix(".log"))]), 120
        )


def test_a_page_without_edge_has_whole_lines_and_begins_with_its_headline(tmp_path: Path) -> None:
    deep = tmp_path / ("folder" * 20)
    deep.mkdir()
    paths = [deep / f"{'x' * 90}{n}.log" for n in range(40)]
    for number, path in enumerate(paths):
        path.write_bytes(text(_job_of(f"h{number}", f"0x{number + 1}")))
    lines = render_text(report([str(p) for p in paths]), ENDLESS).split("\n")
    assert lines[0].startswith("  PASS      40 separate jobs")
    assert all(any(path.name in line for line in lines[-41:]) for path in paths)


def test_noise_is_called_not_fatal(tmp_path: Path) -> None:
    warn = f"{head('a', 1, 0, 'WARN')} NET/IB : Unable to open device mlx5_9"
    page = shown(tmp_path, [warn])
    assert "not fatal " in page
    assert "harmless" not in page


def test_the_pages_word_for_noise_does_not_call_it_nothing() -> None:
    page = (Path(__file__).parents[2] / "docs/nccl-logs.md").read_text(encoding="utf-8")
    assert "not fatal; healthy logs have it too" in page
    assert "nothing: it" not in page


def test_logs_without_nccl_lines_get_the_engines_advice(tmp_path: Path) -> None:
    line = "INFO 08-10 [parallel_state.py:1009] world_size=1 rank=0 local_rank=0 "
    page = shown(tmp_path, [line + "distributed_init_method=tcp://10.0.0.1:5000 backend=nccl"])
    assert "One rank: NCCL has nothing to say." in page


def test_a_process_that_began_and_holds_no_rank_is_named(tmp_path: Path) -> None:
    late = [line for line in job(shown=[15], complete=[]) if "Using" in line or "version" in line]
    found = told(tmp_path, job(shown=range(15)), late)
    assert found.status == "unknown"
    assert found.headline.startswith("1 process on vllm-worker-0 started NCCL, and no line")


@given(st.lists(st.integers(0, 40)), st.integers(0, 50))
def test_ranges_and_gaps_together_are_all_ranks(ranks: list[int], size: int) -> None:
    inside = [r for r in ranks if r < size]
    both = [*ranges(inside), *gaps(inside, size)]
    assert sorted(r for a, b in both for r in range(a, b + 1)) == list(range(size))


def test_ranges_in_words() -> None:
    assert spans(ranges([9, 0, 1, 2])) == "0 to 2, 9"


_names = st.sampled_from(["a", "b", "c", None])
_transports = st.sampled_from(["NET/IB/GDRDMA", "NET/IB", "NET/Socket", "P2P/MNNVL", "NET/x y/Q"])


@given(
    st.lists(
        st.builds(
            HostPair,
            from_host=_names,
            to_host=_names,
            transports=st.dictionaries(_transports, st.integers(1, 9), min_size=1),
            gdr=st.none() | st.booleans(),
            gdr_send=st.none() | st.booleans(),
            gdr_receive=st.none() | st.booleans(),
            source=st.just("x:1"),
        ),
        max_size=12,
    )
)
def test_any_pairs_are_told_in_few_sentences(pairs: list[HostPair]) -> None:
    assert len(traffic(pairs, ())) <= 6
    assert bool(traffic(pairs, ())) == bool(pairs)


@given(st.lists(st.sampled_from(job(hosts=FOUR, per_host=2)), max_size=40))
def test_any_lines_of_a_job_give_a_report(lines: list[str]) -> None:
    distiller = Distiller("x")
    distiller.feed(text(lines))
    part = nccl_part(distiller.finish().nccl)
    assert part.summary.says
    assert part.verdict == "inconclusive" or part.summary.why


def test_every_failure_and_cause_of_the_grammar_has_advice() -> None:
    fatal = {f.id for f in FAILURES if f.weight != "noise"} | {name for name, _ in WRAPPED}
    assert fatal <= set(REMEDIES)
