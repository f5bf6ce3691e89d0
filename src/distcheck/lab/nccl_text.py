"""NCCL 2.27's INFO lines for the lab's ranks, written after its grammar.

Forms: NCCL src/init.cc, src/bootstrap.cc, src/misc/socket.cc, src/transport/net.cc, p2p.cc and
shm.cc, and src/plugin/net.cc at 2.27.3.
"""

from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from distcheck.lab import failures
from distcheck.lab.layout import GPUS, Layout, Rank
from distcheck.lab.scenario import MIB, Engine, NodeName, Scene

CHANNELS = 4
POOL = 33_030_528  # NCCL 2.27's proxy pool for one rank, in bytes
_FULL = "No space left on device (28)"
_ROOT_PORT = 41_713  # where rank 0 waits for the others; NCCL picks it at random
_TRIES = 35


class Comm(Struct, frozen=True):
    """One communicator: its members in rank order."""

    ident: int
    members: tuple[Rank, ...]

    def rank_of(self, rank: Rank) -> int:
        """The rank's number inside this communicator."""
        return self.members.index(rank)

    @property
    def hosts(self) -> list[str]:
        """The pods that it spans."""
        return list(dict.fromkeys(r.member.pod for r in self.members))


def comms_of(layout: Layout) -> list[Comm]:
    """Every communicator of the lab: of tensor-parallel groups, pipelines and copies."""
    found: list[tuple[Rank, ...]] = []
    everyone = list(layout.ranks())
    for number, engine in enumerate(layout.world.engines):
        found += _groups(engine, [r for r in everyone if r.engine == number])
    return [Comm(0x5D1F_0C3A_77E2_0000 + i, members) for i, members in enumerate(found)]


def _groups(engine: Engine, ranks: Sequence[Rank]) -> Iterator[tuple[Rank, ...]]:
    """By tensor-parallel group, by pipeline, by copies of a rank, and by experts' ranks."""
    alike: list[Callable[[Rank], tuple[int, ...]]] = [lambda r: (r.dp_rank, r.pp_rank)]
    alike.append(lambda r: (r.dp_rank, r.tp_rank))
    alike.append(lambda r: (r.pp_rank, r.tp_rank))
    if engine.dp > 1 and engine.tp > 1:
        alike.append(lambda r: (r.pp_rank,))
    for key in alike:
        found: dict[tuple[int, ...], list[Rank]] = {}
        for rank in ranks:
            found.setdefault(key(rank), []).append(rank)
        yield from (tuple(group) for group in found.values() if len(group) > 1)


def room_for(world: Scene, node: NodeName) -> int:
    """Ranks of a node that find room for their pool beside what dead ones left."""
    left = world.shm.leaked if node == world.shm.leaked_on else 0
    return max(0, world.shm.mib * MIB // POOL - left)


def rank_lines(layout: Layout, rank: Rank, comms: Sequence[Comm]) -> Iterator[str]:
    """What NCCL prints in one rank's process; nothing where nobody asked for it."""
    engine = layout.world.engines[rank.engine]
    if engine.progress in ("waiting", "rendezvous") or layout.world.nccl_debug == "unset":
        return
    write = _Writer(rank, layout.world, engine.fails)
    own = [c for c in comms if rank in c.members]
    if own:
        yield from write.process()
    if own and engine.fails == "no-interface":
        return
    for comm in own:
        if engine.progress == "bootstrap":
            versions = engine.fails == "nccl-versions"
            yield from write.other_version(comm) if versions else write.no_answer(comm)
            return
        yield from write.start(comm)
        if engine.progress == "first-word":
            return
        if engine.progress == "init":
            locked = layout.world.rdma.memlock != "unlimited"
            yield from write.no_memory(comm) if locked else write.no_space()
            return
        yield from write.connect(comm)


class _Writer:
    """Lines of one process: the prefix is `host:pid:tid [cudaDev] NCCL INFO`."""

    def __init__(self, rank: Rank, world: Scene, fails: str) -> None:
        self.rank, self.fails = rank, fails
        self.world = world
        self.prefix = f"{rank.member.pod}:{rank.pid}:{rank.pid} [{rank.local}] NCCL INFO "

    def process(self) -> Iterator[str]:
        """What is printed once in a process: version, interface, settings, network."""
        interface = failures.interface(self.fails, self.rank.member.ip)
        for name, value in self.world.nccl_settings.items():
            yield f"{self.prefix}{name} set by environment to {value}."
        if self.fails == "no-interface":
            yield from self._warned("bootstrap.cc:128", "Bootstrap : no socket interface found")
            return
        yield f"{self.prefix}Bootstrap: Using {interface}"
        yield f"{self.prefix}cudaDriverVersion 12080"
        yield f"{self.prefix}NCCL version {failures.nccl_version(self.fails, self.rank)}+cuda12.8"
        yield f"{self.prefix}NET/Plugin: Could not find: libnccl-net.so."
        if self.world.network == "ib":
            devices = " ".join(f"[{i}]mlx5_{i}:1/IB" for i in range(GPUS))
            yield f"{self.prefix}NET/IB : Using {devices} [RO]; OOB {interface}"
            yield f"{self.prefix}Initialized NET plugin IB"
        else:
            yield f"{self.prefix}NET/IB : No device found."
            yield f"{self.prefix}NET/IB : Using [RO]; OOB {interface}"
            yield f"{self.prefix}NET/Socket : Using [0]{interface}"
            yield f"{self.prefix}Initialized NET plugin Socket"

    def start(self, comm: Comm) -> Iterator[str]:
        """Up to the bootstrap of one communicator."""
        yield f"{self.prefix}{self._comm(comm)} - Init START"
        yield f"{self.prefix}RAS client listening socket at ::1<28028>"
        yield f"{self.prefix}Bootstrap timings total 0.031250 (create 0.000030, send 0.000120)"

    def no_answer(self, comm: Comm) -> Iterator[str]:
        """The bootstrap of a rank on another node than rank 0: its SYNs are dropped."""
        root = comm.members[0].member
        yield f"{self.prefix}{self._comm(comm)} - Init START"
        if root == self.rank.member:
            return
        address, why = failures.unreached(self.fails, root.ip)
        what = f"connect to {address}<{_ROOT_PORT}> returned {why}"
        warn = self.prefix.replace("NCCL INFO ", "misc/socket.cc:448 NCCL WARN ")
        for number in (1, _TRIES - 1):
            sleep = f"retrying ({number}/{_TRIES - 1}) after sleep for {number * 100} msec"
            yield f"{self.prefix}socketPollConnect: {what}, {sleep}"
        yield ""
        yield f"{warn}socketPollConnect: {what}, exceeded error retry count after {_TRIES} attempts"
        yield f"{self.prefix}misc/socket.cc:567 -> 6"
        yield f"{self.prefix}bootstrap.cc:773 -> 6"

    def other_version(self, comm: Comm) -> Iterator[str]:
        """The first exchange between the ranks, which shows that they are not alike."""
        yield from self.start(comm)
        yield from self._warned("init.cc:1009", failures.other_versions())
        yield f"{self.prefix}init.cc:1488 -> 5"

    def _warned(self, place: str, text: str) -> Iterator[str]:
        yield ""
        yield self.prefix.replace("NCCL INFO ", f"{place} NCCL WARN ") + text

    def no_space(self) -> Iterator[str]:
        """A full /dev/shm: of 64 MiB only two ranks of a node get their pool."""
        if self.rank.local < room_for(self.world, self.rank.member.node):
            return
        warn = self.prefix.replace("NCCL INFO ", "misc/shmutils.cc:87 NCCL WARN ")
        path = f"/dev/shm/nccl-{self.rank.pid:06x}"
        yield ""
        yield f"{warn}Error: failed to extend {path} to {POOL} bytes, error: {_FULL}"
        yield ""
        yield (
            f"{warn}Error while creating shared memory segment {path} (size {POOL - 512}), "
            f"error: {_FULL}"
        )
        yield f"{self.prefix}proxy.cc:1336 -> 2"
        yield f"{self.prefix}init.cc:1488 -> 2"

    def no_memory(self, comm: Comm) -> Iterator[str]:
        """The first registration of a rank with a peer on another node, over the limit."""
        ring = _ring(comm, 0)
        at = ring.index(self.rank)
        ends = {ring[at - 1].member, ring[(at + 1) % len(ring)].member}
        yield f"{self.prefix}Using network IB"
        if ends == {self.rank.member}:
            return
        warn = self.prefix.replace("NCCL INFO ", "misc/ibvwrap.cc:186 NCCL WARN ")
        yield ""
        yield f"{warn}Call to ibv_reg_mr_iova2 failed with error Cannot allocate memory"
        yield f"{self.prefix}transport/net_ib.cc:1786 -> 2"
        yield f"{self.prefix}init.cc:1488 -> 2"

    def connect(self, comm: Comm) -> Iterator[str]:
        """Channels, rings and completion of one communicator."""
        me, size = comm.rank_of(self.rank), len(comm.members)
        name = "IB" if self.world.network == "ib" else "Socket"
        local = [r for r in comm.members if r.member == self.rank.member]
        yield f"{self.prefix}Assigned NET plugin {name} to comm"
        yield f"{self.prefix}Using network {name}"
        yield (
            f"{self.prefix}comm 0x{self._pointer(comm):x} rank {me} nRanks {size} "
            f"nNodes {len(comm.hosts)} localRanks {len(local)} "
            f"localRank {local.index(self.rank)} MNNVL 0"
        )
        for channel in range(CHANNELS):
            yield from self._edges(comm, channel)
        yield f"{self.prefix}Connected all rings, use ring PXN 0 GDR {int(self._gdr)}"
        yield f"{self.prefix}Connected all trees"
        yield f"{self.prefix}{self._comm(comm)} - Init COMPLETE"

    @property
    def _gdr(self) -> bool:
        return self.world.network == "ib" and self.rank.member.node not in self.world.without_gdr

    def _network(self, channel: int) -> str:
        if self.world.network != "ib":
            return "NET/Socket/0"
        return f"NET/IB/{channel}/GDRDMA" if self._gdr else f"NET/IB/{channel}"

    @property
    def _beside(self) -> str:
        """How it reaches a GPU of its own node."""
        apart = self.world.nccl_settings.get("NCCL_P2P_DISABLE") == "1"
        return "SHM/direct/direct" if apart else "P2P/CUMEM/read"

    def _edges(self, comm: Comm, channel: int) -> Iterator[str]:
        ring = _ring(comm, channel)
        at = ring.index(self.rank)
        before, after = ring[at - 1], ring[(at + 1) % len(ring)]
        name = f"Channel {channel:02d}/0 : "
        net = self._network(channel)
        if before.member != self.rank.member:
            yield f"{self.prefix}{name}{_edge(comm, before, self.rank)} [receive] via {net}"
        if after.member != self.rank.member:
            yield f"{self.prefix}{name}{_edge(comm, self.rank, after)} [send] via {net}"
        elif after != self.rank:
            yield f"{self.prefix}{name}{_edge(comm, self.rank, after)} via {self._beside}"

    def _comm(self, comm: Comm) -> str:
        gpu = self.rank.gpu
        return (
            f"ncclCommInitRank comm 0x{self._pointer(comm):x} rank {comm.rank_of(self.rank)} "
            f"nranks {len(comm.members)} cudaDev {self.rank.local} nvmlDev {gpu} "
            f"busId {0x1B + 0x0A * gpu:x}000 commId 0x{comm.ident:x}"
        )

    def _pointer(self, comm: Comm) -> int:
        return 0x55D0_0000_0000 + (comm.ident & 0xFFFF) * 0x1_0000 + self.rank.pid


def _ring(comm: Comm, channel: int) -> list[Rank]:
    """The members node by node; each channel enters a node at another GPU."""
    ring: list[Rank] = []
    for host in comm.hosts:
        local = [r for r in comm.members if r.member.pod == host]
        turn = channel % len(local)
        ring += local[turn:] + local[:turn]
    return ring


def _edge(comm: Comm, one: Rank, other: Rank) -> str:
    return f"{comm.rank_of(one)}[{one.gpu}] -> {comm.rank_of(other)}[{other.gpu}]"
