"""The warnings of a namespace, by the object that they are about."""

from collections.abc import Callable, Iterable

from msgspec import Struct

from distcheck.agent.cluster.api import Object
from distcheck.agent.cluster.finding.namespace import Namespace
from distcheck.agent.cluster.finding.roster import Owner
from distcheck.agent.cluster.troubles.reasons import short


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

    def latest(self, kind: str, name: str, reasons: Iterable[str] = ()) -> Warned | None:
        """The last event about this object, of one of these reasons where any are given."""
        wanted = frozenset(reasons)
        return self._last(lambda k, n, r: (k, n) == (kind, name) and (not wanted or r in wanted))

    def refusal(self, owner: Owner) -> Warned | None:
        """The last word of a controller that could not make a pod of `owner`.

        A Deployment's pods are made by its ReplicaSets, whose names begin with its own.
        """
        starts = f"{owner.name}-"
        return self._last(
            lambda kind, name, reason: (
                reason.startswith("Failed")
                and (
                    (kind, name) == (owner.kind, owner.name)
                    or (
                        owner.kind == "Deployment"
                        and kind == "ReplicaSet"
                        and name.startswith(starts)
                    )
                )
            )
        )

    def _last(self, fits: Callable[[str, str, str], bool]) -> Warned | None:
        found = [e for e in self._look.warnings() if fits(*_about(e))]
        return _warned(max(found, key=_when)) if found else None


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
