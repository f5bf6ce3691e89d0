"""The last verdict of each serving group, and how old it is. Safe to use from several threads."""

import threading
from collections.abc import Iterable, Iterator

from msgspec import Struct, field, structs

from distcheck.agent.serve.discover import Discovery, Key, LeftOut
from distcheck.checks.awaited import Held, awaited
from distcheck.checks.evidence import Pod
from distcheck.checks.report import Report

STALE_ROUNDS = 3
"""A verdict older than this many intervals is unknown: the world may have changed since."""


Lives = frozenset[tuple[str, str, int]]
"""Pods by name, uid and restarts: one that was replaced or started again is another."""


def lives_of(pods: Iterable[Pod]) -> Lives:
    """The pods as they are in this life of theirs."""
    return frozenset((p.name, p.uid, p.restarts) for p in pods)


class Kept(Struct, frozen=True):
    """What is known of one group.

    `judged_at` is in seconds of the monotonic clock, which nobody sets, and `succeeded_at` in
    Unix seconds; `seconds` is how long the last verification took. `seen` is whether evidence
    was gathered, `crashed` whether a check of ours failed on it. `degraded` are GPU seconds
    under each check that failed. `lives` are the
    pods that it rests on, `owner` the workload that may have made several groups. `awaits` is
    what time may still change, and `held` since when checks have failed for the same cause.
    """

    report: Report
    judged_at: float
    succeeded_at: float | None
    seconds: float
    members: tuple[str, ...] = ()
    degraded: dict[str, float] = field(default_factory=dict)
    lives: Lives = frozenset()
    owner: str = ""
    awaits: str = ""
    held: Held = field(default_factory=dict)
    seen: bool = True
    crashed: bool = False


class Verdicts:
    """Verdicts by namespace and workload; `interval` in seconds."""

    def __init__(self, interval: float) -> None:
        self._stale = STALE_ROUNDS * interval
        self._lock = threading.Lock()
        self._kept: dict[Key, Kept] = {}
        self.discovery = Discovery()
        self.trouble = "no round has ended yet"
        """Why the last round did not end well; empty where it did."""
        self.rounds = 0
        self.listed: bool | None = None
        """Whether the last listing of groups worked; None before the first."""

    def keep(self, key: Key, kept: Kept) -> None:
        """Put a new verdict in the place of the last, and count what failed in between."""
        with self._lock:
            before = self._kept.get(key)
            degraded = dict.fromkeys(_failing(kept), 0.0)
            if before:
                degraded |= _degraded(before, kept.judged_at, self._stale)
            held = dict(before.held) if before else Held()
            awaits = awaited(kept.report, held, kept.judged_at)
            self._kept[key] = structs.replace(kept, degraded=degraded, awaits=awaits, held=held)

    def last_success(self, key: Key) -> float | None:
        """When the group was last verified, in Unix seconds."""
        with self._lock:
            return self._kept[key].succeeded_at if key in self._kept else None

    def forget_others(self, keys: Iterable[Key], unread: Iterable[Key] = ()) -> None:
        """Groups that are gone are told of no more; one with an `unread` pod is not gone."""
        with self._lock:
            alive, pods = set(keys), set(unread)
            self._kept = {
                k: v
                for k, v in self._kept.items()
                if k in alive or pods.intersection((k[0], name) for name in v.members)
            }

    def all(self, now: float) -> dict[Key, Kept]:
        """Every group's last verdict as it counts at `now`, of the monotonic clock."""
        with self._lock:
            return {k: self._aged(v, now) for k, v in sorted(self._kept.items())}

    def of(self, namespace: str, name: str, now: float) -> Kept | None:
        """The verdict on the workload `name`, or on the group that the pod `name` is in."""
        with self._lock:
            kept = self._kept.get((namespace, name))
            found = kept or next(self._of_pod(namespace, name), None)
        return None if found is None else self._aged(found, now)

    def every(self, namespace: str, name: str) -> dict[Key, Kept]:
        """As judged, however old: the group of that name or of that pod, else a workload's."""
        key = namespace, name
        with self._lock:
            if key in self._kept:
                return {key: self._kept[key]}
            mine = {k: v for k, v in sorted(self._kept.items()) if k[0] == namespace}
        of_pod = {k: v for k, v in mine.items() if name in v.members}
        return of_pod or {k: v for k, v in mine.items() if v.owner == name}

    def unseen(self, namespace: str, name: str) -> dict[Key, str]:
        """Replicas of the workload `name` that no verdict is kept of, each with the reason."""
        found = self.discovery
        mine = self.every(namespace, name).values()
        judged = {member for kept in mine for member in kept.members}
        leaders = ((g, g.group.pods[0].name) for g in found.groups if name in (g.owner, g.key[1]))
        why = {(g.key[0], leader): "it was found, and not verified yet" for g, leader in leaders}
        apart = [a for a in found.apart if name in a.workloads]
        why |= {a.key: _unread(a) for a in apart if a.unread or mine or why}
        return {k: says for k, says in why.items() if k[0] == namespace and k[1] not in judged}

    def _of_pod(self, namespace: str, name: str) -> Iterator[Kept]:
        mine = (v for (ns, _), v in self._kept.items() if ns == namespace)
        return (v for v in mine if name in v.members)

    def _aged(self, kept: Kept, now: float) -> Kept:
        age = now - kept.judged_at
        if age <= self._stale:
            return kept
        says = f"last verified {age:.0f} s ago; it was {kept.report.verdict} then"
        return structs.replace(kept, report=_unknown(kept.report, says))


def _unread(one: LeftOut) -> str:
    return f"it could not be looked at: {one.why}" if one.unread else one.why


def _unknown(report: Report, says: str) -> Report:
    """The same checks, none of which says anything of now; what they rested on stays cited."""
    checks = tuple(
        structs.replace(f, outcome="unknown", says=f"{says}; then: {f.outcome}: {f.says}")
        for f in report.checks
    )
    notes = (says, *report.notes)
    return structs.replace(
        report, verdict="unknown", summary=says, notes=notes, checks=checks, map=None
    )


def _failing(kept: Kept) -> set[str]:
    return {f.id for f in kept.report.checks if f.outcome == "fail"}


def _degraded(before: Kept, now: float, longest: float) -> dict[str, float]:
    """What had failed goes on failing until it was looked at again, or until it was stale.

    What fails for the first time begins at 0: `increase()` counts from the first sample on.
    """
    passed = min(max(0.0, now - before.judged_at), longest)
    gpus = sum(p.gpus for p in before.report.target.pods)
    failing = _failing(before)
    return {
        check: before.degraded.get(check, 0.0) + (passed * gpus if check in failing else 0.0)
        for check in sorted(failing | before.degraded.keys())
    }
