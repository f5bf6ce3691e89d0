"""What the kernel shows of traffic between nodes, in words and with what it rests on."""

from collections.abc import Sequence

from distcheck.checks.evidence import Cite, Missing
from distcheck.checks.facts.kernel_traffic import KernelTraffic
from distcheck.checks.facts.rank_links import Link
from distcheck.checks.facts.rank_network import RankNetwork
from distcheck.checks.knowledge.counted import counted
from distcheck.checks.knowledge.names import few, names

_SOURCE = "inet_diag and RDMA netlink of the nodes"
_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")
_MOST_CITES = 8


def seen(kernel: KernelTraffic) -> str:
    """What each witness shows that does not decide alone; empty where none shows anything."""
    parts = []
    if any(b.queue_pairs for b in kernel.between):
        parts.append(peers(kernel))
    holding = [p.pod.name for p in kernel.pods if p.holds_hca]
    if holding and not parts:
        parts.append(f"the ranks of {names(holding)} hold HCAs open, which proves no use")
    if not any(b.tcp.connections for b in kernel.between):
        parts += ["no TCP connection between ranks was seen"] if parts else []
    elif not kernel.bulk:
        parts.append(f"TCP between ranks carried {_size(_carried(kernel.between))}")
    if kernel.bulk:
        parts.append(moved(kernel))
    if kernel.outgrown:
        who = names(kernel.outgrown)
        parts.append(f"since the look before TCP of {who} grew by more than their HCAs sent")
    return ", ".join(parts)


def linked(kernel: KernelTraffic) -> str:
    """What shows RDMA between all nodes, and how little TCP carried."""
    quiet = f"TCP between them carried {_size(_carried(kernel.between))}"
    nodes = len({p.pod.node for p in kernel.pods})
    if kernel.by_counters:
        sent = sum(p.grown_over_hcas() or 0 for p in kernel.pods)
        return (
            f"that the HCAs of ranks on {nodes} nodes sent {_size(sent)} between two looks; {quiet}"
        )
    return f"{peers(kernel)}; {quiet}"


def peers(kernel: KernelTraffic) -> str:
    """`128 RDMA connections between ranks on 2 nodes`."""
    every = sum(b.queue_pairs for b in kernel.between)
    nodes = len({p.pod.node for p in kernel.pods})
    said = f"{counted(every, 'RDMA connection')} between ranks on {nodes} nodes"
    holders = {h for b in kernel.between for h in b.holders}
    ranks = sum(len(p.ranks) for p in kernel.pods)
    return said if len(holders) >= ranks else f"{said}, held by {len(holders)} of {ranks} ranks"


def moved(kernel: KernelTraffic) -> str:
    """What went over TCP, by the pairs that moved most, and that nothing else was open."""
    most = sorted(kernel.bulk, key=lambda b: -kernel.told(b).carried)
    pairs = few([f"{_size(kernel.told(b).carried)} between {b.one} and {b.other}" for b in most])
    return f"TCP carried {pairs}{_lacks(kernel)}"


def _lacks(kernel: KernelTraffic) -> str:
    """`, and none of their ranks has opened an HCA`, or those of which pods have not."""
    talking = {n for b in kernel.bulk for n in (b.one, b.other)}
    bare = [p.pod.name for p in kernel.pods if p.bare and p.pod.name in talking]
    if not bare:
        return ""
    whose = "none of their ranks" if len(bare) == len(talking) else f"no rank of {names(bare)}"
    return f", and {whose} has opened an HCA"


def _carried(between: Sequence[Link]) -> int:
    return sum(b.tcp.carried for b in between)


def cites(kernel: KernelTraffic) -> tuple[Cite, ...]:
    """Of each pair of pods, those that moved most first, then of each pod."""
    most = sorted(kernel.between, key=lambda b: (-b.tcp.carried, -b.queue_pairs))
    times = {p.pod.name: getattr(p.flows, "seen_at", None) for p in kernel.pods}
    pairs = [Cite(_told(b), _SOURCE, times[b.one]) for b in most[:_MOST_CITES]]
    return (*pairs, *(c for p in kernel.pods[:_MOST_CITES] if (c := _held(p))))


def _told(one: Link) -> str:
    grown = "" if one.tcp.grown is None else f", {_size(one.tcp.grown)} of it since the look before"
    held = counted(one.queue_pairs, "queue pair") if one.queue_pairs else "no queue pairs"
    return (
        f"ranks of {one.one} and {one.other}: {held} between them; "
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
