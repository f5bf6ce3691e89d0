"""Which pairs of pods have to reach each other."""

from collections.abc import Iterator, Mapping, Sequence

from distcheck.checks.evidence import Pod, PodLook, PortProbes

_ALL_PAIRS = 16


def pairs(pods: Sequence[Pod], looks: Mapping[str, PodLook]) -> Iterator[tuple[Pod, Pod]]:
    """Ordered pairs: all of a small group, else those with the leader and those tried."""
    if len(pods) <= _ALL_PAIRS:
        yield from ((a, b) for a in pods for b in pods if a != b)
        return
    leader = next((p for p in pods if p.role == "leader"), pods[0])
    names = {p.key: p for p in pods} | {p.ip: p for p in pods if p.ip}
    for pod in pods:
        found = {leader.key: leader} | {p.key: p for p in _touched(looks[pod.key], names)}
        others = pods if pod == leader else found.values()
        yield from ((pod, other) for other in others if other != pod)


def _touched(look: PodLook, names: Mapping[str, Pod]) -> Iterator[Pod]:
    """The pods that this one tried to reach, or is connected to; `names` has keys and IPs."""
    tried = look.ports.probes if isinstance(look.ports, PortProbes) else ()
    yield from (names[n] for p in tried for n in (p.peer, p.address) if n in names)
    yield from (names[c.remote] for c in look.connections if c.remote in names)
