"""Whether NCCL's traffic can leave a node: where pods and ranks are, and how far logs show it."""

from collections import Counter
from collections.abc import Iterator

from distcheck.checks.evidence import Evidence, NcclLog
from distcheck.checks.evidence.nccl import Channels, Communicator
from distcheck.checks.facts.nccl_coverage import live
from distcheck.checks.facts.nccl_group import NcclGroup
from distcheck.checks.knowledge import transports


def elsewhere(evidence: Evidence, group: NcclGroup) -> tuple[str, ...]:
    """Why the group may reach beyond one node; empty where it cannot."""
    return tuple(dict.fromkeys((*_of_pods(evidence), *_of_log(group))))


def _of_pods(evidence: Evidence) -> Iterator[str]:
    yield from (f"{p.name} has no node yet" for p in evidence.pods if p.node is None)
    nodes = sorted({p.node for p in evidence.pods if p.node})
    if len(nodes) > 1:
        yield f"the group's pods are on {', '.join(nodes)}"
    intent, gpus = evidence.intent, sum(p.gpus for p in evidence.pods)
    wanted = max(intent.gpus or 0, (intent.world_size or 0) * (intent.dp or 1))
    if wanted > gpus:
        yield f"the pods that are known have {gpus} of the {wanted} GPUs asked for"
    if (intent.nodes or 1) > max(len(evidence.pods), 1):
        yield f"{len(evidence.pods)} of {intent.nodes} pods are known"


def _of_log(group: NcclGroup) -> Iterator[str]:
    if len({group.home(h) for h in group.log.hosts}) > 1:
        yield f"the logs show {', '.join(group.log.hosts)}"
    across = [c for c in group.log.communicators if group.spans(c)]
    nodes = max((c.nodes or 0 for c in across), default=0)
    if nodes > 1:
        yield f"NCCL counts {nodes} nodes"


def local_networks(group: NcclGroup, *, alone: bool) -> tuple[Channels, ...]:
    """Channels over a network that stay on one node: all of them, if the group is `alone` there."""
    nets = (c for c in group.log.channels if c.transport.startswith("NET/"))
    return tuple(nets) if alone else group.local_networks


def copies_apart(evidence: Evidence, log: NcclLog) -> bool:
    """Each copy of a dense model is on one host, with every communicator seen complete."""
    size, every = evidence.intent.world_size, live(log.communicators)
    copies = evidence.intent.dp or 1
    if not size or copies < 2 or evidence.intent.ep or not every:
        return False
    members = {(r.host, r.pid, r.bus_id) for c in every for r in c.ranks}
    held = Counter(host for host, _, _ in members)
    largest = Counter(c.hosts[0] for c in every if c.nranks == size and c.hosts)
    return (
        log.start_seen
        and not log.folded
        and all(transports.one_node(c) and len(c.complete) == c.nranks for c in every)
        and len(members) == size * copies
        and all(count % size == 0 for count in held.values())
        and all(largest[host] >= count // size for host, count in held.items())
    )


def spanning(group: NcclGroup) -> tuple[Communicator, ...]:
    """Communicators with ranks on several nodes; ended ones only where all have ended."""
    every = group.log.communicators
    return tuple(c for c in live(every) or every if group.spans(c))


def is_mnnvl(one: Channels) -> bool:
    """Whether it is multi-node NVLink: no NIC, and one line for both directions."""
    return one.transport.startswith("P2P/MNNVL")


def on_sockets(group: NcclGroup) -> tuple[str, ...]:
    """Hosts of communicators between nodes with a process that chose sockets."""
    ranked = {(r.host, r.pid) for c in spanning(group) for r in c.ranks}
    named = (p for p in group.log.processes if p.network == "Socket")
    return tuple(sorted({p.host for p in named if (p.host, p.pid) in ranked}))
