"""What logs alone prove (`distcheck.logs/v1`): the types, and the fold from what was read."""

from collections.abc import Iterable

from msgspec import UNSET, Struct, UnsetType

from distcheck.checks.evidence.nccl import Communicator, Failure, NcclLog
from distcheck.checks.knowledge import transport_causes, transports
from distcheck.checks.knowledge.communicators import world_of
from distcheck.checks.logs_engine import LoggedFailure, VllmPart

LOGS_SCHEMA = "distcheck.logs/v1"


class LoggedCommunicator(Struct, frozen=True):
    """One communicator; `transports` maps each transport to its channel lines."""

    id: str
    nranks: int
    nodes: int | None
    ranks_seen: int
    ranks_complete: int
    transports: dict[str, int]


class NcclPart(Struct, frozen=True):
    """NCCL's side of the log. None: the log does not show it."""

    versions: tuple[str, ...]
    network: str | None
    inter_node_transports: tuple[str, ...]
    intra_node_transports: tuple[str, ...]
    gdrdma: bool | None
    nranks: int | None
    hosts: tuple[str, ...]
    init_complete_ranks: int | None
    failures: tuple[LoggedFailure, ...]
    socket_fallback_cause: str | None
    verdict: transports.Verdict
    transport_verdict: transports.TransportVerdict
    communicators: tuple[LoggedCommunicator, ...]
    lines: int = 0
    flavour: str = "NCCL"
    start_seen: bool = False
    evidence: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


class LogsReport(Struct, frozen=True):
    """The whole answer; `by_file` only where several files were given."""

    bytes: int
    lines: int
    nccl: NcclPart
    vllm: VllmPart
    schema: str = LOGS_SCHEMA
    name: str = ""
    cut: str | None = None
    by_file: "tuple[LogsReport, ...] | UnsetType" = UNSET


def nccl_part(log: NcclLog) -> NcclPart:
    """What one NCCL log proves."""
    world = world_of(log.communicators)
    leaving = transports.inter_node(log)
    cause = transport_causes.socket_fallback_cause(log)
    return NcclPart(
        versions=log.versions,
        network=transports.network(log),
        inter_node_transports=transports.transports(leaving, "inter_node"),
        intra_node_transports=transports.transports(log.channels, "intra_node"),
        gdrdma=transports.gdrdma(log),
        nranks=None if world is None else world.nranks,
        hosts=log.hosts,
        init_complete_ranks=transports.init_complete_ranks(log),
        failures=_nccl_failures(log.failures),
        socket_fallback_cause=cause,
        verdict=transports.verdict(log),
        transport_verdict=transports.transport_verdict(log),
        communicators=tuple(_communicator(c, log) for c in log.communicators),
        lines=log.lines,
        flavour=log.flavour,
        start_seen=log.start_seen,
        evidence=_evidence(log, cause),
        notes=_notes(log),
    )


def _nccl_failures(failures: Iterable[Failure]) -> tuple[LoggedFailure, ...]:
    """One entry for each id, with its first line and how many lines say it."""
    folded: dict[tuple[str, bool], LoggedFailure] = {}
    for one in failures:
        key = (one.id, one.fatal)
        old = folded.get(key)
        line = (one.line, one.source, one.says) if old is None else (old.line, old.source, old.says)
        count = one.count + (0 if old is None else old.count)
        folded[key] = LoggedFailure(one.id, one.fatal, line[2], line[0], line[1], count)
    return tuple(folded.values())


def _communicator(one: Communicator, log: NcclLog) -> LoggedCommunicator:
    used: dict[str, int] = {}
    for channels in log.channels:
        if channels.communicator == one.id:
            used[channels.transport] = used.get(channels.transport, 0) + channels.count
    return LoggedCommunicator(
        one.id, one.nranks, one.nodes, len(one.ranks), len(one.complete), used
    )


def _evidence(log: NcclLog, cause: str | None) -> tuple[tuple[str, str], ...]:
    """`(words, file:line)` of what the verdict rests on: the first line of each kind."""
    said: dict[str, str] = {}
    for one in transports.net_channels(log) or log.channels:
        said.setdefault(f"{one.direction} via {one.transport}", one.source)
    for words, source in transport_causes.cause_lines(log, cause)[:2]:
        said.setdefault(words, source)
    return tuple(said.items())[:8]


def _notes(log: NcclLog) -> tuple[str, ...]:
    notes = [f"left out: {d}" for d in log.dropped]
    if log.folded:
        notes.append(f"Ray folded {log.folded} NCCL lines away (RAY_DEDUP_LOGS=0 keeps them)")
    if log.sheared:
        notes.append(f"{log.sheared} NCCL messages are sheared and count for nothing")
    if log.lines and not log.info:
        notes.append("only warnings are logged: NCCL_DEBUG=INFO would show transports")
    if log.info and not log.start_seen:
        notes.append("the start of the log is not there for every process")
    return tuple(notes)
