"""Reads what SGLang, TensorRT-LLM and NIM write about themselves into an `EngineLog`.

They show less than vLLM: TensorRT-LLM names no tensor parallel size in its log (its engine
folder does), and none of them writes the exact size of a rank's weights.
"""

from collections.abc import Callable, Iterable
from typing import Self

from msgspec.structs import replace

from distcheck.agent.logs import engine_failures, nim, sglang, trtllm
from distcheck.agent.logs.vllm_merge import first_told
from distcheck.checks.evidence.engine import EngineLog

_LONGEST = 1 << 16
_MOST_RANKS = 1024
_TOLD = (
    *("engine", "backend", "version", "model", "profile", "precision", "tp", "pp", "dp", "nodes"),
    *("world_size", "config_source", "started", "started_source", "started_at"),
)
_READERS: dict[str, Callable[[EngineLog, str, str], EngineLog]] = {
    **dict.fromkeys(sglang.NEEDLES, sglang.read),
    **dict.fromkeys(trtllm.NEEDLES, trtllm.read),
    **dict.fromkeys(nim.NEEDLES, nim.read),
}


class EngineReader:
    """One log's lines of these engines, in order; bounded, and total: no line makes it raise.

    What it holds between two lines is an `EngineLog`: `state` and `restored` are that.
    """

    WANTED: tuple[bytes, ...] = tuple(
        needle.encode() for needle in (*_READERS, *engine_failures.NEEDLES)
    )

    def __init__(self, source: str) -> None:
        self._source = source
        self._log = EngineLog()

    @classmethod
    def restored(cls, source: str, state: EngineLog) -> Self:
        """A reader that goes on where the one whose `state` this is left off."""
        reader = cls(source)
        reader._log = state
        return reader

    def state(self) -> EngineLog:
        """What was read so far, for `restored`."""
        return self._log

    def result(self) -> EngineLog:
        """Everything that the lines so far show."""
        return self._log

    def line(self, number: int, stamp: str | None, text: str) -> None:
        """Take one line without its transport framing; `stamp` is the transport's time."""
        readers = dict.fromkeys(read for needle, read in _READERS.items() if needle in text)
        failed = any(needle in text for needle in engine_failures.NEEDLES)
        if not readers and not failed:
            return
        text, source = text[:_LONGEST], f"{self._source}:{number}"
        log = replace(self._log, lines=self._log.lines + 1)
        for read in readers:
            log = read(log, text, source)
        if log.started_source == source:
            log = replace(log, started_at=stamp)
        self._log = engine_failures.read(log, text, source, stamp) if failed else log


def merged(logs: Iterable[EngineLog]) -> EngineLog:
    """Several files of one pod as one: of each fact the first that a file shows."""
    every = [log for log in logs if log.lines]
    if len(every) < 2:
        return every[0] if every else EngineLog()
    told = {name: first_told(getattr(log, name) for log in every) for name in _TOLD}
    return replace(
        every[0],
        **told,
        lines=sum(log.lines for log in every),
        ranks=tuple(rank for log in every for rank in log.ranks)[:_MOST_RANKS],
        started=True if any(log.started for log in every) else told["started"],
        dropped=sum(log.dropped for log in every),
        failures=tuple(failure for log in every for failure in log.failures),
    )
