"""What NCCL's logs do not show of the traffic between nodes, put into words."""

from collections import defaultdict
from collections.abc import Iterator

from distcheck.checks.evidence import Evidence
from distcheck.checks.evidence.nccl import Channels, Communicator
from distcheck.checks.facts.nccl_coverage import gone, without_ranks
from distcheck.checks.facts.nccl_group import NcclGroup
from distcheck.checks.facts.nccl_reach import is_mnnvl, spanning


def reach_gaps(group: NcclGroup, leaving: tuple[Channels, ...]) -> tuple[str, ...]:
    """What is not seen of the communicators between nodes; `leaving` are their channels."""
    across = spanning(group)
    hosts = sorted({h for c in across for h in c.hosts})
    return (
        *_short(group, leaving),
        *late(group, across),
        *folded(group, hosts),
        *_of_nodes(group, hosts, leaving),
        *_lazy(across, leaving),
        *_unanswered(across, leaving),
    )


def late(group: NcclGroup, communicators: tuple[Communicator, ...]) -> tuple[str, ...]:
    """Hosts of these communicators of whose processes the first lines were not seen."""
    started = {(p.host, p.pid) for p in group.log.processes if p.start_seen}
    distinct = {id(c): c for c in communicators}.values()
    ranks = (r for c in distinct for r in c.ranks)
    hosts = sorted({r.host for r in ranks if (r.host, r.pid) not in started})
    return tuple(f"the first NCCL lines of {host} were not seen" for host in hosts)


def folded(group: NcclGroup, hosts: list[str]) -> tuple[str, ...]:
    """Which of `hosts` Ray may hide lines of."""
    hidden = set(group.folded_hosts)
    return tuple(
        f"lines of {host} that Ray folded away (set RAY_DEDUP_LOGS=0)"
        for host in hosts
        if host in hidden
    )


def _short(group: NcclGroup, leaving: tuple[Channels, ...]) -> Iterator[str]:
    across = spanning(group)
    if not across and leaving:
        yield "no communicator between nodes was seen, though channels leave a node"
    for one in across:
        if len(one.ranks) < one.nranks and not one.inferred:
            seen = f"{len(one.ranks)} of {one.nranks} ranks of communicator {one.id} were seen"
            yield f"{seen}, not {gone(one)}"


def silent_pods(evidence: Evidence, group: NcclGroup) -> str:
    """`; pods without NCCL ranks: a, b` for pods with GPUs; empty where there is none."""
    names = [p.name for p in without_ranks(evidence, group)]
    rest = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return f"; pods without NCCL ranks: {', '.join(names[:4])}{rest}" if names else ""


def _of_nodes(group: NcclGroup, hosts: list[str], leaving: tuple[Channels, ...]) -> Iterator[str]:
    """Nodes without channels to others in both directions, by the names of their pods."""
    pods: dict[str, list[str]] = defaultdict(list)
    for host in hosts:
        pods[group.home(host)].append(host)
    channels: dict[str, list[Channels]] = defaultdict(list)
    for one in leaving:
        channels[group.home(one.host)].append(one)
    for node, own in pods.items():
        yield from _of_node(" and ".join(own), channels[node])


def _of_node(name: str, leaving: list[Channels]) -> Iterator[str]:
    if not leaving:
        yield f"no channel of {name} that leaves its node"
    elif not all(map(is_mnnvl, leaving)):
        seen = {c.direction for c in leaving if not is_mnnvl(c)}
        missing = [d for d in ("send", "receive") if d not in seen]
        yield from (f"no {d} channel of {name} that leaves its node" for d in missing)


def _lazy(across: tuple[Communicator, ...], leaving: tuple[Channels, ...]) -> Iterator[str]:
    """Communicators between nodes that are not connected yet, though others are."""
    named = {c.communicator for c in leaving}
    unowned = {(c.host, c.pid) for c in leaving if not c.communicator}
    for one in across:
        ours = {(r.host, r.pid) for r in one.ranks}
        if leaving and one.id not in named and not one.inferred and not ours & unowned:
            yield (
                f"a channel of communicator {one.id} ({one.nranks} ranks on"
                f" {', '.join(one.hosts[:4])}): NCCL connects it at its first use, so send a"
                " request and look again"
            )


def _unanswered(across: tuple[Communicator, ...], leaving: tuple[Channels, ...]) -> tuple[str, ...]:
    """Ranks that another node's rank sends to, of whose process no receiving channel is seen."""
    receiving = {(c.host, c.pid) for c in leaving if c.direction == "receive"}
    seats = {(c.id, r.rank): r for c in across for r in c.ranks}
    sends = [c for c in leaving if c.direction == "send" and c.transport.startswith("NET/")]
    asked = (seats.get((c.communicator, other)) for c in sends for _, other in c.peers)
    silent = {(r.rank, r.host) for r in asked if r and (r.host, r.pid) not in receiving}
    return tuple(
        f"no receive channel of rank {rank} on {host}, to which another node sends"
        for rank, host in sorted(silent)[:4]
    )
