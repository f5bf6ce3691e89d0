"""NCCL001."""

from distcheck.checks.check import check
from distcheck.checks.evidence import Cite
from distcheck.checks.evidence.nccl import Communicator
from distcheck.checks.facts.nccl import Communicators, failure_cite, rank_cite
from distcheck.checks.verdict import Verdict, failed, passed, unknown

_CITED = 4


@check("NCCL001")
def ranks_initialised(nccl: Communicators) -> Verdict:
    """Every rank initialised its communicators.

    Proves:
        Each rank of the group wrote that its communicators are complete: all ranks found
        each other, agreed on a topology and set up their channels. It does not prove which
        transport they use (NCCL002), nor that a later collective succeeds.

    Causes:
        bootstrap-connect: a rank cannot reach another one over TCP: firewall, network policy
            or the wrong interface
        iface-none: no usable network interface; NCCL_SOCKET_IFNAME may name none
        peer-closed: another rank closed the connection: look for the first error there
        nranks: the ranks do not agree on how many they are
        version-mismatch: the ranks run different NCCL versions
        truncated: the ranks disagree on message sizes, often from different settings
        duplicate-gpu: two ranks use one GPU
        shm-no-space: /dev/shm is too small for the segment that NCCL asks for
        shm-attach: a shared memory segment of another rank cannot be opened
        bus-error: a process died of a bus error, the sign of a full /dev/shm in NCCL before 2.19
        ib-completion: an RDMA operation failed: unreachable peer, lossy fabric or ACS
        ib-modify-qp: an RDMA connection cannot be set up: GID index or RoCE routing
        ib-mr: memory cannot be registered: locked-memory limit or GPU memory support
        ib-async: an RDMA device reported a fatal event
        ofi-mr: libfabric cannot register memory
        nvls: NVLink SHARP multicast cannot be bound: look at the fabric manager
        mnnvl: multi-node NVLink is there and its IMEX channels are not usable
        p2p-hw: GPUs joined by NVLink cannot use peer-to-peer
        no-transport: two ranks have no transport in common
        net-mismatch: the nodes have different numbers of network devices
        network-not-found: the network that NCCL_NET asks for is not there
        proxy-operation: NCCL's proxy thread could not carry out a connection step
        cuda: a CUDA call failed
        watchdog-timeout: a collective did not end within PyTorch's timeout
        nccl-remote-error: the program says that another rank failed or left
        nccl-system-error: the program says that a system call failed within NCCL
        nccl-cuda-error: the program says that a CUDA call failed within NCCL
        nccl-invalid-usage: the program says that it called NCCL wrongly
        nccl-internal-error: the program says that NCCL failed internally

    Remedy:
        Look at the cited line first: it is the earliest failure that does not follow from
        another one. Where ranks are missing, look at the pods that should run them, then at
        the reachability of the rendezvous address (NET001, NET002). Set NCCL_DEBUG=INFO to
        see more, and RAY_DEDUP_LOGS=0 where Ray folds lines.
    """
    steps = (_failure, _no_communicator, _waiting, _short, _split, _few)
    found = (step(nccl) for step in steps)
    return next((verdict for verdict in found if verdict is not None), None) or _pass(nccl)


def _failure(nccl: Communicators) -> Verdict | None:
    first = nccl.failure
    if first is None:
        return None
    where = f" on {first.host}" if first.host else ""
    others = sum(f.fatal for f in nccl.failures) - 1
    more = f" ({others} more failures follow)" if others else ""
    subjects = (first.host,) if first.host else ()
    says = f"NCCL failed{where}: {first.says}{more}"
    return failed(says, first.id, (failure_cite(first), *_world_cites(nccl)), subjects)


def _no_communicator(nccl: Communicators) -> Verdict | None:
    if nccl.live:
        return None
    if nccl.communicators:
        return unknown("every communicator in the logs has ended", _world_cites(nccl))
    hint = "no communicator yet" if nccl.info else "only warnings are logged; set NCCL_DEBUG=INFO"
    return unknown(f"the logs have NCCL lines and show no communicator: {hint}")


def _waiting(nccl: Communicators) -> Verdict | None:
    if not nccl.waiting:
        return None
    names = ", ".join(f"rank {r.rank} on {r.host}" for _, r in nccl.waiting[:_CITED])
    cites = [rank_cite(r, c) for c, r in nccl.waiting[:_CITED]]
    says = f"{len(nccl.waiting)} ranks started and are not complete yet: {names}"
    return unknown(f"{says}{_folding(nccl)}", cites)


def _short(nccl: Communicators) -> Verdict | None:
    if not nccl.short:
        return None
    one = max(nccl.short, key=lambda c: c.nranks)
    says = f"{len(one.ranks)} of {one.nranks} ranks seen in logs, on {', '.join(one.hosts)}"
    return unknown(f"{says}; not seen: {_gone(one)}{_folding(nccl)}", _world_cites(nccl))


def _split(nccl: Communicators) -> Verdict | None:
    """No communicator is as large as TP: not begun yet, or another world (SHARD002 tells)."""
    world = nccl.world
    if world is None or nccl.tp is None or world.nranks >= nccl.tp:
        return None
    says = f"the largest communicator has {world.nranks} ranks; TP asks for {nccl.tp}"
    return unknown(
        f"{says}: that one is not begun, or the group is split (SHARD002)", _world_cites(nccl)
    )


def _few(nccl: Communicators) -> Verdict | None:
    if nccl.expected is None or nccl.members >= nccl.expected:
        return None
    says = f"{nccl.members} of the {nccl.expected} ranks asked for are seen in logs"
    return unknown(f"{says}{_folding(nccl)}", _world_cites(nccl))


def _pass(nccl: Communicators) -> Verdict:
    world = nccl.world
    size = 0 if world is None else world.nranks
    hosts = () if world is None else world.hosts
    count = len(nccl.live)
    what = "communicator" if count == 1 else "communicators"
    says = f"all {nccl.members} ranks completed {count} {what}, the largest of {size}"
    return passed(f"{says}, on {', '.join(hosts)}", _world_cites(nccl), hosts)


def _world_cites(nccl: Communicators) -> tuple[Cite, ...]:
    """The first rank of the world on each host."""
    world = nccl.world
    if world is None:
        return ()
    first = {r.host: r for r in reversed(world.ranks)}
    return tuple(rank_cite(first[h], world) for h in world.hosts[:_CITED])


def _gone(one: Communicator) -> str:
    """The ranks not seen, as ranges: the first eight."""
    held = sorted({r.rank for r in one.ranks})
    between = zip((-1, *held), (*held, one.nranks), strict=True)
    gone = [(low + 1, high - 1) for low, high in between if high - low > 1]
    spans = (f"{a}" if a == b else f"{a} to {b}" for a, b in gone[:8])
    return f"rank {', '.join(spans)}"


def _folding(nccl: Communicators) -> str:
    return "; Ray folded lines away (set RAY_DEDUP_LOGS=0)" if nccl.folded else ""
