"""The lines of vLLM that say what it loaded and which world it formed (vLLM 0.6 to 0.33).

Messages are matched, not headers: a site can replace vLLM's log format fully.
"""

from collections.abc import Callable
from typing import Self

from msgspec.structs import replace

from distcheck.agent.logs import vllm_words as words
from distcheck.agent.logs.vllm_config import NON_DEFAULT, config_line, configured
from distcheck.agent.logs.vllm_failures import failure
from distcheck.agent.logs.vllm_merge import merge
from distcheck.agent.logs.vllm_prefix import Said, said
from distcheck.agent.logs.vllm_processes import (
    assigned_line,
    memory_use,
    weights_line,
    world_line,
)
from distcheck.agent.logs.vllm_state import VllmState, settled
from distcheck.agent.logs.vllm_tables import EngineTables
from distcheck.agent.logs.vllm_words import Kind
from distcheck.agent.redact import scrubbed
from distcheck.checks.evidence.vllm import VllmLog

__all__ = ["VllmReader", "VllmState", "merge"]

_LONGEST = 1 << 16


class VllmReader:
    """Reads the vLLM lines of one file; `source` is the file's name, used in every citation.

    The name of a Ray worker's own file (`worker-<id>-<job>-<pid>.out`) gives its lines the
    pid that they lack. No line makes it raise, and it holds a bounded number of them.
    """

    WANTED: tuple[bytes, ...] = words.WANTED

    def __init__(self, source: str) -> None:
        found = words.RAY_FILE.search(source)
        self._source = source
        self._pid = int(found[1]) if found else None
        self._take(VllmState(VllmLog(executor="ray" if found else None)))
        self._readers: dict[Kind, Callable[[Said], None]] = {
            "weights": self._read_weights,
            "rank": self._read_rank,
            "world": self._read_world,
            "kv": self._read_kv,
            "started": self._read_start,
            "config": self._read_config,
            "model": self._read_model,
            "experts": self._read_experts,
            "failure": self._read_failure,
            "stopped": self._read_stop,
        }

    @classmethod
    def restored(cls, source: str, state: VllmState) -> Self:
        """A reader that goes on where the one whose `state` this is left off."""
        reader = cls(source)
        reader._take(state)
        return reader

    def _take(self, state: VllmState) -> None:
        self._log, self._tables = state.log, EngineTables(state.log)
        self._elided, self._headless = state.elided, state.headless
        self._sized, self._loading = state.sized, state.loading

    def state(self) -> VllmState:
        """What was read so far, for `restored`."""
        known = self._tables.within(self._log)
        return VllmState(known, self._elided, self._headless, self._sized, self._loading)

    def result(self) -> VllmLog:
        """Everything that the lines so far show."""
        return settled(self.state())

    def line(self, number: int, stamp: str | None, text: str) -> None:
        """Take one line without its transport framing; `stamp` is the transport's RFC 3339 time."""
        kinds = words.kinds(text)
        if not kinds:
            return
        one = said(text[:_LONGEST], f"{self._source}:{number}", stamp)
        self._tables.lines += 1
        self._tables.name(one)
        self._read_hints(one)
        for kind in dict.fromkeys(kinds):
            if kind in self._readers:
                self._readers[kind](one)

    def _pid_of(self, one: Said) -> int | None:
        return self._pid if one.pid is None else one.pid

    def _read_weights(self, one: Said) -> None:
        line = weights_line(one, self._pid_of(one))
        self._tables.keep_weights(line)
        if line is None or line.rounded:
            self._read_memory(one)

    def _read_memory(self, one: Said) -> None:
        self._tables.keep_memory(memory_use(one, self._pid_of(one)))

    def _read_rank(self, one: Said) -> None:
        self._tables.keep_rank(assigned_line(one, self._pid_of(one)))

    def _read_world(self, one: Said) -> None:
        found = words.WORLD.search(one.text)
        if found is not None and found[4]:
            self._log = replace(self._log, backend=found[4])
        self._tables.keep_rank(world_line(one, self._pid_of(one)))

    def _read_kv(self, one: Said) -> None:
        self._tables.keep_kv(one)
        if words.KV_SIZED.search(one.text):
            self._sized = self._sized or one.source

    def _read_config(self, one: Said) -> None:
        found = config_line(one.text)
        if found is None:
            return
        if words.is_new_start(one.text):
            self._sized = None
        if self._log.started and words.is_new_start(one.text):
            self._log = replace(self._log, started=False, started_source=one.source)
            self._log = replace(self._log, started_at=None, stopped_source=None)
        self._log = configured(self._log, found, one.source)
        device = words.DEVICE.search(one.text)
        if device is not None and self._log.backend is None:
            self._log = replace(self._log, backend=words.BACKENDS.get(device[1]))
        self._elided |= found.kind == NON_DEFAULT
        self._headless |= found.kind == "headless"

    def _read_model(self, one: Said) -> None:
        found = words.MODEL.search(one.text)
        if found is not None:
            self._loading = self._loading or scrubbed(found[1])

    def _read_experts(self, one: Said) -> None:
        found = words.EXPERTS.search(one.text)
        if found is not None:
            over = max(int(found[1]), self._log.expert_ranks or 0)
            self._log = replace(self._log, expert_ranks=over)

    def _read_start(self, one: Said) -> None:
        if words.is_started(one.text):
            self._log = replace(
                self._log,
                started=True,
                started_source=one.source,
                started_at=one.seen_at,
                stopped_source=None,
            )
            self._read_memory(one)

    def _read_stop(self, one: Said) -> None:
        if self._log.started and words.is_stopped(one.text):
            self._log = replace(self._log, stopped_source=one.source)

    def _read_failure(self, one: Said) -> None:
        room = self._tables.room_for_exceptions
        found = failure(one.text, one.source, one.seen_at, exceptions=room)
        if found is None:
            return
        self._tables.keep_failure(found)
        if found.fatal and not self._log.started:
            self._log = replace(self._log, started=False, started_source=one.source)

    def _read_hints(self, one: Said) -> None:
        log = self._log
        if log.engine is None and words.is_v1(one.text, one.label):
            log = replace(log, engine="V1")
        if log.backend is None and words.ASCEND in one.text:
            log = replace(log, backend="hccl")
        executor = words.executor_of(one.text, one.label)
        if executor is not None and executor != log.executor:
            log = replace(log, executor=words.stronger(executor, log.executor))
        self._log = log
