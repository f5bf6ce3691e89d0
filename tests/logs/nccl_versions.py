"""A job's NCCL log as each release prints it: text of our own, after the messages' grammar.

Facts from NCCL's sources (debug.cc, bootstrap.cc, init.cc, transport/*.cc; tags v2.12.7 to
v2.30.7), from the strings of the 2.32.3 library, and from what RCCL adds. The job is one
communicator of all ranks, one for each host (split off it) and one for each GPU index (of
its own id), as an engine with tensor and pipeline parallelism makes them. It knows the truth.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import NamedTuple

Release = tuple[int, int, int]

RELEASES: dict[str, Release] = {
    name: (int(name.split(".")[0]), int(name.split(".")[1]), int(name.split(".")[2]))
    for name in (
        *("2.12.7", "2.14.3", "2.16.2", "2.18.1", "2.18.5", "2.19.4", "2.20.5", "2.21.5"),
        *("2.22.3", "2.23.4", "2.24.3", "2.25.1", "2.26.2", "2.27.7", "2.28.9", "2.29.7"),
        *("2.30.7", "2.32.3"),
    )
}
RCCL = "RCCL 2.22.3"
VERSIONS = (*RELEASES, RCCL)
WORLD_ID, STEP_IDS = 0x5DCA21B0E1F3AA07, 0x9E3779B97F4A7C15
OFI = ("AWS Libfabric", "Libfabric", "OFI")
WARN_STAMP = "[2026-03-01 08:31:07] "


class Line(NamedTuple):
    """One line, and the process that wrote it: rank in the world, host and pid."""

    rank: int
    host: str
    pid: int
    text: str


@dataclass(frozen=True)
class Job:
    """What runs. `gdr` holds for each host; `failure` is a name of `FAILURES`.

    `split_twice` makes the communicators of each GPU index by a second split too: with
    colors that the first one used, which until 2.22 gives ids that are in use already.
    """

    hosts: tuple[str, ...] = ("gpu-a", "gpu-b")
    per_host: int = 2
    network: str = "IB"
    gdr: tuple[bool, ...] = (True, True)
    local: str | None = None
    provider: str = "efa"
    no_device: bool = False
    pxn: bool = False
    c2c: bool = False
    one_visible: bool = False
    split_twice: bool = False
    failure: str | None = None

    @property
    def world(self) -> int:
        return len(self.hosts) * self.per_host


@dataclass(frozen=True)
class Truth:
    """What a reader must find; `communicators` are sorted (ranks, ranks complete)."""

    hosts: tuple[str, ...]
    network: str
    inter_node: tuple[str, ...]
    intra_node: tuple[str, ...]
    gdrdma: bool | None
    nranks: int | None
    complete: int | None
    communicators: tuple[tuple[int, int], ...]
    failures: frozenset[tuple[str, bool]]
    transport_verdict: str
    verdict: str


@dataclass(frozen=True)
class Comm:
    """One communicator: the world's ranks in its order, and how it was made."""

    number: int
    ranks: tuple[int, ...]
    split: int = 0
    color: int = 0
    send_receive: bool = False

    @property
    def id(self) -> str:
        which = self.number + 16 * self.ranks[0]
        return f"0x{(WORLD_ID + which * STEP_IDS) % (1 << 64):x}"

    def pointer(self) -> str:
        return f"0x55d0a0c{self.number:02x}000"


@dataclass(frozen=True)
class Process:
    """One rank of the world, and how its release words things."""

    rank: int
    job: Job
    version: str
    release: Release = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "release", RELEASES.get(self.version, (2, 22, 3)))

    @property
    def rccl(self) -> bool:
        return self.version == RCCL

    @property
    def host(self) -> str:
        return self.job.hosts[self.rank // self.job.per_host]

    @property
    def gpu(self) -> int:
        return self.rank % self.job.per_host

    @property
    def cuda(self) -> int:
        return 0 if self.job.one_visible else self.gpu

    @property
    def bus(self) -> str:
        return f"{0x1A000 + self.gpu * 0x11000:x}"

    @property
    def pid(self) -> int:
        return 200 + self.gpu

    @property
    def address(self) -> str:
        return f"10.244.{self.rank // self.job.per_host}.9"

    @property
    def runtime_connect(self) -> bool:
        return self.release >= (2, 22, 0) and not self.rccl and "CUMEM" in local_of(self)

    def info(self, text: str, tid: int) -> Line:
        head = f"{self.host}:{self.pid}:{tid} [{self.cuda}] NCCL INFO "
        return Line(self.rank, self.host, self.pid, head + text)

    def bare(self, text: str) -> Line:
        return Line(self.rank, self.host, self.pid, text)

    def warn(self, where: str, text: str, tid: int) -> list[Line]:
        """A WARN: an empty line before it, stamped from 2.26, with a function from 2.30.7."""
        stamp = WARN_STAMP if self.release >= (2, 26, 0) else ""
        place, _, function = where.partition(" ")
        named = f"{place} ({function})" if self.release >= (2, 30, 7) else place
        head = f"{stamp}{self.host}:{self.pid}:{tid} [{self.cuda}] {named} NCCL WARN "
        return [self.bare(""), self.bare(head + text)]

    def arrow(self, where: str, code: int, tid: int) -> Line:
        place, _, function = where.partition(" ")
        named = f"{place} ({function})" if self.release >= (2, 30, 7) else place
        return self.info(f"{named} -> {code}", tid)


def local_of(process: Process) -> str:
    """The transport between two GPUs of a node, as `process` names it."""
    asked = process.job.local or ("P2P/IPC" if process.rccl else "P2P/CUMEM")
    if asked == "SHM":
        if process.release < (2, 13, 0):
            return "direct shared memory"
        return "SHM/direct" if process.release >= (2, 30, 7) else "SHM/direct/direct"
    if asked == "P2P/CUMEM" and process.release < (2, 19, 1):
        return "P2P/IPC/read"
    return asked


def net_of(process: Process, *, shared: bool = False) -> str:
    """The transport that leaves the node, without the number of the NIC."""
    name = f"NET/{process.job.network}"
    if process.job.gdr[process.rank // process.job.per_host]:
        pci = process.job.c2c and process.release >= (2, 26, 0)
        name += "/GDRDMA(PCI)" if pci else "/GDRDMA"
    return name + ("/Shared" if shared else "")


def comms(job: Job) -> tuple[Comm, ...]:
    """The world, one for each host, and one for each GPU index."""
    ranks, size = tuple(range(job.world)), job.per_host
    made = [Comm(0, ranks)]
    if size > 1 and len(job.hosts) > 1:
        again = 2 * job.split_twice
        made += [Comm(1, ranks[at : at + size], 1, at // size) for at in ranks[::size]]
        made += [Comm(2 + at, ranks[at::size], again, at, send_receive=True) for at in range(size)]
    return tuple(made)


def _opening(p: Process) -> Iterator[Line]:
    """What a process says once, before its first communicator."""
    v = p.release
    yield p.info(f"NCCL_SOCKET_IFNAME set by environment to eth0{'.' * (v < (2, 19, 0))}", p.pid)
    colon = "Bootstrap:" if v >= (2, 24, 0) else "Bootstrap :"
    yield p.info(f"{colon} Using eth0:{p.address}<0>", p.pid)
    if v < (2, 22, 0):
        yield from _plugin_search(p)
    if v >= (2, 13, 0) and not p.rccl:
        yield p.info("cudaDriverVersion 12040", p.pid)
    yield from _version(p)
    if v >= (2, 22, 0):
        yield from _plugin_search(p)
    yield from _devices(p)


def _version(p: Process) -> Iterator[Line]:
    if p.rccl:
        yield p.info("RCCL version : 2.22.3-HEAD:271856d", p.pid)
    elif p.release >= (2, 22, 0):
        yield p.info(f"NCCL version {p.version}+cuda12.9", p.pid)
        if p.release >= (2, 29, 0):
            yield p.info("NCCL git version master 3ea7eed", p.pid)
    elif p.rank == 0:
        yield p.bare(f"NCCL version {p.version}+cuda12.4")


def _plugin_search(p: Process) -> Iterator[Line]:
    """Words of a search that finds nothing, or of the plugin that it finds."""
    if p.job.network in OFI:
        yield p.info("NET/OFI Initializing aws-ofi-nccl 1.13.2-aws", p.pid)
        word = "Selected provider is" if p.release >= (2, 24, 0) else "Selected Provider is"
        fabric = f", fabric is {p.job.provider}-direct" if p.release >= (2, 24, 0) else ""
        yield p.info(f"NET/OFI {word} {p.job.provider}{fabric} (found 4 nics)", p.pid)
    elif p.job.network.startswith("IBext"):
        path = "/opt/hpcx/nccl_rdma_sharp_plugin/lib/libnccl-net.so"
        yield p.info(f"Plugin Path : {path}", p.pid)
        yield p.info(f"P2P plugin {p.job.network}", p.pid)
    elif p.job.network == "gIB":
        yield p.info("NET/gIB : Initializing gIB v1.0.6", p.pid)
    else:
        yield from (p.info(text, p.pid) for text in _not_found(p.release))


def _not_found(v: Release) -> tuple[str, ...]:
    gone = "libnccl-net.so: cannot open shared object file: No such file or directory"
    if v < (2, 17, 0):
        return ("NET/Plugin : No plugin found (libnccl-net.so), using internal implementation",)
    if v < (2, 19, 0):
        load = f"NET/Plugin : Plugin load (libnccl-net.so) returned 2 : {gone}"
        return (load, "NET/Plugin : No plugin found, using internal implementation")
    if v < (2, 21, 0):
        inside = "No plugin found (libnccl-net.so), using internal implementation"
        return (f"NET/Plugin : dlerror={gone} {inside}",)
    if v < (2, 22, 0):
        load = f"NET/Plugin: Plugin load returned 2 : {gone} : when loading libnccl-net.so"
        last = "NET/Plugin: Using internal network plugin."
        return ("NET/Plugin: No plugin found (libnccl-net.so)", load, last)
    if v < (2, 27, 0):
        word = "net" if v >= (2, 26, 0) else "network"
        return (f"NET/Plugin: Could not find: libnccl-net.so. Using internal {word} plugin.",)
    return ("NET/Plugin: Could not find: libnccl-net.so",)


def _devices(p: Process) -> Iterator[Line]:
    ordering = "[RO]" if p.release >= (2, 14, 0) else ""
    oob = f"OOB eth0:{p.address}<0>"
    if p.job.no_device:
        yield p.info("NET/IB : No device found.", p.pid)
        if p.release >= (2, 24, 0):
            yield p.info(f"NET/IB : Using {ordering}; {oob}", p.pid)
    elif p.job.network == "IB" or p.job.network.startswith("IBext"):
        found = "[0]mlx5_0:1/IB [1]mlx5_1:1/IB"
        yield p.info(f"NET/IB : Using {found} {ordering}; {oob}", p.pid)
    if p.job.network == "Socket":
        yield p.info(f"NET/Socket : Using [0]eth0:{p.address}<0>", p.pid)
    if p.release >= (2, 27, 0):
        yield p.info(f"Initialized NET plugin {p.job.network}", p.pid)


def _identity(p: Process, comm: Comm, state: str) -> str:
    """The START or COMPLETE message of a communicator."""
    v, rank = p.release, comm.ranks.index(p.rank)
    nvml = f" nvmlDev {p.gpu}" if v >= (2, 18, 3) else ""
    size = len(comm.ranks)
    text = f"comm {comm.pointer()} rank {rank} nranks {size} cudaDev {p.cuda}{nvml} busId {p.bus}"
    used = " localSize 384 used 682344794 bytes on core 32" * (p.rccl and state == "COMPLETE")
    end = f"{used} - Init {state}"
    if comm.split and (2, 23, 0) <= v < (2, 31, 0) and state == "START":
        end = end.lstrip()  # as these releases print it: `key 0- Init START`
    if comm.split and v >= (2, 21, 0):
        return f"ncclCommSplit {text}{_of_parent(p, comm)}{end}"
    number = f" commId {_id(p, comm)}" if v >= (2, 16, 0) else ""
    if v < (2, 21, 0):
        return f"{text}{number}{end}"
    function = "ncclCommInitRankConfig" if v >= (2, 23, 0) else "ncclCommInitRank"
    start = f"[Rank {rank}] " if v >= (2, 29, 0) and state == "START" else ""
    return f"{start}{function} {text}{number}{end}"


def _of_parent(p: Process, comm: Comm) -> str:
    """What a child of a split says of its parent; no commId from 2.23 until it is back."""
    v, count = p.release, comm.split
    counted = "" if v < (2, 24, 0) else f" {'split' if v < (2, 29, 0) else 'child'}Count {count}"
    parent = f" parent 0x55d0a0c00000{counted} color {comm.color} key {p.rank}"
    if v < (2, 23, 0):
        return f"{parent} commId {_id(p, comm)}"
    return f" commId {_id(p, comm)}{parent}" if v >= (2, 32, 0) else parent


def _by_color(p: Process) -> bool:
    return (2, 18, 0) <= p.release < (2, 23, 0)


def _id(p: Process, comm: Comm) -> str:
    """From 2.18 to 2.22 the id of a child is made of its parent's and of its color alone."""
    return Comm(99, (comm.color,)).id if comm.split and _by_color(p) else comm.id


def _setup(p: Process, comm: Comm) -> Iterator[Line]:
    """From the choice of a network until the ranks know of each other."""
    v, rank, size = p.release, comm.ranks.index(p.rank), len(comm.ranks)
    tid = _thread(p, comm)
    if (2, 19, 0) <= v < (2, 24, 0):
        yield p.info("Using non-device net plugin version 0", tid)
    if v >= (2, 27, 0):
        yield p.info(f"Assigned NET plugin {p.job.network} to comm", tid)
    yield p.info(f"Using network {p.job.network}", tid)
    if v >= (2, 13, 0):
        yield p.info(f"DMA-BUF is available on GPU device {p.cuda}", tid)
    if v >= (2, 18, 3):
        yield p.info(_identity(p, comm, "START"), tid)
    if v >= (2, 24, 0):
        yield p.info("RAS client listening socket at ::1<28028>", tid)
        yield p.info("Bootstrap timings total 0.080276 (create 0.000018, send 0.00008)", tid)
    if v >= (2, 20, 3):
        near = sum(r // p.job.per_host == p.rank // p.job.per_host for r in comm.ranks)
        at = [r for r in comm.ranks if r // p.job.per_host == p.rank // p.job.per_host]
        nodes = len({r // p.job.per_host for r in comm.ranks})
        where = f"nNodes {nodes} localRanks {near} localRank {at.index(p.rank)} MNNVL 0"
        yield p.info(f"comm {comm.pointer()} rank {rank} nRanks {size} {where}", tid)
    if rank == 0:
        ring = " ".join(str(r) for r in range(size))
        yield p.info(f"Channel 00/02 :    {ring}", tid)
        yield p.info(f"Channel 01/02 :    {ring}", tid)
    yield p.info(f"Trees [0] -1/-1/-1->{rank}->{rank - 1} [1] -1/-1/-1->{rank}->{rank - 1}", tid)
    yield p.info("P2P Chunksize set to 131072", tid)


def _thread(p: Process, comm: Comm) -> int:
    return p.pid + 500 + comm.number


def _edges(p: Process, comm: Comm) -> Iterator[tuple[int, int]]:
    """(source, target) of the ring's edges that this rank prints, as ranks of the comm."""
    own, size = comm.ranks.index(p.rank), len(comm.ranks)
    if size > 1:
        yield own, (own + 1) % size
        yield (own - 1) % size, own


def _channels(p: Process, comm: Comm, tid: int) -> Iterator[Line]:
    for channel in (0, 1):
        for edge in _edges(p, comm):
            text = _channel(p, comm, channel, edge)
            if text:
                yield p.info(text, tid)


def _channel(p: Process, comm: Comm, channel: int, edge: tuple[int, int]) -> str:
    """One channel line; '' for a local edge that the other end prints."""
    size = p.job.per_host
    ends = [comm.ranks[r] for r in edge]
    local = ends[0] // size == ends[1] // size
    sends = comm.ranks[edge[0]] == p.rank
    if local and not sends:
        return ""
    places = [_place(p, world) for world in ends]
    pair = f"{edge[0]}[{places[0]}] -> {edge[1]}[{places[1]}]"
    tail = f" comm {comm.pointer()} nRanks {len(comm.ranks):02d}" if p.rccl else ""
    if local:
        number = _number(p, channel, "0")
        return f"Channel {number} : {pair} via {local_of(p)}{tail}"
    way = "send" if sends else "receive"
    via = _net_via(p, comm, sends=sends)
    number = f"{channel:02d}/{int(comm.send_receive)}"
    return f"Channel {number} : {pair} [{way}] via {via}{tail}"


def _number(p: Process, channel: int, connection: str) -> str:
    """`00` or `00/0`: shared memory never has a connection, P2P from 2.14."""
    plain = "P2P" not in local_of(p) or p.release < (2, 14, 0)
    return f"{channel:02d}" if plain else f"{channel:02d}/{connection}"


def _place(p: Process, world: int) -> str:
    other = Process(world, p.job, p.version)
    return other.bus if p.rccl or p.release < (2, 18, 3) else str(other.gpu)


def _net_via(p: Process, comm: Comm, *, sends: bool) -> str:
    name, _, rest = net_of(p, shared=comm.send_receive).removeprefix("NET/").partition("/")
    proxy = f"({(p.rank + 1) % p.job.per_host})" if p.job.pxn and sends else ""
    flush = "/flush=None" if p.release >= (2, 31, 0) and not sends and "GDRDMA" in rest else ""
    return f"NET/{name}/{p.gpu}{proxy}{'/' + rest if rest else ''}{flush}"


def _connected(p: Process, tid: int) -> Iterator[Line]:
    gdr = int(p.job.gdr[p.rank // p.job.per_host])
    used = f", use ring PXN {int(p.job.pxn)} GDR {gdr}" if p.release >= (2, 24, 0) else ""
    yield p.info(f"Connected all rings{used}", tid)
    yield p.info("Connected all trees", tid)


def _complete(p: Process, comm: Comm) -> Iterator[Line]:
    tid, rank, size = _thread(p, comm), comm.ranks.index(p.rank), len(comm.ranks)
    yield p.info("2 coll channels, 0 nvls channels, 2 p2p channels, 2 p2p channels per peer", tid)
    yield p.info(_identity(p, comm, "COMPLETE"), tid)
    if p.release >= (2, 23, 0):
        who = f"ncclCommInitRankConfig: rank {rank} nranks {size} total 0.64 (kernels 0.11)"
        yield p.info(f"Init timings - {who}", tid)
    elif p.release >= (2, 22, 0):
        yield p.info(f"Init timings: rank {rank} nranks {size} total 1.08 (kernels 0.51)", tid)


def _life(p: Process, comm: Comm) -> Iterator[Line]:
    """One communicator, set up to its first collective on one rank."""
    yield from _setup(p, comm)
    late = p.runtime_connect or comm.send_receive
    if not late:
        tid = _thread(p, comm)
        yield from (*_channels(p, comm, tid), *_connected(p, tid))
    yield from _complete(p, comm)
    if late:
        yield from _channels(p, comm, p.pid)
        if not comm.send_receive:
            yield from _connected(p, p.pid)


def _closing(p: Process, comm: Comm) -> Iterator[Line]:
    if p.release < (2, 30, 3):
        who = f"rank {comm.ranks.index(p.rank)} nranks {len(comm.ranks)} cudaDev {p.cuda}"
        end = f"busId {p.bus} - Destroy COMPLETE"
        yield p.info(f"comm {comm.pointer()} {who} {end}", p.pid)
    if p.release >= (2, 31, 0):
        yield p.bare(f"{p.host}:{p.pid} NCCL DIAG [OK] net bw: skipped (single host)")


def _woven(parts: Sequence[Sequence[Line]], run: int = 3) -> Iterator[Line]:
    """Lines of several processes in turns of `run`, each one's in its own order."""
    at = 0
    while any(at < len(part) for part in parts):
        for part in parts:
            yield from part[at : at + run]
        at += run


def log(version: str, job: Job) -> list[Line]:
    """The whole log of a job, all processes written into one."""
    every = [Process(rank, job, version) for rank in range(job.world)]
    lines = list(_woven([list(_opening(p)) for p in every]))
    for number in sorted({c.number for c in comms(job)}):
        same = [c for c in comms(job) if c.number == number]
        stage = _stage(every, same, job.failure)
        lines += _woven([list(part) for part in stage])
        if _ends_here(job.failure, number):
            return lines
    lines += _woven(_after(every, job.failure))
    return lines + list(_woven([list(_closings(p)) for p in every]))


def _closings(p: Process) -> Iterator[Line]:
    for comm in comms(p.job):
        if p.rank in comm.ranks:
            yield from _closing(p, comm)


def _stage(
    every: Sequence[Process], same: Sequence[Comm], failure: str | None
) -> Iterator[Iterable[Line]]:
    """Each process's part in the set-up of communicators with one number."""
    for p in every:
        for comm in (c for c in same if p.rank in c.ranks):
            broken = _BROKEN.get(failure or "")
            if broken is not None and broken[0] == comm.number:
                yield broken[1](p, comm)
            else:
                yield _life(p, comm)


def _ends_here(failure: str | None, number: int) -> bool:
    return failure in _BROKEN and _BROKEN[failure][0] == number


_LATER = ("RAS client", "Bootstrap timings", " nNodes ", "Channel 00/", "Trees ")


def _until(lines: Iterable[Line], stops: Sequence[str]) -> Iterator[Line]:
    return takewhile(lambda line: not any(stop in line.text for stop in stops), lines)


def _unreachable(p: Process, comm: Comm) -> Iterator[Line]:
    """The root cannot be reached: 2.23 says START before it finds that out."""
    v, tid = p.release, _thread(p, comm)
    early = () if v >= (2, 23, 0) else ("- Init START",)
    yield from _until(_setup(p, comm), (*early, *_LATER))
    if p.rank:
        yield from p.warn("misc/socket.cc:483 socketPollConnect", _no_route(v), tid)
        yield p.arrow("bootstrap.cc:270 bootstrapInit", 2, tid)


def _no_route(v: Release) -> str:
    to, why = "10.244.0.9<45763>", "No route to host"
    if v < (2, 20, 0):
        named = "socketStartConnect" if v >= (2, 16, 0) else "Net "
        return f"{named}: Connect to {to} failed : {why}"
    if v < (2, 24, 0):
        return f"socketPollConnect: Connect to {to} returned 113({why}) errno 115"
    if v < (2, 27, 0):
        return f"socketPollConnect: connect returned {why}, exceeded error retry count (35)"
    named = "ncclOsSocketPollConnect" if v >= (2, 29, 0) else "socketPollConnect"
    return f"{named}: connect to {to} returned {why}, exceeded error retry count after 35 attempts"


def _duplicate(p: Process, comm: Comm) -> Iterator[Line]:
    """Two ranks on one GPU: found once the ranks know of each other."""
    tid = _thread(p, comm)
    yield from _until(_setup(p, comm), _LATER[2:])
    if p.release >= (2, 30, 7):
        text = "Multiple Ranks are using the same GPU/Partition. rank 0 and rank 1"
    else:
        text = "Duplicate GPU detected : rank 0 and rank 1 both on CUDA device 1a000"
    yield from p.warn("init.cc:974 fillInfo", text, tid)
    yield p.arrow("init.cc:1265 initTransportsRank", 5, tid)


def _no_shared_memory(p: Process, comm: Comm) -> Iterator[Line]:
    """A small /dev/shm: a WARN from 2.19.1, before it a signal and no word of NCCL's."""
    v, tid = p.release, _thread(p, comm)
    yield from _setup(p, comm)
    if v < (2, 19, 0):
        if p.gpu == 0:
            yield p.bare("Bus error (core dumped)")
        return
    why = ", error: No space left on device (28)" if v >= (2, 22, 0) else ""
    text = f"Error: failed to extend /dev/shm/nccl-a1 to 33030528 bytes{why}"
    yield from p.warn("misc/shmutils.cc:72 ncclShmOpen", text, tid)
    text = f"Error while creating shared memory segment /dev/shm/nccl-a1 (size 33030528){why}"
    yield from p.warn("misc/shmutils.cc:113 ncclShmOpen", text, tid)
    yield p.arrow("transport/shm.cc:115 shmSendSetup", 2, tid)


def _hangs(p: Process, comm: Comm) -> Iterator[Line]:
    """Every rank starts and no more is heard: what a peer that never comes looks like."""
    return _until(_setup(p, comm), _LATER)


_BROKEN = {
    "unreachable": (0, _unreachable),
    "duplicate": (0, _duplicate),
    "shm": (1, _no_shared_memory),
    "hang": (2, _hangs),
}


def _after(every: Sequence[Process], failure: str | None) -> list[list[Line]]:
    """What goes wrong once everything is connected."""
    if failure == "completion":
        return [_completion(p) for p in every[:1]]
    if failure == "ofi-completion":
        why = "completed with error. RC: 107. Error: Inappropriate ioctl for device"
        return [p.warn("ofi_process_cq:196 x", f"NET/OFI Request 0x40 {why}", p.pid) for p in every]
    if failure == "teardown":
        text = "[Service thread] Accept failed Resource temporarily unavailable"
        return [p.warn("proxy.cc:1718 ncclProxyService", text, p.pid + 900) for p in every]
    return []


def _completion(p: Process) -> list[Line]:
    v, tid, peer = p.release, p.pid + 901, "10.244.1.9<45763>"
    if v < (2, 20, 0):
        why = "error 12, opcode 0, len 0, vendor err 129"
    elif v < (2, 28, 7):
        why = "status=12 opcode=0 len=0 vendor err 129 (Send)"
    else:
        why = "status=IBV_WC_RETRY_EXC_ERR(12) opcode=IBV_WC_SEND(0) reqSize=0 vendor_err=129"
    text = f"NET/IB : Got completion from peer {peer} with {why}"
    return [
        *p.warn("transport/net_ib.cc:1333 ncclIbTest", text, tid),
        p.arrow("proxy.cc:694 progressOps", 6, tid),
    ]


FAILURES: dict[str, tuple[str, bool]] = {
    "unreachable": ("bootstrap-connect", True),
    "duplicate": ("duplicate-gpu", True),
    "shm": ("shm-no-space", True),
    "completion": ("ib-completion", True),
    "teardown": ("proxy-teardown", False),
}
"""How the reader names each failure, and whether it is fatal."""


def truth(version: str, job: Job) -> Truth:
    """What the log of this job at this release shows."""
    every = [Process(rank, job, version) for rank in range(job.world)]
    dead = job.failure in ("unreachable", "duplicate")
    started = every[0].release >= ((2, 23, 0) if job.failure == "unreachable" else (2, 18, 3))
    inter, intra = _transports(every, _set_up(job))
    told = "inconclusive" if dead else _transport_verdict(job, inter)
    named = _named(every[0], job.failure)
    return Truth(
        hosts=job.hosts,
        network=job.network,
        inter_node=inter,
        intra_node=intra,
        gdrdma=all("GDRDMA" in t for t in inter) if inter else None,
        nranks=None if dead and not started else job.world,
        complete=0 if dead else job.world,
        communicators=_seen(job, started=started),
        failures=named,
        transport_verdict=told,
        verdict="failed" if any(fatal for _, fatal in named) else told,
    )


def _set_up(job: Job) -> tuple[Comm, ...]:
    broken = _BROKEN.get(job.failure or "")
    return tuple(c for c in comms(job) if broken is None or c.number < broken[0])


def _seen(job: Job, *, started: bool) -> tuple[tuple[int, int], ...]:
    """Communicators that the log shows: those set up, and those that at least say START."""
    done = [(len(c.ranks), len(c.ranks)) for c in _set_up(job)]
    broken = _BROKEN.get(job.failure or "")
    if broken is not None and started:
        done += [(len(c.ranks), 0) for c in comms(job) if c.number == broken[0]]
    return tuple(sorted(done))


def _named(p: Process, failure: str | None) -> frozenset[tuple[str, bool]]:
    if failure not in FAILURES:
        return frozenset()
    silent = failure == "shm" and p.release < (2, 19, 0)
    return frozenset({("bus-error", True) if silent else FAILURES[failure]})


def _transports(
    every: Sequence[Process], shown: Iterable[Comm]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Transports between and inside hosts of the communicators that are set up."""
    inter: set[str] = set()
    intra: set[str] = set()
    for comm in shown:
        for p in (every[r] for r in comm.ranks):
            for edge in _edges(p, comm):
                ends = [comm.ranks[r] // p.job.per_host for r in edge]
                if ends[0] == ends[1]:
                    intra.add(local_of(p))
                else:
                    inter.add(net_of(p, shared=comm.send_receive))
    return tuple(sorted(inter)), tuple(sorted(intra))


def _transport_verdict(job: Job, inter: Sequence[str]) -> str:
    if not inter:
        return "single-node"
    socket = job.network == "Socket" or (job.network in OFI and job.provider in ("tcp", "sockets"))
    if socket:
        return "socket"
    if job.network in ("FasTrak", "GPUDirectTCPX_v7"):
        return "inconclusive"
    return "rdma" if all("GDRDMA" in t for t in inter) else "rdma-no-gdr"
