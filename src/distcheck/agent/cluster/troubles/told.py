"""Why pods of the group are not there, or do not run, and where that stands."""

from collections.abc import Iterable, Iterator

from msgspec import Struct, structs

from distcheck.agent.cluster.api import Object
from distcheck.agent.cluster.finding.namespace import Namespace
from distcheck.agent.cluster.finding.roster import Absent, Roster, name_of, owner_of
from distcheck.agent.cluster.troubles.pod_ends import gone_pod
from distcheck.agent.cluster.troubles.pod_trouble import Readings, trouble_of
from distcheck.agent.cluster.troubles.previous import PreviousLog
from distcheck.agent.cluster.troubles.reasons import short
from distcheck.agent.cluster.troubles.warnings import Warnings
from distcheck.checks.evidence import Trouble

_LONGEST = 900
_BAD_WHEN_TRUE = frozenset({"ReplicaFailure", "Failed", "Degraded", "Suspended"})
_BAD_WHEN_FALSE = frozenset(
    {"HeadPodReady", "RayClusterProvisioned", "Progressing", "Available", "Ready"}
)


class Troubles(Struct, frozen=True):
    """Reads the reasons of one group; `log` gives the ends of previous containers' logs."""

    look: Namespace
    warnings: Warnings
    log: PreviousLog

    def of(self, roster: Roster) -> tuple[Trouble, ...]:
        """One for each pod that is not there or does not run, leader first."""
        readings = Readings(self.warnings, self.log)
        found = [t for p in roster.ordered if (t := trouble_of(readings, p))]
        absent = (self._of_absent(a, roster.dead) for a in roster.absent)
        return tuple(_shown(t) for t in (*found, *absent))

    def _of_absent(self, absent: Absent, dead: Iterable[Object]) -> Trouble:
        """What its owner waits for, could not do, or says of itself, else what was there."""
        source = f"spec of {absent.owner}"
        if absent.waits:
            return Trouble(absent.name, "waiting_for_head", absent.waits, source)
        before = [p for p in dead if name_of(p) == absent.name or owner_of(p) == absent.owner]
        steps = [_going, self._refused, self._status, _ended]
        found = (
            t
            for step in ([self._refused, _late] if absent.late else steps)
            for t in step(absent, before)
        )
        says = f"{absent.owner} should have it, and there is no such pod"
        return next(found, Trouble(absent.name, "pod_missing", says, source))

    def _refused(self, absent: Absent, _before: list[Object]) -> Iterator[Trouble]:
        warned = self.warnings.refusal(absent.owner)
        if warned is not None:
            says = f"it could not be made: {warned.says}"
            yield Trouble(absent.name, "pod_missing", says, warned.source, warned.seen_at)

    def _status(self, absent: Absent, _before: list[Object]) -> Iterator[Trouble]:
        owner = self.look.seen(absent.owner.kind, absent.owner.name) or {}
        for one in (owner.get("status") or {}).get("conditions") or ():
            kind, message = str(one.get("type")), str(one.get("message") or "")
            bad = _BAD_WHEN_TRUE if one.get("status") == "True" else _BAD_WHEN_FALSE
            if kind in bad and message:
                says, source = short(message), f"condition {kind} of {absent.owner}"
                at = one.get("lastTransitionTime")
                yield Trouble(absent.name, "pod_missing", says, source, at)


def _shown(trouble: Trouble) -> Trouble:
    """Reasons come from anybody, and stand in a terminal."""
    return structs.replace(trouble, says=short(trouble.says, _LONGEST))


def _late(absent: Absent, _before: list[Object]) -> Iterator[Trouble]:
    yield Trouble(absent.name, "starting", absent.late, f"pods of {absent.owner}")


def _going(absent: Absent, before: list[Object]) -> Iterator[Trouble]:
    going = (p for p in before if p["metadata"].get("deletionTimestamp"))
    yield from (gone_pod(absent.name, p) for p in going)


def _ended(absent: Absent, before: list[Object]) -> Iterator[Trouble]:
    yield from (gone_pod(absent.name, p) for p in before)
