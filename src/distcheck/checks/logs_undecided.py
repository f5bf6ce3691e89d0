"""What logs lack that prove nothing, in words, and how to get it."""

from collections.abc import Sequence

from distcheck.checks.evidence.nccl import NcclLog, NcclProcess
from distcheck.checks.knowledge import initialisation, networks, transport_causes, transports
from distcheck.checks.knowledge.communicators import world_of
from distcheck.checks.knowledge.rank_ranges import gaps, ranges, spans
from distcheck.checks.knowledge.transport_remedies import SOCKETS
from distcheck.checks.logs_verdict import Summary

_ASK_FOR_INFO = (
    "Set NCCL_DEBUG=INFO in the environment of every rank (not WARN), and start them again."
)
_NOT_CONNECTED = (
    "Send one request: NCCL connects at the first collective; then read the logs again."
)
_STUCK = (
    "Read the log again in a minute. Where it has more lines by then, the ranks were starting, and"
    " what they complete decides. Where it has not, they are stuck: look which ranks are missing,"
    " and whether all pods reach the rendezvous address (name, port, network policy,"
    " NCCL_SOCKET_IFNAME)."
)
_OR_STARTING = "; stuck, or this log ends while it starts: read it again in a minute"
_EVERY_LOG = "Give the logs of all pods of the group at once."


def undecided(log: NcclLog, *, advice: str | None = None) -> Summary:
    """The logs do not show over what the ranks talk: what they lack, and how to get it.

    `advice` is what the engine's own lines tell of logs without NCCL lines (`nccl_advice`).
    """
    if not log.lines:
        return Summary("this holds no NCCL lines", (), advice or _ASK_FOR_INFO)
    if not log.info:
        return Summary("only NCCL's warnings are logged: no transport shows", (), _ASK_FOR_INFO)
    return _unfinished(log) or _unshown(log)


def _unfinished(log: NcclLog) -> Summary | None:
    """Something that began, and is not seen to work."""
    if initialisation.half_initialised(log):
        return _half(log)
    if initialisation.unconnected(log):
        return _planned(log)
    waiting = initialisation.unplaced(log)
    return _unplaced(waiting) if waiting else None


def _unshown(log: NcclLog) -> Summary:
    if any(c.scope == "inter_node" for c in log.channels):
        return _unnamed(log)
    return _no_channels(log)


def _half(log: NcclLog) -> Summary:
    one = max(initialisation.half_done(log), key=lambda c: c.nranks)
    late = [r for r in one.ranks if initialisation.waits(r)]
    names = spans(ranges(r.rank for r in late))
    says = (
        f"{len(late)} ranks started a communicator of {one.nranks} and are not complete ({names})"
    )
    return Summary(says, ((f"rank {late[0].rank} started", late[0].source),), _STUCK)


def _unplaced(waiting: Sequence[NcclProcess]) -> Summary:
    """Processes that began, and hold no rank that is seen to be complete."""
    hosts = sorted({p.host for p in waiting})
    named = ", ".join(hosts[:4]) + (" and more" if len(hosts) > 4 else "")
    many = f"{len(waiting)} processes" if len(waiting) > 1 else "1 process"
    says = f"{many} on {named} started NCCL, and no line shows that a rank of it is complete"
    lines = tuple((f"NCCL on {p.host}, process {p.pid}", p.source) for p in waiting[:1])
    return Summary(says, lines, _STUCK)


def _planned(log: NcclLog) -> Summary:
    """Channels were planned at a first use, and no line says that they were connected."""
    planned = initialisation.planned_only(log)[0]
    says = f"{planned.transport} is planned between nodes, and not seen to be connected"
    line = f"{planned.direction} via {planned.transport}"
    return Summary(says, ((line, planned.source),), _NOT_CONNECTED)


def _unnamed(log: NcclLog) -> Summary:
    found = [c for c in log.channels if c.scope == "inter_node"]
    kinds = {networks.class_of(c.transport) for c in found}
    names = ", ".join(transports.transports(found, "inter_node"))
    lines = tuple((f"{c.direction} via {c.transport}", c.source) for c in found[:1])
    if "gpu-direct-tcp" in kinds:
        says = f"ranks on different nodes talk over {names}: GPU-direct TCP, which is not RDMA"
        return Summary(says, lines)
    return Summary(f"nothing says whether {names} is RDMA", lines)


def _no_channels(log: NcclLog) -> Summary:
    name = transports.network(log)
    chosen = "sockets" if name == "Socket" else name
    said = f"NCCL chose {chosen}" if chosen else "NCCL names no network"
    cause = transport_causes.socket_fallback_cause(log)
    known = SOCKETS.get(cause or "")
    because = f" ({known.short})" if known else ""
    remedy = known.remedy if known else ""
    world = world_of(log.communicators)
    lines = (*transport_causes.cause_lines(log, cause)[:1], *_chosen(log))[:2]
    if world is None:
        return Summary(f"{said}{because}; no communicator is shown", lines, remedy or _EVERY_LOG)
    if _absent(log):
        unseen = gaps((r.rank for r in world.ranks), world.nranks)
        more = f"; ranks {spans(unseen)} are not in these logs"
        return Summary(f"{said}{because}; no channel is shown{more}", lines, _EVERY_LOG)
    says = f"{said}{because}; no channel is set up yet"
    return Summary(says, lines, remedy or _NOT_CONNECTED)


def _absent(log: NcclLog) -> bool:
    """Ranks of the world are not in these logs, and those that are say that it is set up."""
    world = world_of(log.communicators)
    return world is not None and bool(log.channels) and len(world.ranks) < world.nranks


def stuck(log: NcclLog, *, ended: bool = True) -> Summary:
    """NCCL started, and nothing shows that a rank completed; `ended`: it was read to its end."""
    world = world_of(log.communicators)
    more = _OR_STARTING if ended else ""
    if world is None:
        chosen = _chosen(log)
        says = "NCCL started and no rank completed its initialisation"
        return Summary(says + more, chosen, _STUCK)
    started = next(iter(world.ranks), None)
    lines = () if started is None else ((f"rank {started.rank} started", started.source),)
    says = f"none of {world.nranks} ranks completed its initialisation, {len(world.ranks)} started"
    return Summary(says + more, lines, _STUCK)


def _chosen(log: NcclLog) -> tuple[tuple[str, str], ...]:
    first = next((p for p in log.processes if p.network), None)
    return () if first is None else ((f"Using network {first.network}", first.source),)
