"""What NCCL's own log lines show, distilled: bounded facts, each with the line that shows it."""

from typing import Literal

from msgspec import Struct, field

from distcheck.checks.evidence.seen import Seen

Direction = Literal["send", "receive"]
Scope = Literal["inter_node", "intra_node"]
RankState = Literal["started", "complete"]


MOST_PEERS = 64
"""Pairs of ranks that are kept of one process, direction and transport."""


class SeenRank(Struct, frozen=True, omit_defaults=True):
    """One rank of one communicator, as the process that holds it printed it.

    `device` is the GPU's index on the host as NVML counts it (None before NCCL 2.18.3),
    `bus_id` the PCI address in NCCL's short hex. `source` is `file:line` of the last line
    that set the state; `stamp` is that line's RFC 3339 time, where the log carries one.
    `closed` says that the log shows the end of this communicator on this rank, `aborted` that
    it was given up before it was complete.
    """

    rank: int
    host: str
    pid: int
    state: RankState
    source: str
    bus_id: str = ""
    device: int | None = None
    stamp: str | None = None
    closed: bool = False
    aborted: bool = False


class Communicator(Struct, frozen=True, omit_defaults=True):
    """One communicator and the ranks of it that this log shows.

    `id` is NCCL's commId, equal on every rank (printed since 2.16.2). Where none is printed
    the id is made up and `inferred` is set: ranks were put together by size and order only.
    `nodes` and `mnnvl` come from the `nNodes` line (2.20.3 and newer).
    """

    id: str
    nranks: int
    ranks: tuple[SeenRank, ...]
    nodes: int | None = None
    mnnvl: bool = False
    inferred: bool = False
    lines: int = 1

    @property
    def complete(self) -> tuple[SeenRank, ...]:
        """The ranks whose initialisation is shown to be complete."""
        return tuple(r for r in self.ranks if r.state == "complete")

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts of the ranks that were seen, sorted."""
        return tuple(sorted({r.host for r in self.ranks}))


class NcclProcess(Struct, frozen=True, omit_defaults=True):
    """One process that wrote NCCL lines: the network it chose, and what it connected.

    `provider` is libfabric's provider where aws-ofi-nccl names it. `source` is the line that
    names the network, or else the first line of the process. `ras` is where it answers NCCL's
    RAS queries, `address<port>` (2.24 and newer). `pending`: it planned channels to another node
    late, and has not said since that it connected any. `again`: NCCL started once more in it,
    and no line shows how far that came. `copied`: all that is seen of it are lines that Ray
    printed once more, in the log of its driver.
    """

    host: str
    pid: int
    source: str
    lines: int
    network: str | None = None
    provider: str | None = None
    rings: bool = False
    trees: bool = False
    start_seen: bool = False
    ras: str | None = None
    pending: bool = False
    again: bool = False
    copied: bool = False


class Channels(Struct, frozen=True, omit_defaults=True):
    """Channel lines of one process that name one transport in one direction, counted.

    `transport` is what follows `via`, without the NIC number and the proxy rank.
    `peers` is a sample of `(own rank, other rank)`; `source` is the first such line. `late`:
    it was planned after the communicator was complete, at a first use; then only `rings` or
    `trees` of its process say that it was connected.
    """

    host: str
    pid: int
    direction: Direction
    transport: str
    scope: Scope
    count: int
    source: str
    communicator: str = ""
    peers: tuple[tuple[int, int], ...] = ()
    late: bool = False


class Echo(Struct, frozen=True, omit_defaults=True):
    """A setting that NCCL says it read: `NCCL_IB_DISABLE set by environment to 1`."""

    name: str
    value: str
    host: str
    source: str


class Mark(Struct, frozen=True, omit_defaults=True):
    """A line that explains a choice, such as `NET/IB : No device found`.

    `id` is from the grammar's table, or `ray-earlier-jobs`: logs that are left out. `source`
    is the first such line of this host.
    """

    id: str
    says: str
    host: str
    source: str


class Failure(Struct, frozen=True, omit_defaults=True):
    """A failure that NCCL, or the program that called it, put into words.

    `symptom` marks one that follows from another rank's failure; `peer` is the address that
    it names. `count` is how many lines said the same for this host. `rank`, `operation` and
    `sequence` are of the collective that a watchdog gave up on.
    """

    id: str
    fatal: bool
    says: str
    source: str
    line: int
    host: str = ""
    pid: int = 0
    peer: str | None = None
    stamp: str | None = None
    symptom: bool = False
    count: int = 1
    rank: int | None = None
    operation: str | None = None
    sequence: int | None = None


class NcclLog(Seen, frozen=True, tag="nccl-log"):
    """Facts from the NCCL lines of one pod's logs.

    `lines` counts NCCL messages, `folded` those that Ray left out as repeated, `sheared`
    those that could not be trusted. `dropped` names what the bounds left out. `start_seen`
    says whether the first lines of every process that shows ranks or channels are there.
    `written` is when each file was last written (RFC 3339): no line of it is younger.
    """

    lines: int = 0
    flavour: Literal["NCCL", "RCCL"] = "NCCL"
    versions: tuple[str, ...] = ()
    info: bool = False
    start_seen: bool = False
    processes: tuple[NcclProcess, ...] = ()
    communicators: tuple[Communicator, ...] = ()
    channels: tuple[Channels, ...] = ()
    echoes: tuple[Echo, ...] = ()
    marks: tuple[Mark, ...] = ()
    failures: tuple[Failure, ...] = ()
    folded: int = 0
    sheared: int = 0
    dropped: tuple[str, ...] = ()
    written: dict[str, str] = field(default_factory=dict)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Hosts that wrote NCCL lines, sorted."""
        return tuple(sorted({p.host for p in self.processes}))
