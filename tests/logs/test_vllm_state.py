"""A reader can be put away after any line and taken up again: an agent outlives no log."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.logs.vllm_lines import GENERATIONS, REAL_LOGS, Generation

from distcheck.agent.logs.vllm import VllmReader, VllmState
from distcheck.checks.evidence import VllmLog

HEADLESS = [
    "(MainProcess pid=1) INFO [serve.py:224] Launching vLLM (v0.32.0) headless multiproc executor",
    "(Worker_TP1 pid=9) INFO 11-21 [gpu_worker.py:1] Available KV cache memory: 51.38 GiB",
    "(Worker_TP1 pid=9) INFO 11-21 [loader.py:1] Starting to load model org/model...",
    "(Worker_TP1 pid=9) Actual usage is 8.25 GiB for weight, 4.76 GiB for peak activation",
]
FAILING = [
    "(APIServer pid=1) INFO [utils.py:1] vLLM API server version 0.11.0",
    "(APIServer pid=1) INFO [utils.py:1] non-default args: {'model': 'm', 'max_model_len': 9}",
    "(EngineCore_DP0 pid=2) ERROR [core.py:1] ValueError: too much, api_key='s3cr3t-of-yours'",
    "(EngineCore_DP0 pid=2) ERROR [core.py:1] EngineCore failed to start.",
]


def put_away(reader: VllmReader) -> VllmReader:
    packed = msgspec.msgpack.encode(reader.state())
    return VllmReader.restored("0.log", msgspec.msgpack.decode(packed, type=VllmState))


def read(lines: list[str], cut: int = -1) -> VllmLog:
    reader = VllmReader("0.log")
    for number, line in enumerate(lines):
        if number == cut:
            reader = put_away(reader)
        reader.line(number + 1, None, line)
    return reader.result()


@pytest.mark.parametrize("era", GENERATIONS, ids=lambda g: g.version)
def test_a_cut_at_any_line_changes_nothing(era: Generation) -> None:
    lines = [*era.lines(), *HEADLESS, *FAILING]
    whole = read(lines)
    assert all(read(lines, cut) == whole for cut in range(len(lines)))


@pytest.mark.parametrize("lines", [HEADLESS, FAILING], ids=["headless", "failing"])
def test_a_cut_loses_no_half_told_start(lines: list[str]) -> None:
    whole = read(lines)
    assert whole.started is not None
    assert all(read(lines, cut) == whole for cut in range(len(lines)))


@pytest.mark.parametrize("path", REAL_LOGS, ids=lambda p: p.stem)
def test_a_cut_at_any_wanted_line_of_a_real_log_changes_nothing(path: Path) -> None:
    text = path.read_bytes().splitlines()
    lines = [
        line.decode(errors="replace") for line in text if any(w in line for w in VllmReader.WANTED)
    ]
    whole = read(lines)
    assert all(read(lines, cut) == whole for cut in range(len(lines)))


def test_a_state_holds_no_secret() -> None:
    reader = VllmReader("0.log")
    for number, line in enumerate(FAILING):
        reader.line(number, None, line)
    assert b"s3cr3t" not in msgspec.msgpack.encode(reader.state())


_WORDS = st.sampled_from([line for era in GENERATIONS for line in era.lines()] + FAILING)


@given(st.lists(st.one_of(_WORDS, st.text(max_size=40)), max_size=30), st.integers(0, 30))
def test_a_cut_anywhere_in_any_text_changes_nothing(lines: list[str], cut: int) -> None:
    assert read(lines, cut) == read(lines)


def test_a_state_is_bounded_whatever_the_log() -> None:
    reader = VllmReader("0.log")
    for number in range(5000):
        who = f"(Worker_TP{number} pid={number})"
        reader.line(number, None, f"{who} Model loading took {number}.5 GiB")
        reader.line(number, None, f"{who} rank {number} in world size 9 is assigned as TP rank 1")
        reader.line(number, None, f"{who} GPU KV cache size: {number} tokens")
        reader.line(number, None, f"{who} ValueError: {number}{'x' * 400}")
        reader.line(number, None, f"{who} NCCL error: {number}{'x' * 400}: ValueError: ")
    assert len(msgspec.msgpack.encode(reader.state())) < 400_000
