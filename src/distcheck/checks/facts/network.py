"""Which ports between the group's pods were reached, by pair and direction."""

from collections.abc import Iterator

from msgspec import Struct

from distcheck.checks.evidence import (
    Cite,
    Evidence,
    Missing,
    Pod,
    PodLook,
    PortProbe,
)
from distcheck.checks.facts.fact import Fact
from distcheck.checks.facts.meeting_points import Listening, listening, meeting_points
from distcheck.checks.facts.pairs import pairs


class Tried(Struct, frozen=True):
    """One connection that was tried, and where that is written."""

    probe: PortProbe
    cite: Cite

    @property
    def name(self) -> str:
        """`rendezvous (10.0.0.2:45123)`."""
        return f"{self.probe.service} ({self.probe.address}:{self.probe.port})"


class Path(Struct, frozen=True):
    """One direction between two pods: what was tried, and connections that were there.

    `unproven` names meeting points of `target` that neither shows to be reachable.
    """

    source: str
    target: str
    tried: tuple[Tried, ...] = ()
    connected: tuple[Cite, ...] = ()
    unproven: tuple[str, ...] = ()
    reason: str = ""

    @property
    def blocked(self) -> tuple[Tried, ...]:
        """Tries that did not get through.

        A refused port is left out where a port of the same service answers: logs may still
        name the port of an engine that has since been started again.
        """
        live = {t.probe.service for t in self.tried if t.probe.outcome == "open"}
        return tuple(
            t
            for t in self.tried
            if t.probe.outcome in ("filtered", "rejected")
            or (t.probe.outcome == "refused" and t.probe.service not in live)
        )

    @property
    def proof(self) -> tuple[Cite, ...]:
        """What shows that this direction is open."""
        return (*(t.cite for t in self.tried if t.probe.outcome == "open"), *self.connected)

    @property
    def gap(self) -> str | None:
        """What is not seen of this direction; None where enough is."""
        if not self.proof:
            return f"{self.source} to {self.target}: {self.reason}"
        if self.unproven:
            return f"{self.source} to {self.target}: {', '.join(self.unproven)} was not tried"
        return None


class PortMatrix(Fact, frozen=True, kw_only=True):
    """Pairs of pods in both directions; one of which too little was seen is a gap.

    So is a group of which no meeting point is known.

    All pairs, but in a group of more than 16 pods those with the leader, where all ranks
    meet, and those that were tried: a million pairs of a thousand pods cannot be.
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
        paths = tuple(_path(seen, a, b) for a, b in pairs(evidence.pods, seen.looks))
        gaps = (*(p.gap for p in paths if p.gap), *_no_meeting_point(evidence, seen))
        if not any(p.tried or p.connected for p in paths):
            return Missing("; ".join(dict.fromkeys(p.reason for p in paths)))
        return cls(paths=paths, gaps=gaps)


def _few(evidence: Evidence) -> PortMatrix | Missing:
    """One pod is a whole group only if it has all GPUs that are asked for."""
    if not evidence.pods:
        return Missing("the group has no pods")
    pod, intent = evidence.pods[0], evidence.intent
    wanted = max(intent.gpus or 0, (intent.world_size or 0) * (intent.dp or 1))
    if wanted > pod.gpus or (intent.nodes or 1) > 1:
        return Missing(f"{pod.name} is the only pod that is known of a group of {wanted} GPUs")
    what = f"{pod.name} is the only pod and has all {wanted or pod.gpus} GPUs that are asked for"
    return PortMatrix(paths=(), alone=Cite(what, f"pods of {evidence.target.name}"))


def _no_meeting_point(evidence: Evidence, known: "_Known") -> Iterator[str]:
    """Open ports of no known use do not show that the ranks can meet."""
    ips = {p.ip for p in evidence.pods}
    if not any(point.ip in ips for points in known.points.values() for point in points):
        yield "no address where the pods meet is known (neither Ray's GCS nor a rendezvous)"


class _Known(Struct, frozen=True):
    """Evidence in the order in which pairs of pods ask for it."""

    looks: dict[str, PodLook]
    listening: dict[str, list[Listening]]
    points: dict[str, tuple[Listening, ...]]


def _known(evidence: Evidence) -> _Known:
    by_ip: dict[str, list[Listening]] = {}
    for one in listening(evidence):
        by_ip.setdefault(one.ip, []).append(one)
    looks = {p.key: evidence.look(p) for p in evidence.pods}
    return _Known(looks, by_ip, meeting_points(evidence))


def _path(known: _Known, source: Pod, target: Pod) -> Path:
    tried = tuple(_tried(known.looks[source.key], source, target))
    held = dict(_connections(known, source, target))
    seen = {(t.probe.address, t.probe.port) for t in tried} | {(p.ip, p.port) for p in held}
    points = [p for p in known.points[source.key] if p.ip == target.ip]
    unproven = [p for p in points if (p.ip, p.port) not in seen]
    names = tuple(f"{p.service} ({p.ip}:{p.port})" for p in unproven)
    why = _why_not(known.looks[source.key], target)
    return Path(source.name, target.name, tried, tuple(held.values()), names, why)


def _tried(look: PodLook, source: Pod, target: Pod) -> Iterator[Tried]:
    seen = look.ports
    if isinstance(seen, Missing):
        return
    where = seen.where or f"network namespace of {source.name}"
    for probe in seen.probes:
        if probe.address == target.ip or probe.peer == target.key:
            detail = f" ({probe.detail})" if probe.detail else ""
            at = f"{probe.service} at {probe.address}:{probe.port}"
            what = f"{source.name} to {target.name}: {at} is {probe.outcome}{detail}"
            yield Tried(probe, Cite(what, f"connection from the {where}", seen.seen_at))


def _why_not(look: PodLook, target: Pod) -> str:
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
