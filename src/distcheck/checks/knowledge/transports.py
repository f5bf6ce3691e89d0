"""What one log proves about its transports."""

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from distcheck.checks.evidence.nccl import Channels, Communicator, NcclLog
from distcheck.checks.knowledge import initialisation
from distcheck.checks.knowledge.communicators import world_of
from distcheck.checks.knowledge.networks import class_of, is_gdr

TransportVerdict = Literal["rdma", "rdma-no-gdr", "socket", "mnnvl", "single-node", "inconclusive"]
Verdict = Literal["rdma", "rdma-no-gdr", "socket", "mnnvl", "single-node", "failed", "inconclusive"]

_GOOD = ("rdma", "rdma-no-gdr", "mnnvl", "single-node")
_WORST: tuple[TransportVerdict, ...] = (
    "socket",
    "inconclusive",
    "rdma-no-gdr",
    "rdma",
    "mnnvl",
    "single-node",
)


def providers_of(log: NcclLog) -> tuple[str, ...]:
    """The libfabric providers that this log names."""
    return tuple(dict.fromkeys(p.provider for p in log.processes if p.provider))


def network(log: NcclLog) -> str | None:
    """The name after `Using network`; of several, the one that most processes chose."""
    named = Counter(p.network for p in log.processes if p.network)
    return min(named, key=lambda n: (-named[n], n), default=None)


def collnet_failed(log: NcclLog) -> bool:
    """The log says itself that CollNet (SHARP) could not be used."""
    return any(f.id == "sharp" for f in log.failures)


def inter_node(log: NcclLog) -> tuple[Channels, ...]:
    """Channels that leave the node; CollNet's only where it did not fail."""
    skip = collnet_failed(log)
    found = (c for c in log.channels if c.scope == "inter_node")
    return tuple(c for c in found if not (skip and c.transport.startswith("COLLNET/")))


def net_channels(log: NcclLog) -> tuple[Channels, ...]:
    """Channels over a network, point to point: what a verdict on RDMA rests on."""
    return tuple(c for c in log.channels if c.transport.startswith("NET/"))


def transports(channels: Iterable[Channels], scope: str) -> tuple[str, ...]:
    """Distinct transports of one scope, sorted."""
    return tuple(sorted({c.transport for c in channels if c.scope == scope}))


def gdrdma(log: NcclLog) -> bool | None:
    """Every network channel uses GPUDirect RDMA; None where there is no network channel."""
    found = net_channels(log)
    return all(is_gdr(c.transport) for c in found) if found else None


def communicator_verdicts(log: NcclLog) -> dict[str, TransportVerdict]:
    """What each communicator with channels between nodes uses; `''` is one that is not known."""
    leaving: dict[str, list[Channels]] = {}
    for one in log.channels:
        if one.scope == "inter_node":
            leaving.setdefault(one.communicator, []).append(one)
    providers = providers_of(log)
    return {name: _of_channels(found, providers) for name, found in leaving.items()}


def transport_verdict(log: NcclLog) -> TransportVerdict:
    """What the channel lines prove, whatever else failed.

    Each communicator is judged alone; the worst of those between nodes decides. Reduction in
    the switches (CollNet) adds to the network of another one, and proves nothing by itself.
    """
    found = communicator_verdicts(log)
    if net_channels(log):
        only = {c.communicator for c in net_channels(log)}
        return min((found[name] for name in only), key=_WORST.index)
    if found:
        return min(found.values(), key=_WORST.index)
    world = world_of(log.communicators)
    alone = world is not None and one_node(world) and not any(map(spans_nodes, log.communicators))
    return "single-node" if alone else "inconclusive"


def _of_channels(leaving: Iterable[Channels], providers: tuple[str, ...]) -> TransportVerdict:
    every = list(leaving)
    networks = [c for c in every if c.transport.startswith("NET/")]
    if networks:
        return _of_networks(networks, providers)
    return "mnnvl" if all(class_of(c.transport) == "nvlink" for c in every) else "inconclusive"


def _of_networks(found: Iterable[Channels], providers: tuple[str, ...]) -> TransportVerdict:
    used = {c.transport for c in found}
    classes = {class_of(t, providers) for t in used}
    if "socket" in classes:
        return "socket"
    if classes != {"rdma"}:
        return "inconclusive"
    return "rdma" if all(is_gdr(t) for t in used) else "rdma-no-gdr"


def spans_nodes(one: Communicator) -> bool:
    """Its ranks are on several nodes, as NCCL counts nodes or as its ranks' hosts show."""
    return (one.nodes or 1) > 1 or len(one.hosts) > 1


def one_node(one: Communicator) -> bool:
    """All ranks are on one node, as NCCL counts nodes or as every rank's host shows."""
    if one.nodes is not None:
        return one.nodes == 1 and len(one.hosts) <= 1
    return len(one.ranks) == one.nranks and len(one.hosts) == 1


def verdict(log: NcclLog) -> Verdict:
    """What this log proves: failed, or the transport, or that it proves nothing."""
    if any(f.fatal for f in log.failures) or initialisation.never_initialised(log):
        return "failed"
    found = transport_verdict(log)
    return "inconclusive" if found in _GOOD and doubts(log) else found


def doubts(log: NcclLog) -> bool:
    """Something that was started is not seen to work, or was not read."""
    return (
        bool(log.dropped)
        or (bool(log.communicators) and not initialisation.works(log))
        or initialisation.half_initialised(log)
        or initialisation.unconnected(log)
        or bool(initialisation.unplaced(log))
    )
