"""What logs alone prove (`distcheck.logs/v1`): the types, and the fold from what was read."""

from msgspec import UNSET, Struct, UnsetType

from distcheck.checks.evidence.engine import EngineLog
from distcheck.checks.evidence.nccl import Mark, NcclLog
from distcheck.checks.knowledge import initialisation, transport_causes, transports
from distcheck.checks.knowledge.communicators import world_of
from distcheck.checks.knowledge.nccl_failures import first_failure
from distcheck.checks.logs_devices import devices
from distcheck.checks.logs_engine import LoggedFailure, VllmPart
from distcheck.checks.logs_failures import RootFailure, fatal_of, logged_failures, root_failure
from distcheck.checks.logs_gdr import GdrShare, gdr_shares
from distcheck.checks.logs_notes import notes
from distcheck.checks.logs_pairs import HostPair, OddChannels, host_pairs, odd_channels
from distcheck.checks.logs_ranks import LoggedCommunicator, logged_communicators
from distcheck.checks.logs_summary import summary
from distcheck.checks.logs_verdict import Summary, verdict
from distcheck.checks.verdict import Outcome

LOGS_SCHEMA = "distcheck.logs/v1"


class NcclPart(Struct, frozen=True):
    """NCCL's side of the log. None: the log does not show it.

    `summary` is the verdict in words, with the lines that show it and what to do. `evidence`
    is `(words, file:line)`, the first line of each kind. `world` is the id of the largest
    communicator. `providers` are libfabric's, `devices` the network's by host. `gdr_by_size`
    counts channel lines by the size of their communicator.
    """

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
    summary: Summary
    world: str | None = None
    root_failure: RootFailure | None = None
    pairs: tuple[HostPair, ...] = ()
    odd: tuple[OddChannels, ...] = ()
    gdr_by_size: tuple[GdrShare, ...] = ()
    devices: dict[str, tuple[str, ...]] = {}
    providers: tuple[str, ...] = ()
    marks: tuple[Mark, ...] = ()
    lines: int = 0
    flavour: str = "NCCL"
    start_seen: bool = False
    evidence: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def largest(self) -> LoggedCommunicator | None:
        """The largest communicator."""
        return next((c for c in self.communicators if c.id == self.world), None)


class LogsReport(Struct, frozen=True):
    """The whole answer; `by_file` only where several files were given.

    `status` and `headline` are the verdict as the text tells it. `jobs` has the files of each
    job where they are of several. `binary`: it is no text, and nothing was found in it.
    `cut` says why reading stopped early, `skipped` what was not read at all, and why. `engine`
    is what SGLang, TensorRT-LLM or NIM say; None where none of them wrote a line.
    """

    status: Outcome
    headline: str
    bytes: int
    lines: int
    nccl: NcclPart
    vllm: VllmPart
    schema: str = LOGS_SCHEMA
    name: str = ""
    cut: str | None = None
    skipped: tuple[str, ...] = ()
    engine: EngineLog | None = None
    jobs: tuple[tuple[str, ...], ...] = ()
    binary: bool = False
    by_file: "tuple[LogsReport, ...] | UnsetType" = UNSET

    @property
    def engine_failures(self) -> tuple[LoggedFailure, ...]:
        """What the engine says of itself that ends it."""
        return fatal_of(self.vllm)


def nccl_part(log: NcclLog, *, ended: bool = True, advice: str | None = None) -> NcclPart:
    """What one NCCL log proves; `ended`: it was read to its end.

    `advice` is what to do about a log without NCCL lines, where the engine's lines tell it.
    """
    world = world_of(log.communicators)
    leaving = transports.inter_node(log)
    cause = transport_causes.socket_fallback_cause(log)
    pairs = host_pairs(log)
    return NcclPart(
        versions=log.versions,
        network=transports.network(log),
        inter_node_transports=transports.transports(leaving, "inter_node"),
        intra_node_transports=transports.transports(log.channels, "intra_node"),
        gdrdma=transports.gdrdma(log),
        nranks=None if world is None else world.nranks,
        hosts=log.hosts,
        init_complete_ranks=initialisation.init_complete_ranks(log),
        failures=logged_failures(log.failures),
        socket_fallback_cause=cause,
        verdict=verdict(log, ended=ended),
        transport_verdict=transports.transport_verdict(log),
        communicators=logged_communicators(log),
        summary=summary(log, ended=ended, advice=advice),
        world=None if world is None else world.id,
        root_failure=root_failure(first_failure(log.failures)),
        pairs=pairs,
        odd=odd_channels(log, pairs),
        gdr_by_size=gdr_shares(log),
        devices=devices(log),
        providers=transports.providers_of(log),
        marks=log.marks,
        lines=log.lines,
        flavour=log.flavour,
        start_seen=log.start_seen,
        evidence=_evidence(log, cause),
        notes=notes(log),
    )


def _evidence(log: NcclLog, cause: str | None) -> tuple[tuple[str, str], ...]:
    """`(words, file:line)` of what the verdict rests on: the first line of each kind."""
    said: dict[str, str] = {}
    for one in transports.net_channels(log) or log.channels:
        said.setdefault(f"{one.direction} via {one.transport}", one.source)
    for words, source in transport_causes.cause_lines(log, cause)[:2]:
        said.setdefault(words, source)
    return tuple(said.items())[:8]
