"""What SGLang, TensorRT-LLM and NIM show of themselves, and what stays unknown."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distcheck.agent.logs.engines import EngineReader
from distcheck.agent.logs.trtllm import engine_folder
from distcheck.checks.evidence.engine import EngineLog

SGLANG = [
    "[2026-11-21] server_args=ServerArgs(model_path='/m/r1', tp_size=16, dp_size=2, nnodes=2)",
    *(
        f"[2026-11-21 15:09:0{n} DP0 TP{n}] Load weight end. type=DeepseekV3ForCausalLM, "
        f"dtype=torch.bfloat16, avail mem=33.1 GB, mem usage=4{n}.5 GB."
        for n in range(4)
    ),
    "[2026-11-21 15:12:53] The server is fired up and ready to roll!",
]
TRTLLM = [
    "[TensorRT-LLM][INFO] Engine version 0.13.0 found in the config file, assuming engine(s)",
    "[TensorRT-LLM][INFO] MPI size: 2, MPI local size: 2, rank: 1",
    "[TensorRT-LLM][INFO] Rank 1 is using GPU 1",
    "[TensorRT-LLM][INFO] MPI size: 2, rank: 0",
    "[TensorRT-LLM][INFO] Rank 0 is using GPU 0",
    "[TensorRT-LLM][INFO] Loaded engine size: 7680 MiB",
    "[TensorRT-LLM][INFO] Loaded engine size: 7680 MiB",
]
NIM = [
    "NVIDIA Inference Microservice LLM NIM Version 1.3.0",
    "INFO 11-21 07:00:40.11 ngc_injector.py:174] Selected profile: 5d32170c (vllm-fp16-tp2)",
    "INFO 11-21 07:00:40.26 ngc_injector.py:179] Profile metadata: llm_engine: vllm",
    "INFO 11-21 07:00:40.26 ngc_injector.py:179] Profile metadata: precision: fp16",
    "INFO 11-21 07:00:40.26 ngc_injector.py:179] Profile metadata: feat_lora: false",
    "INFO 11-21 07:00:40.26 ngc_injector.py:179] Profile metadata: tp: 2",
    "INFO 11-21 07:00:40.230 launch.py:46] engine_world_size=2",
]


def read(lines: list[str], cut: int = -1) -> EngineLog:
    reader = EngineReader("0.log")
    for number, line in enumerate(lines):
        if number == cut:
            packed = msgspec.msgpack.encode(reader.state())
            state = msgspec.msgpack.decode(packed, type=EngineLog)
            reader = EngineReader.restored("0.log", state)
        reader.line(number + 1, None, line)
    return reader.result()


def test_sglang_shows_its_arguments_and_what_each_ranks_weights_took() -> None:
    log = read(SGLANG)
    assert (log.engine, log.model, log.started) == ("sglang", "/m/r1", True)
    assert (log.tp, log.pp, log.dp, log.nodes) == (16, None, 2, 2)
    assert log.config_source == "0.log:1"
    assert [(r.label, r.gib) for r in log.ranks] == [(f"DP0 TP{n}", 40.5 + n) for n in range(4)]


def test_trtllm_shows_its_world_and_gpus_but_no_tensor_parallel_size() -> None:
    log = read(TRTLLM)
    assert (log.engine, log.version, log.world_size) == ("trtllm", "0.13.0", 2)
    assert {(r.rank, r.gpu) for r in log.ranks if r.rank is not None} == {(0, 0), (1, 1)}
    assert [r.gib for r in log.ranks if r.rank is None] == [7.5, 7.5]
    assert (log.tp, log.pp, log.started) == (None, None, None)


def test_nim_shows_the_profile_that_it_chose_and_its_metadata() -> None:
    log = read(NIM)
    assert (log.engine, log.version, log.backend) == ("nim", "1.3.0", "vllm")
    assert (log.profile, log.precision, log.tp, log.world_size) == ("vllm-fp16-tp2", "fp16", 2, 2)
    assert log.pp is None


def test_nims_json_lines_say_the_same() -> None:
    lines = [json.dumps({"level": "INFO", "line_number": "146", "message": m}) for m in NIM]
    assert read(lines) == read(NIM)


@pytest.mark.parametrize("lines", [SGLANG, TRTLLM, NIM], ids=["sglang", "trtllm", "nim"])
def test_every_line_is_wanted_and_a_cut_anywhere_changes_nothing(lines: list[str]) -> None:
    assert all(any(w in line.encode() for w in EngineReader.WANTED) for line in lines)
    assert all(read(lines, cut) == read(lines) for cut in range(len(lines)))


def test_ranks_are_bounded_and_what_is_left_out_is_counted() -> None:
    log = read([f"[TensorRT-LLM][INFO] Rank {n} is using GPU 0" for n in range(700)])
    assert len(log.ranks) == 512
    assert log.dropped == 188


_WORDS = st.sampled_from([*SGLANG, *TRTLLM, *NIM, "ServerArgs(", "Profile metadata: tp: \u0665"])


@given(st.lists(st.one_of(_WORDS, st.text(max_size=40)), max_size=12))
def test_no_text_raises(parts: list[str]) -> None:
    assert read(["".join(parts), *parts]).lines <= len(parts) + 1


def folder(**mapping: int) -> bytes:
    built = {"architecture": "LlamaForCausalLM", "dtype": "bfloat16", "mapping": mapping}
    return json.dumps({"version": "0.13.0", "pretrained_config": built}).encode()


def test_an_engine_folder_says_how_it_was_built() -> None:
    found = engine_folder(folder(world_size=8, tp_size=4, pp_size=2, gpus_per_node=8))
    assert found is not None
    assert (found.mapping.tp_size, found.mapping.pp_size, found.mapping.cp_size) == (4, 2, 1)
    assert (found.version, found.pretrained_config.dtype) == ("0.13.0", "bfloat16")


@pytest.mark.parametrize(
    "config",
    [
        folder(world_size=8, tp_size=4, pp_size=1),
        folder(world_size=0, tp_size=0),
        folder(world_size=-1, tp_size=-1),
        b'{"builder_config": {"tensor_parallel": 2}}',
        b"\xff{",
        b"[" * 100_000,
    ],
)
def test_a_mapping_that_does_not_add_up_is_not_believed(config: bytes) -> None:
    assert engine_folder(config) is None


@given(st.binary(max_size=200))
def test_any_bytes_give_a_folder_or_none(config: bytes) -> None:
    assert engine_folder(config) is None
