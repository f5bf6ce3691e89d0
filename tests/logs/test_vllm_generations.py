"""The same start in the words of every generation of vLLM, through every way a log is written."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.logs.vllm_lines import GENERATIONS, GIB, TP, Generation

from distcheck.agent.logs.vllm import VllmReader
from distcheck.checks.evidence import VllmLog
from distcheck.checks.logs_engine import vllm_part

EACH = pytest.mark.parametrize("era", GENERATIONS, ids=lambda g: g.version)


def read(lines: list[str]) -> VllmLog:
    reader = VllmReader("0.log")
    for number, line in enumerate(lines, 1):
        reader.line(number, None, line)
    return reader.result()


@EACH
def test_a_start_is_read_in_the_words_of_each_generation(era: Generation) -> None:
    log = read(era.lines())
    assert (log.version, log.engine, log.model) == (era.version, era.engine, "org/model")
    assert (log.tp, log.pp, log.executor, log.started) == (TP, 1, "mp", True)
    assert {w.gib for w in log.weights} == {GIB}
    assert len(log.weights) == (TP if era.everyone else 1)
    assert [r.tp for r in log.ranks] == ([] if era.assigned is None else list(range(TP)))
    assert log.kv_cache is not None
    assert (log.kv_cache.gpu_blocks, log.kv_cache.tokens) in ((17004, ()), (None, (272064,)))


@EACH
def test_weights_know_the_rank_that_their_process_said(era: Generation) -> None:
    ranks = [w.rank for w in read(era.lines()).weights]
    expected = range(TP if era.everyone else 1)
    assert ranks == ([None] * TP if era.assigned is None else list(expected))


@EACH
def test_every_line_of_a_start_is_wanted(era: Generation) -> None:
    for line in era.lines():
        assert any(word in line.encode() for word in VllmReader.WANTED), line


def _json(line: str) -> str:
    return json.dumps({"levelname": "INFO", "message": line, "asctime": "2026-11-21 07:00:00"})


WRITTEN: dict[str, Callable[[str], str]] = {
    "plain": str,
    "docker compose": lambda line: f"vllm-llm-1  | {line}",
    "kubectl prefix": lambda line: f"[pod/vllm-0/vllm] {line}",
    "json": _json,
    "escaped colours": lambda line: f"\x1b[32m{line}\x1b[0m",
    "pasted colours": lambda line: f"^[[32m{line}^[[0m",
    "arrow colours": lambda line: f"←[36m{line}←[0m",
    "shorn colours": lambda line: f"[36m{line}[0m",
    "own format": lambda line: f"[2026-11-21 07:00:00,801] [INFO] [vllm.worker] >>> {line}",
}


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
@EACH
def test_how_a_log_is_written_changes_no_fact(
    era: Generation, written: Callable[[str], str]
) -> None:
    lines = era.lines()
    assert facts(read([written(line) for line in lines])) == facts(read(lines))


_CITING = ("failures", "root")
"""What names lines: those move with the order."""


def facts(log: VllmLog) -> dict[str, object]:
    part = vllm_part(log)
    return {
        **{name: getattr(part, name) for name in part.__struct_fields__ if name not in _CITING},
        "failures": {(f.id, f.fatal) for f in log.failures},
        "ranks": {(r.rank, r.world_size, r.dp, r.pp, r.tp, r.pid, r.label) for r in log.ranks},
        "weights": {(w.rank, w.gib, w.pid, w.label) for w in log.weights},
    }


@given(st.data())
@EACH
def test_the_order_of_lines_changes_no_fact(era: Generation, data: st.DataObject) -> None:
    worker = era.prefix.format(rank=1, pid=101)
    lines = [
        *era.lines(),
        f"{worker} Actual usage is 8.25 GiB for weight, 4.76 GiB for peak activation",
        f"{worker} INFO [x.py:1] Starting to load model org/model...",
        "non-default args: {'model': 'org/other', 'tensor_parallel_size': 2}",
        "(EngineCore pid=5) ERROR [core.py:1] EngineCore encountered a fatal error.",
        "ValueError: a request's own",
    ]
    assert facts(read(data.draw(st.permutations(lines)))) == facts(read(lines))
