"""What policies close between pods: every ordered pair, those that are treated alike at once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from distcheck.checks.evidence.policy import PolicyPod
from distcheck.checks.knowledge.policies import Direction, Rules
from distcheck.checks.knowledge.port_ranges import Range, lacking

DIRECTIONS: tuple[Direction, ...] = ("egress", "ingress")
MOST_CLASSES = 64
DNS = "DNS"
Points = Mapping[str, Sequence[int]]
"""Ports that others have to reach, by the key of the pod that listens."""
Ranges = Mapping[str, Range | None]
"""The range of ports at which a pod is called beside those, by its key."""
Class = Sequence[PolicyPod]
Pair = tuple[tuple[str, ...], tuple[str, ...]]


class Denied(Struct, frozen=True):
    """TCP ports that policies close, or UDP to name servers where the target is `DNS`.

    `policies` are those that isolate the end at which it is closed: the target's for
    `ingress`. `pairs` are (keys of sources, keys of targets) for which this is the same.
    """

    direction: Direction
    policies: tuple[str, ...]
    ranges: tuple[Range, ...]
    pairs: tuple[Pair, ...]

    @property
    def first(self) -> tuple[str, str]:
        """One source and one target."""
        sources, targets = self.pairs[0]
        return next((s, t) for t in targets for s in sources if s != t)

    @property
    def count(self) -> int:
        """Ordered pairs of pods."""
        return sum(len(s) * len(t) - len({*s} & {*t}) for s, t in self.pairs)

    @property
    def is_dns(self) -> bool:
        """Whether it is the way to the name servers."""
        return self.pairs[0][1] == (DNS,)

    def closes(self, source: str, target: str, port: int) -> bool:
        """Whether this one port is closed between these two pods."""
        inside = any(source in s and target in t for s, t in self.pairs)
        return inside and any(first <= port <= last for first, last in self.ranges)


def denials(
    rules: Rules, groups: Sequence[Class], points: Points, ranges: Ranges | None = None
) -> tuple[Denied, ...]:
    """What `rules` close between the pods of `groups`, classes of pods treated alike.

    Between two classes: the range of ports that programs get by chance, as Ray, torch and NCCL
    ask for any; and the ports of `points` and `ranges`.
    """
    found: dict[tuple[Direction, tuple[str, ...], tuple[Range, ...]], list[Pair]] = {}
    few = groups[:MOST_CLASSES]
    for sources, targets in ((s, t) for s in few for t in few):
        pair = tuple(p.key for p in sources), tuple(p.key for p in targets)
        for one in _between(rules, sources, targets, points, ranges or {}):
            found.setdefault(one, []).append(pair)
    return tuple(Denied(*key, tuple(pairs)) for key, pairs in found.items())


def _between(
    rules: Rules, sources: Class, targets: Class, points: Points, ranges: Ranges
) -> Iterator[tuple[Direction, tuple[str, ...], tuple[Range, ...]]]:
    ends = next(((s, t) for t in targets for s in sources if s.key != t.key), None)
    if ends is None:
        return
    source, target = ends
    named = sorted({port for p in targets for port in points.get(p.key, ())})
    own_ranges = sorted({r for p in targets if (r := ranges.get(p.key))})
    wanted = [*((n, n) for n in named if not _within(n, target.local_ports)), *own_ranges]
    wanted.append(target.local_ports)
    for direction in DIRECTIONS:
        own, other = (source, target) if direction == "egress" else (target, source)
        allowed = rules.allowed(own, direction, other, "TCP")
        closed = tuple(part for want in wanted for part in lacking(want, allowed))
        if closed:
            yield direction, tuple(p.name for p in rules.isolating(own, direction)), closed


def _within(port: int, range_: Range) -> bool:
    return range_[0] <= port <= range_[1]


def without_dns(rules: Rules, asking: Iterable[PolicyPod]) -> tuple[Denied, ...]:
    """The pods of `asking` that no rule lets ask a name server."""
    found: dict[tuple[str, ...], list[str]] = {}
    for pod in asking:
        if not rules.may_ask_dns(pod):
            by = tuple(p.name for p in rules.isolating(pod, "egress"))
            found.setdefault(by, []).append(pod.key)
    pairs = ((by, (tuple(keys), (DNS,))) for by, keys in found.items())
    return tuple(Denied("egress", by, ((53, 53),), (pair,)) for by, pair in pairs)
