"""Streams the bytes of a log to the readers, and puts together what they read."""

from collections.abc import Iterable

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from distcheck.agent.logs import ray, vllm_merge
from distcheck.agent.logs.engines import EngineReader, merged
from distcheck.agent.logs.framing import LONGEST_LINE, Framing
from distcheck.agent.logs.lines import Lines, Readers
from distcheck.agent.logs.nccl import NcclReader, NcclState
from distcheck.agent.logs.ray import RayLogState, RayReader
from distcheck.agent.logs.vllm import VllmReader, VllmState
from distcheck.agent.redact import scrubbed
from distcheck.checks.evidence import Missing, PodLook
from distcheck.checks.evidence.engine import EngineLog
from distcheck.checks.evidence.nccl import NcclLog
from distcheck.checks.evidence.ray_log import RayLog
from distcheck.checks.evidence.vllm import VllmLog
from distcheck.checks.knowledge import nccl_merge

CHUNK = 256 * 1024


class Distilled(Struct, frozen=True):
    """What one log, or several of one pod, show. `cut` says why reading stopped early."""

    source: str
    nccl: NcclLog
    vllm: VllmLog
    bytes: int
    lines: int
    cut: str | None = None
    engine: EngineLog = EngineLog()
    ray: RayLog = RayLog()


def with_logs(look: PodLook, logs: Distilled | Missing) -> PodLook:
    """The look at a pod with what its logs show, or why they show nothing."""
    if isinstance(logs, Missing):
        return replace(look, nccl=logs, vllm=logs, engine=logs, ray_log=logs)
    return replace(look, nccl=logs.nccl, vllm=logs.vllm, engine=logs.engine, ray_log=logs.ray)


class DistillerState(Struct):
    """All that a distiller has read so far, as plain data."""

    nccl: NcclState
    vllm: VllmState
    engine: EngineLog
    parts: dict[str, bytes]
    rest: bytes
    bytes: int
    lines: int
    cut: int = 0
    ray: RayLogState = field(default_factory=RayLogState)


_STATE = msgspec.msgpack.Decoder(DistillerState)


class Distiller:
    """One log, fed in chunks of any size. Memory does not grow with the log.

    With `saved` and `restored` another process goes on where this one stopped.
    """

    def __init__(self, source: str, state: DistillerState | None = None) -> None:
        self._source = source
        self._readers = _fresh(source) if state is None else _restored(source, state)
        self._framing = Framing({} if state is None else state.parts)
        read = 0 if state is None else state.lines
        self._lines = Lines(self._readers, self._framing, read)
        self._framing.lost = 0 if state is None else state.cut
        self._rest = b"" if state is None else state.rest
        self._bytes = 0 if state is None else state.bytes

    @classmethod
    def restored(cls, source: str, saved: bytes) -> "Distiller":
        """One that goes on with the bytes after those that were read before `saved`.

        Raises:
            msgspec.DecodeError: `saved` is not what `saved()` gave.
        """
        return cls(source, _STATE.decode(saved))

    def saved(self) -> bytes:
        """What was read so far, for `restored`; this one may go on as well."""
        state = DistillerState(
            nccl=self._readers.nccl.state(),
            vllm=self._readers.vllm.state(),
            engine=self._readers.engine.state(),
            parts=self._framing.parts,
            rest=self._rest,
            bytes=self._bytes,
            lines=self._lines.read,
            cut=self._framing.lost,
            ray=self._readers.ray.state(),
        )
        return msgspec.msgpack.encode(state)

    def feed(self, chunk: bytes) -> None:
        """Read the next bytes of the log."""
        self._bytes += len(chunk)
        end = chunk.rfind(b"\n") + 1
        if end == 0:
            self._keep(chunk)
            return
        first = chunk.find(b"\n") + 1 if self._rest else 0
        if first:
            self._lines.block(self._rest + chunk[:first])
        if first < end:
            self._lines.block(chunk[first:end])
        self._rest = b""
        self._keep(chunk[end:])

    def _keep(self, part: bytes) -> None:
        """Hold an unfinished line, but no more of it than is ever read.

        A progress bar writes one line for ever: what it has overwritten is read at once.
        """
        rest = self._rest + part
        if len(rest) > LONGEST_LINE and (at := rest.rfind(b"\r") + 1):
            self._lines.begin(rest[:at])
            rest = rest[at:]
        self._lines.cut(rest[LONGEST_LINE:])
        self._rest = rest[:LONGEST_LINE]

    def finish(self, cut: str | None = None) -> Distilled:
        """The end of the log; `cut` where it is not the true end."""
        if self._rest:
            self._lines.block(self._rest + b"\n")
            self._rest = b""
        self._lines.end()
        return Distilled(
            self._source,
            _scrubbed_nccl(self._lines.nccl()),
            _scrubbed_vllm(vllm_merge.merge([self._readers.vllm.result()])),
            self._bytes,
            self._lines.read,
            cut,
            self._readers.engine.result(),
            self._readers.ray.result(),
        )


def _fresh(source: str) -> Readers:
    return Readers(NcclReader(source), VllmReader(source), EngineReader(source), RayReader(source))


def _restored(source: str, state: DistillerState) -> Readers:
    return Readers(
        NcclReader(source, state.nccl),
        VllmReader.restored(source, state.vllm),
        EngineReader.restored(source, state.engine),
        RayReader.restored(source, state.ray),
    )


def _scrubbed_nccl(log: NcclLog) -> NcclLog:
    """The log without secrets in what it quotes: lines of others stand between NCCL's."""
    return replace(
        log,
        failures=tuple(replace(f, says=scrubbed(f.says)) for f in log.failures),
        marks=tuple(replace(m, says=scrubbed(m.says)) for m in log.marks),
        echoes=tuple(replace(e, value=scrubbed(e.value)) for e in log.echoes),
    )


def _scrubbed_vllm(log: VllmLog) -> VllmLog:
    failures = tuple(replace(f, says=scrubbed(f.says)) for f in log.failures)
    return replace(log, failures=failures)


def combine(parts: Iterable[Distilled]) -> Distilled:
    """Distilled files of one pod as one."""
    every = list(parts)
    return Distilled(
        ", ".join(p.source for p in every),
        nccl_merge.merge(p.nccl for p in every),
        vllm_merge.merge(p.vllm for p in every),
        sum(p.bytes for p in every),
        sum(p.lines for p in every),
        next((p.cut for p in every if p.cut), None),
        merged(p.engine for p in every),
        ray.merged(p.ray for p in every),
    )
