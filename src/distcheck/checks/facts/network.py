"""Which ports between the group's pods were reached, by pair and direction."""

from collections.abc import Iterator, Mapping

from msgspec import Struct, field

from distcheck.checks.evidence import (
    Cite,
    Evidence,
    Missing,
    Pod,
    PodLook,
    RayCluster,
)
from distcheck.checks.facts.bootstrap_ring import Bootstrap, bootstrap_of
from distcheck.checks.facts.changed_pods import changed_pods
from distcheck.checks.facts.fact import Fact
from distcheck.checks.facts.fixed_ports import fixed_ports
from distcheck.checks.facts.meeting_points import Listening, listening, meeting_points
from distcheck.checks.facts.nccl_range import (
    accepted,
    accepted_in_range,
    ephemeral,
    unclear_in_range,
    why_no_range,
)
from distcheck.checks.facts.network_paths import RANGE, UNUSED, Path, Tried
from distcheck.checks.facts.pairs import pairs
from distcheck.checks.facts.small_group import only_pod

_TITLES = {
    RANGE: "an agent's listener in NCCL's range",
    UNUSED: "a port of NCCL's range that nobody listens on",
}

_MOST_TRIED = 64
"""Addresses that an agent tries for one pod (agent/cluster/ports.py)."""


class PortMatrix(Fact, frozen=True, kw_only=True):
    """Pairs of pods in both directions; one of which too little was seen is a gap.

    So is a group of which no meeting point is known.

    All pairs, but in a group of more than 16 pods those with the leader, where all ranks
    meet, and those that were tried: a million pairs of a thousand pods cannot be. Where all
    ranks completed one communicator, it is the same in a smaller one: they have reached what
    they use.
    `alone` says that the group is one pod, which has no other to reach.
    """

    paths: tuple[Path, ...]
    alone: Cite | None = None

    @classmethod
    def fold(cls, evidence: Evidence) -> "PortMatrix | Missing":
        """Missing where pods of the group are not known, or nothing at all was tried."""
        if len(evidence.pods) < 2:
            return _few(evidence)
        seen = _known(evidence)
        found = [(a, b, _path(seen, a, b)) for a, b in pairs(evidence.pods, seen.looks)]
        paths = tuple(path for a, b, path in found if path.seen or _is_used(seen, a, b))
        ranged = all(path.in_range for a, b, path in found if seen.leader in (a.key, b.key))
        lacking = tuple(p.gap for p in paths if p.gap)
        gaps = (
            *(_too_many(evidence) if lacking else ()),
            *lacking,
            *_no_meeting_point(evidence, seen, ranged=ranged),
        )
        if not any(p.tried or p.connected for p in paths):
            return Missing("; ".join(dict.fromkeys(p.reason for p in paths)))
        return cls(paths=paths, gaps=gaps)


def _few(evidence: Evidence) -> PortMatrix | Missing:
    """One pod is a whole group only if it has all GPUs that are asked for."""
    if not evidence.pods:
        return Missing("the group has no pods")
    alone = only_pod(evidence)
    if alone is not None:
        return PortMatrix(paths=(), alone=alone)
    wanted, name = evidence.intent.gpus_wanted, evidence.pods[0].name
    return Missing(f"{name} is the only pod that is known of a group of {wanted} GPUs")


def _too_many(evidence: Evidence) -> Iterator[str]:
    """Why not every pod was tried; without it a reader would look for a fault."""
    if len(evidence.pods) > _MOST_TRIED:
        many = f"of {len(evidence.pods)} pods the leader tries {_MOST_TRIED} at most"
        yield f"{many}; ranks that all complete one communicator, as their logs say, show the rest"


def _no_meeting_point(evidence: Evidence, known: "_Known", *, ranged: bool) -> Iterator[str]:
    """Open ports of no known use do not show that the ranks can meet; that they met does.

    So does NCCL's `ranged` port between the leader and every other pod.
    """
    if known.bootstrap.whole or ranged:
        return
    ips = {p.ip for p in evidence.pods}
    if not any(point.ip in ips for points in known.points.values() for point in points):
        yield "no address where the pods meet is known (neither Ray's GCS nor a rendezvous)"


class _Known(Struct, frozen=True):
    """Evidence in the order in which pairs of pods ask for it."""

    looks: dict[str, PodLook]
    listening: dict[str, list[Listening]]
    points: dict[str, tuple[Listening, ...]]
    bootstrap: Bootstrap
    leader: str
    ray: tuple[RayCluster, ...] = ()
    fixed: frozenset[int] = frozenset()
    changed: dict[str, str] = field(default_factory=dict)


def _known(evidence: Evidence) -> _Known:
    by_ip: dict[str, list[Listening]] = {}
    for one in listening(evidence):
        by_ip.setdefault(one.ip, []).append(one)
    looks = {p.key: evidence.look(p) for p in evidence.pods}
    leader = next((p for p in evidence.pods if p.role == "leader"), evidence.pods[0]).key
    ray = tuple(n.ray for n in evidence.nodes if isinstance(n.ray, RayCluster))
    return _Known(
        looks,
        by_ip,
        meeting_points(evidence),
        bootstrap_of(evidence),
        leader,
        ray[:1],
        fixed_ports(evidence),
        changed_pods(evidence),
    )


def _is_used(known: _Known, source: Pod, target: Pod) -> bool:
    """Whether something of this direction has to be seen.

    Where all ranks have met, two pods of which nothing was to be reached use nothing there.
    """
    return not known.bootstrap.whole or known.leader in (source.key, target.key)


def _path(known: _Known, source: Pod, target: Pod) -> Path:
    tried = tuple(_tried(known.looks, source, target))
    held = dict(_connections(known, source, target))
    mesh = any(t.probe.service == UNUSED and t.probe.outcome == "open" for t in tried)
    seen = {(p.ip, p.port) for p in held}
    seen |= {(t.probe.address, t.probe.port) for t in tried if not mesh}
    points = [p for p in known.points[source.key] if p.ip == target.ip]
    joined = {p: cite for p in points if (cite := _registered(known, source, p)) is not None}
    unproven = [p for p in points if (p.ip, p.port) not in seen and p not in joined]
    names = tuple(f"{p.service} ({p.ip}:{p.port})" for p in unproven)
    made = known.bootstrap.opened.get((source.key, target.key))
    known_ports = {
        p.port for ip in (source.ip, target.ip) for p in known.listening.get(ip or "", ())
    } | known.fixed
    ranged = accepted_in_range(known.looks, known_ports, source, target)
    sure = (*(t.cite for t in tried if _reached_range(t)), *([made] if made else ()), *ranged)
    found = sure or unclear_in_range(known.looks, known_ports, source, target)
    called = accepted(known.looks, source, target)
    shown = (*held.values(), *([made] if made else ()), *called)
    if shown or any(t.probe.outcome == "open" for t in tried):
        shown += tuple(joined.values())  # one port alone does not show that others are open
    return Path(
        source.name,
        target.name,
        tried,
        shown,
        names,
        _why_not(known, source, target),
        found,
        bool(sure),
        None if known.bootstrap.whole else why_no_range(known.looks, source, target),
        known.changed.get(source.name) or known.changed.get(target.name, ""),
    )


def _reached_range(one: Tried) -> bool:
    return one.probe.service == RANGE and one.probe.outcome == "open"


def _registered(known: _Known, source: Pod, point: Listening) -> Cite | None:
    """A node that GCS counts as alive has called it, and goes on to report to it."""
    for cluster in known.ray if point.service == "gcs" else ():
        heads = {n.ip for n in cluster.nodes if n.is_head}
        there = point.ip in heads and cluster.address.endswith(f":{point.port}")
        if there and any(n.alive and n.ip == source.ip for n in cluster.nodes):
            what = f"{source.name} is ALIVE in the GCS at {point.ip}:{point.port}, which it joined"
            return Cite(what, f"GCS {cluster.address}", cluster.seen_at)
    return None


def _tried(looks: Mapping[str, PodLook], source: Pod, target: Pod) -> Iterator[Tried]:
    seen = looks[source.key].ports
    numbers = ephemeral(looks[target.key])
    if isinstance(seen, Missing):
        return
    where = seen.where or f"network namespace of {source.name}"
    for probe in seen.probes:
        if probe.address == target.ip or probe.peer == target.key:
            detail = f" ({probe.detail})" if probe.detail else ""
            at = f"{_TITLES.get(probe.service, probe.service)} at {probe.address}:{probe.port}"
            ended = probe.outcome.replace("_", " ")
            what = f"{source.name} to {target.name}: {at} is {ended}{detail}"
            cite = Cite(what, f"connection from the {where}", seen.seen_at)
            yield Tried(probe, cite, numbers)


def _why_not(known: _Known, source: Pod, target: Pod) -> str:
    there = (*known.looks[source.key].connections, *known.looks[target.key].connections)
    ends = {source.ip, target.ip}
    if any({c.local, c.remote} == ends for c in there):
        return "they are connected, but no line tells which of the two opened the connection"
    look = known.looks[source.key]
    if isinstance(look.ports, Missing):
        return look.ports.reason
    return f"no port that {target.name} listens on was seen to be open"


def _connections(known: _Known, source: Pod, target: Pod) -> Iterator[tuple[Listening, Cite]]:
    """Listening ports of `target` to which `source` holds a connection, as either side saw it.

    Only a port known to be listened on tells which side opened the connection.
    """
    there = known.listening.get(target.ip or "", ())
    outgoing = {(c.remote, c.remote_port) for c in known.looks[source.key].connections}
    theirs = known.looks[target.key].connections
    incoming = {(c.local, c.local_port) for c in theirs if c.remote == source.ip}
    for one in there:
        where = (one.ip, one.port)
        if where in outgoing or where in incoming:
            seer = source.name if where in outgoing else target.name
            at = f"{one.service} at {one.ip}:{one.port}"
            what = f"{source.name} to {target.name}: {at} is connected"
            yield one, Cite(what, f"/proc/net/tcp of {seer}")
