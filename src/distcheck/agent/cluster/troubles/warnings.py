"""The warnings of a namespace, by the object that they are about."""

from collections.abc import Callable, Iterable

from msgspec import Struct

from distcheck.agent.cluster.api import Object
from distcheck.agent.cluster.finding.namespace import Namespace
from distcheck.agent.cluster.finding.roster import Owner
from distcheck.agent.cluster.troubles.reasons import short

_PROGRESS = frozenset({"Pulling", "Pulled", "Created", "Started"})
_HASH = 10


class Warned(Struct, frozen=True):
    """One event: its reason, its words, where it stands, and when it was last seen."""

    reason: str
    says: str
    source: str
    seen_at: str | None


class Warnings:
    """Events of type Warning, fetched when the first one is asked for."""

    def __init__(self, look: Namespace) -> None:
        self._look = look

    def latest(self, kind: str, name: str) -> Warned | None:
        """The last event about this object."""
        return self._last(lambda event: _about(event)[:2] == (kind, name))

    def of_pod(self, pod: Object, reasons: Iterable[str]) -> Warned | None:
        """The last event of one of these reasons about this very pod.

        Not one about an earlier pod of its name, nor one that it has got beyond.
        """
        wanted = frozenset(reasons)
        found = self._last(lambda event: _about(event)[2] in wanted and _is_of(event, pod))
        return None if found is None or self._is_over(found, pod) else found

    def _is_over(self, warned: Warned, pod: Object) -> bool:
        """Whether its images were pulled, or containers started, after that."""
        events = self._look.events_of(str(pod["metadata"]["name"]))
        later = (_when(e) for e in events if _about(e)[2] in _PROGRESS and _is_of(e, pod))
        return any(at >= (warned.seen_at or "") for at in later)

    def refusal(self, owner: Owner) -> Warned | None:
        """The last word of a controller that could not make a pod of `owner`.

        A Deployment's pods are made by its ReplicaSets.
        """

        def fits(event: Object) -> bool:
            kind, name, reason = _about(event)
            same = (kind, name) == (owner.kind, owner.name)
            return reason.startswith("Failed") and (same or _makes_for(owner, kind, name))

        return self._last(fits)

    def _last(self, fits: Callable[[Object], bool]) -> Warned | None:
        found = [e for e in self._look.warnings() if fits(e)]
        return _warned(max(found, key=_when)) if found else None


def _makes_for(owner: Owner, kind: str, name: str) -> bool:
    """Whether this is a ReplicaSet of that Deployment: named after it and a hash without dashes.

    The hash has at most ten characters (Kubernetes, `ComputeHash`, `SafeEncodeString`).
    """
    if (owner.kind, kind) != ("Deployment", "ReplicaSet"):
        return False
    front, _, tail = name.rpartition("-")
    return front == owner.name and 0 < len(tail) <= _HASH


def _is_of(event: Object, pod: Object) -> bool:
    """Whether an event is about this pod, and not about an earlier one of its name."""
    about, meta = event.get("involvedObject") or {}, pod["metadata"]
    if (about.get("kind"), about.get("name")) != ("Pod", meta.get("name")):
        return False
    if about.get("uid") and meta.get("uid"):
        return bool(about["uid"] == meta["uid"])
    return _when(event) >= str(meta.get("creationTimestamp") or "")


def _about(event: Object) -> tuple[str, str, str]:
    about = event.get("involvedObject") or {}
    return str(about.get("kind")), str(about.get("name")), str(event.get("reason"))


def _when(event: Object) -> str:
    series = (event.get("series") or {}).get("lastObservedTime")
    meta = event.get("metadata", {}).get("creationTimestamp")
    return str(series or event.get("lastTimestamp") or event.get("eventTime") or meta or "")


def _warned(event: Object) -> Warned:
    kind, name, reason = _about(event)
    source = f"event {reason} of {kind} {name}"
    return Warned(reason, short(str(event.get("message") or "")), source, _when(event) or None)
