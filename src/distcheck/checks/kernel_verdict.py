"""The verdict on traffic between nodes where the kernel has a say beside the logs, or alone."""

from collections.abc import Sequence

from msgspec import structs

from distcheck.checks.evidence import Cite, Missing
from distcheck.checks.facts.kernel_traffic import KernelTraffic
from distcheck.checks.facts.rank_links import Link
from distcheck.checks.facts.rank_network import RankNetwork
from distcheck.checks.facts.rdma_state import RdmaStates
from distcheck.checks.facts.sockets_why import UNTOLD
from distcheck.checks.facts.traffic import Traffic
from distcheck.checks.knowledge.counted import counted
from distcheck.checks.knowledge.names import few, names
from distcheck.checks.verdict import Verdict, failed, passed, unknown, warned

_SOURCE = "inet_diag and RDMA netlink of the nodes"
_LOOK = (
    "Send requests and look again: what the kernel counts has to change. Or set NCCL_DEBUG=INFO"
    " and restart the group, so that its log tells."
)
_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")
_MOST_CITES = 8


def with_kernel(by_log: Verdict, traffic: Traffic, rdma: RdmaStates | Missing) -> Verdict:
    """`by_log`, or what the kernel shows where the logs do not decide.

    Where the two contradict each other, that is said.
    """
    kernel, nccl = traffic.kernel, traffic.nccl
    if isinstance(kernel, Missing) or by_log.outcome == "skipped":
        return by_log
    silent = isinstance(nccl, Missing) or not nccl.channels
    if by_log.outcome == "unknown":
        return _by_kernel(by_log, kernel, rdma) if silent else by_log
    if kernel.shown == "socket" and by_log.outcome == "pass":
        says = f"the logs show RDMA ({by_log.says}), the kernel does not: {_moved(kernel)}"
        return unknown(says, (*by_log.cites, *_cites(kernel)), remedy=_LOOK)
    if kernel.shown == "rdma" and by_log.outcome == "fail":
        says = f"{by_log.says}; yet the kernel shows {_linked(kernel)}"
        return structs.replace(by_log, says=says, cites=(*by_log.cites, *_cites(kernel)))
    return _with_rest(by_log, traffic, kernel)


def _with_rest(by_log: Verdict, traffic: Traffic, kernel: KernelTraffic) -> Verdict:
    """A pass of logs that do not show every node, where the kernel does."""
    gaps = () if isinstance(traffic.nccl, Missing) else traffic.nccl.gaps
    if not gaps or kernel.shown != "rdma" or by_log.outcome != "pass":
        return by_log
    says = f"{by_log.says}; the kernel shows the rest: {_linked(kernel)}"
    return structs.replace(by_log, says=says, cites=(*by_log.cites, *_cites(kernel)))


def _by_kernel(by_log: Verdict, kernel: KernelTraffic, rdma: RdmaStates | Missing) -> Verdict:
    if kernel.shown == "rdma":
        subjects = [p.pod.name for p in kernel.pods]
        return passed(f"no log tells, the kernel shows {_linked(kernel)}", _cites(kernel), subjects)
    if kernel.shown == "socket":
        return _sockets(kernel, rdma)
    if kernel.shown == "both":
        says = (
            f"no log tells; the kernel shows {_peers(kernel)}, but {_moved(kernel)} as well: which"
            " of them the tensors take is not to be seen"
        )
        return unknown(says, _cites(kernel), remedy=_LOOK)
    return _undecided(by_log, kernel)


def _sockets(kernel: KernelTraffic, rdma: RdmaStates | Missing) -> Verdict:
    hosts = sorted({n for b in kernel.bulk for n in (b.one, b.other)})
    says = f"ranks on different nodes talk over TCP, not RDMA: {_moved(kernel)}"
    if kernel.why.gpu_direct_tcp:
        says = f"{says}; {kernel.why.gpu_direct_tcp} is set, so it is GPU-direct TCP, not RDMA"
        return warned(says, "gpu-direct-tcp", _cites(kernel), hosts)
    why = kernel.why
    shown, state = _nodes_state(rdma, why.cause, hosts)
    because = f", because {shown or why.says}" if shown or why.says else ""
    cites = (*_cites(kernel), *(state or why.cites))
    return failed(f"{says}{because}", why.cause, cites, hosts, why.remedy)


def _nodes_state(
    rdma: RdmaStates | Missing, cause: str, hosts: Sequence[str]
) -> tuple[str, tuple[Cite, ...]]:
    """Why there is no device, as the nodes show it, where no setting is the cause."""
    if isinstance(rdma, Missing) or cause not in (UNTOLD, "no-ib-device"):
        return "", ()
    return rdma.why_sockets(hosts)


def _undecided(by_log: Verdict, kernel: KernelTraffic) -> Verdict:
    """What was seen, and what was not; nothing that `by_log` says already."""
    seen = _seen(kernel)
    unseen = [r for r in kernel.unseen if r not in by_log.says]
    if not seen:
        return by_log
    parts = [by_log.says, f"the kernel alone does not decide: {seen}"]
    parts += [f"not seen: {'; '.join(unseen[:2])}"] if unseen else []
    return unknown("; ".join(parts), (*by_log.cites, *_cites(kernel)), remedy=_LOOK)


def _seen(kernel: KernelTraffic) -> str:
    parts = []
    if any(b.queue_pairs for b in kernel.between):
        parts.append(_peers(kernel))
    holding = [p.pod.name for p in kernel.pods if p.holds_hca]
    if holding and not parts:
        parts.append(f"the ranks of {names(holding)} hold HCAs open, which proves no use")
    if not any(b.tcp.connections for b in kernel.between):
        parts += ["no TCP connection between ranks was seen"] if parts else []
    elif not kernel.bulk:
        parts.append(f"TCP between ranks carried {_size(_carried(kernel.between))}")
    if kernel.bulk:
        parts.append(_moved(kernel))
    return ", ".join(parts)


def _linked(kernel: KernelTraffic) -> str:
    quiet = f"TCP between them carried {_size(_carried(kernel.between))}"
    nodes = len({p.pod.node for p in kernel.pods})
    if kernel.by_counters:
        sent = sum(p.grown_over_hcas() or 0 for p in kernel.pods)
        return (
            f"that the HCAs of ranks on {nodes} nodes sent {_size(sent)} between two looks; {quiet}"
        )
    return f"{_peers(kernel)}; {quiet}"


def _peers(kernel: KernelTraffic) -> str:
    every = sum(b.queue_pairs for b in kernel.between)
    nodes = len({p.pod.node for p in kernel.pods})
    return f"{counted(every, 'RDMA connection')} between ranks on {nodes} nodes"


def _moved(kernel: KernelTraffic) -> str:
    """What went over TCP, by the pairs that moved most, and that nothing else was open."""
    most = sorted(kernel.bulk, key=lambda b: -b.tcp.carried)
    pairs = few([f"{_size(b.tcp.carried)} between {b.one} and {b.other}" for b in most])
    return f"TCP carried {pairs}{_lacks(kernel)}"


def _lacks(kernel: KernelTraffic) -> str:
    """`, and none of their ranks has opened an HCA`, or those of which pods have not."""
    moved = {n for b in kernel.bulk for n in (b.one, b.other)}
    bare = [p.pod.name for p in kernel.pods if p.bare and p.pod.name in moved]
    if not bare:
        return ""
    whose = "none of their ranks" if len(bare) == len(moved) else f"no rank of {names(bare)}"
    return f", and {whose} has opened an HCA"


def _carried(between: Sequence[Link]) -> int:
    return sum(b.tcp.carried for b in between)


def _cites(kernel: KernelTraffic) -> tuple[Cite, ...]:
    """Of each pair of pods, those that moved most first, then of each pod."""
    most = sorted(kernel.between, key=lambda b: (-b.tcp.carried, -b.queue_pairs))
    times = {p.pod.name: getattr(p.flows, "seen_at", None) for p in kernel.pods}
    pairs = [Cite(_told(b), _SOURCE, times[b.one]) for b in most[:_MOST_CITES]]
    return (*pairs, *(c for p in kernel.pods[:_MOST_CITES] if (c := _held(p))))


def _told(one: Link) -> str:
    grown = "" if one.tcp.grown is None else f", {_size(one.tcp.grown)} of it since the look before"
    peers = counted(one.queue_pairs, "queue pair") if one.queue_pairs else "no queue pairs"
    return (
        f"ranks of {one.one} and {one.other}: {peers} between them; "
        f"{counted(one.tcp.connections, 'TCP connection')} carried {_size(one.tcp.carried)}{grown}"
    )


def _held(one: RankNetwork) -> Cite | None:
    if isinstance(one.opened, Missing):
        return None
    own = [o for o in one.opened.processes if o.pid in one.ranks]
    hcas = sorted({one.opened.hcas.get(f, f) for o in own for f in o.files})
    every = counted(len(one.ranks), "rank")
    what = f"{len(own)} of {every} of {one.pod.name} hold {few(hcas)} open"
    if not own:
        what = f"no open HCA among the files of {every} of {one.pod.name}"
    return Cite(what, one.opened.source, one.opened.seen_at)


def _size(number: float) -> str:
    """`4.2 MB`, in powers of 1000 as networks count."""
    unit = 0
    while number >= 1000 and unit < len(_UNITS) - 1:
        number, unit = number / 1000, unit + 1
    return (
        f"{number:.0f} {_UNITS[unit]}"
        if unit == 0 or number >= 100
        else f"{number:.2g} {_UNITS[unit]}"
    )
