"""Whether NCCL's traffic can leave a node: where pods and ranks are, and how far logs show it."""

from collections import Counter
from collections.abc import Iterator

from distcheck.checks.evidence import Evidence, NcclLog
from distcheck.checks.evidence.nccl import Channels, Communicator
from distcheck.checks.facts.nccl_coverage import live
from distcheck.checks.knowledge import transports


def elsewhere(evidence: Evidence, log: NcclLog) -> tuple[str, ...]:
    """Why the group may reach beyond one node; empty where it cannot."""
    return tuple(dict.fromkeys((*_of_pods(evidence), *_of_log(log))))


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


def _of_log(log: NcclLog) -> Iterator[str]:
    if len(log.hosts) > 1:
        yield f"the logs show {', '.join(log.hosts)}"
    nodes = max((c.nodes or 0 for c in log.communicators), default=0)
    if nodes > 1:
        yield f"NCCL counts {nodes} nodes"


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


def spanning(log: NcclLog) -> tuple[Communicator, ...]:
    """Communicators with ranks on several nodes; ended ones only where all have ended."""
    counted = live(log.communicators) or log.communicators
    return tuple(c for c in counted if len(c.hosts) > 1 or (c.nodes or 1) > 1)


def reach_gaps(log: NcclLog) -> tuple[str, ...]:
    """Hosts of communicators between nodes whose channels, or first lines, were not seen."""
    started = {(p.host, p.pid) for p in log.processes if p.start_seen}
    late = {r.host for c in spanning(log) for r in c.ranks if (r.host, r.pid) not in started}
    leaving: dict[str, list[Channels]] = {h: [] for c in spanning(log) for h in c.hosts}
    for channels in transports.inter_node(log):
        leaving.setdefault(channels.host, []).append(channels)
    hosts = sorted({h for c in spanning(log) for h in c.hosts})
    first = (f"the first NCCL lines of {host} were not seen" for host in hosts if host in late)
    of_hosts = (gap for host in hosts for gap in _of_host(host, leaving[host]))
    return (*_short(log), *first, *of_hosts, *_unanswered(log))


def _short(log: NcclLog) -> Iterator[str]:
    across = spanning(log)
    if not across and transports.inter_node(log):
        yield "no communicator between nodes was seen, though channels leave a node"
    for one in across:
        if len(one.ranks) < one.nranks and not one.inferred:
            yield f"{len(one.ranks)} of {one.nranks} ranks of communicator {one.id} were seen"


def _of_host(host: str, leaving: list[Channels]) -> Iterator[str]:
    if not leaving:
        yield f"no channel of {host} that leaves its node"
    elif not all(map(_is_mnnvl, leaving)):
        seen = {c.direction for c in leaving if not _is_mnnvl(c)}
        missing = [d for d in ("send", "receive") if d not in seen]
        yield from (f"no {d} channel of {host} that leaves its node" for d in missing)


def _unanswered(log: NcclLog) -> tuple[str, ...]:
    """Ranks that another node's rank sends to, of whose process no receiving channel is seen."""
    leaving = transports.inter_node(log)
    receiving = {(c.host, c.pid) for c in leaving if c.direction == "receive"}
    seats = {(c.id, r.rank): r for c in spanning(log) for r in c.ranks}
    sends = [c for c in leaving if c.direction == "send" and c.transport.startswith("NET/")]
    asked = (seats.get((c.communicator, other)) for c in sends for _, other in c.peers)
    silent = {(r.rank, r.host) for r in asked if r and (r.host, r.pid) not in receiving}
    return tuple(
        f"no receive channel of rank {rank} on {host}, to which another node sends"
        for rank, host in sorted(silent)[:4]
    )


def _is_mnnvl(one: Channels) -> bool:
    return one.transport.startswith("P2P/MNNVL")


def on_sockets(log: NcclLog) -> tuple[str, ...]:
    """Hosts of communicators between nodes with a process that chose sockets."""
    ranked = {(r.host, r.pid) for c in spanning(log) for r in c.ranks}
    chose = (p for p in log.processes if p.network == "Socket" and (p.host, p.pid) in ranked)
    return tuple(sorted({p.host for p in chose}))
