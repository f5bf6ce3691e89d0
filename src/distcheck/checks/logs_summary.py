"""The verdict of logs in words: what they prove, why, and what to do."""

from msgspec.structs import replace

from distcheck.checks.evidence.nccl import NcclLog
from distcheck.checks.knowledge import networks, transport_causes, transports
from distcheck.checks.knowledge.communicators import world_of
from distcheck.checks.knowledge.gdr_causes import gdr_cause
from distcheck.checks.knowledge.nccl_failures import beside, first_failure
from distcheck.checks.knowledge.nccl_remedies import Cause, cause_of
from distcheck.checks.knowledge.transport_remedies import GDR, SOCKETS
from distcheck.checks.logs_undecided import stuck, undecided
from distcheck.checks.logs_verdict import Summary, verdict

_BETWEEN = "ranks on different nodes talk over"
_NOT_THE_END = "Read the log to its end: what comes later may show that they complete."
_PROVEN = ("rdma", "mnnvl", "single-node", "rdma-no-gdr")
_SAY_WHY = "Set NCCL_DEBUG_SUBSYS=INIT,NET,ENV: NCCL then says why GPUDirect is off."


def summary(log: NcclLog, *, ended: bool = True, advice: str | None = None) -> Summary:
    """The verdict of one log, or of several as one; `ended` and `advice` as in `nccl_part`."""
    found = transports.verdict(log)
    told = _told(log, found, ended=ended, advice=advice)
    return replace(told, says=told.says + _as_far_as_seen(log)) if found in _PROVEN else told


def _as_far_as_seen(log: NcclLog) -> str:
    """How many ranks the words hold for, where it is not all of them."""
    world = world_of(log.communicators)
    if world is None or len(world.ranks) >= world.nranks:
        return ""
    return f"; as far as seen: {len(world.ranks)} of {world.nranks} ranks"


def _told(log: NcclLog, found: transports.Verdict, *, ended: bool, advice: str | None) -> Summary:
    if found == "failed" and verdict(log, ended=ended) != "failed":
        return replace(stuck(log, ended=False), do=_NOT_THE_END)
    if found == "failed":
        return _failed(log)
    if found == "socket":
        return _sockets(log)
    if found == "rdma-no-gdr":
        return _no_gdr(log)
    if found == "inconclusive":
        return undecided(log, advice=advice)
    return _one_node(log) if found == "single-node" else _fine(log, found)


def _fine(log: NcclLog, found: transports.Verdict) -> Summary:
    how = "RDMA, straight from GPU memory" if found == "rdma" else "NVLink"
    first: dict[str, str] = {}
    for one in log.channels:
        if one.scope == "inter_node":
            first.setdefault(f"{one.direction} via {one.transport}", one.source)
    return Summary(f"{_BETWEEN} {how}", tuple(first.items())[:2])


def _one_node(log: NcclLog) -> Summary:
    world = world_of(log.communicators)
    ranks = () if world is None else world.ranks
    size = 0 if world is None else world.nranks
    lines = tuple(
        (f"rank {r.rank} of {size} on {r.host}", r.source) for r in (*ranks[:1], *ranks[-1:])
    )
    says = "the only rank needs no network" if size == 1 else f"all {size} ranks are on one node"
    return Summary(says, tuple(dict.fromkeys(lines)))


def _failed(log: NcclLog) -> Summary:
    root = first_failure(log.failures)
    if root is None:
        return stuck(log)
    found = beside(root, log.failures, log.marks, apart=_apart(log))
    cause = found[0].cause if found else cause_of(root)
    where = f" on {root.host}" if root.host else ""
    says = f"NCCL failed{where}: {cause_of(root).short}"
    because = "".join(f"; {b.cause.short} on {b.host}" for b in found[:1])
    lines = ((root.says, root.source), *((b.says, b.source) for b in found))
    return Summary(says + because, lines, cause.remedy)


def _apart(log: NcclLog) -> bool:
    """Ranks are on several hosts, in these logs or as NCCL counts nodes."""
    return len(log.hosts) > 1 or any((c.nodes or 1) > 1 for c in log.communicators)


def _sockets(log: NcclLog) -> Summary:
    cause = transport_causes.socket_fallback_cause(log)
    known = SOCKETS.get(cause or "")
    found = transports.net_channels(log)
    providers = transports.providers_of(log)
    sockets = [c for c in found if networks.class_of(c.transport, providers) == "socket"]
    some = "" if len(sockets) == len(found) else "some "
    because = f": {known.short}" if known else ""
    said = transport_causes.cause_lines(log, cause)[:1]
    line = tuple((f"{c.direction} via {c.transport}", c.source) for c in sockets[:1])
    says = f"{some}{_BETWEEN} TCP sockets, not RDMA{because}"
    return Summary(says, (*said, *line)[:2], known.remedy if known else "")


def _no_gdr(log: NcclLog) -> Summary:
    found = transports.net_channels(log)
    without = [c for c in found if not networks.is_gdr(c.transport)]
    cause = gdr_cause(log)
    known = GDR.get(cause or "") or _one_sided(log)
    how = "without GPUDirect" if len(without) == len(found) else "with GPUDirect on a part only"
    because = f": {known.short if cause else known.means}" if known else ""
    line = tuple((f"{c.direction} via {c.transport}", c.source) for c in without[:1])
    do = known.remedy if known else _SAY_WHY
    said = transport_causes.cause_lines(log, cause)[:1]
    return Summary(f"{_BETWEEN} RDMA, {how}{because}", (*said, *line), do)


def _one_sided(log: NcclLog) -> Cause | None:
    """GPUDirect on the lines of some hosts only: the others' nodes lack what it takes."""
    used: dict[str, set[bool]] = {}
    for one in transports.net_channels(log):
        used.setdefault(one.host, set()).add(networks.is_gdr(one.transport))
    lacking = [host for host, gdr in used.items() if gdr == {False}]
    if not lacking or len(lacking) == len(used):
        return None
    named = ", ".join(lacking[:4]) + (" and more" if len(lacking) > 4 else "")
    return Cause(f"{named} has none", GDR["no_peermem"].remedy)
