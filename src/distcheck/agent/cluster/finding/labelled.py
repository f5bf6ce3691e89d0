"""What the rosters of labelled groups share: counts, GPUs, and pods that are gone."""

from collections.abc import Iterable

from distcheck.agent.cluster.api import Object
from distcheck.agent.cluster.finding.roster import name_of
from distcheck.agent.cluster.podspec import containers, gpus_of

MOST = 100_000
"""No group is asked for more pods than this, whatever an object says."""


def whole_number(value: object) -> int | None:
    """A count as a label, an annotation or a spec writes it; None where it is none."""
    text = str(value)
    return min(int(text), MOST) if text.isdecimal() and len(text) < 10 else None


def gpus_of_first(pods: Iterable[Object]) -> int:
    """The GPUs of the first of these pods; 0 where there is none."""
    return next((sum(gpus_of(c) for c in containers(p)) for p in pods), 0)


def template_gpus(group: Object) -> int:
    """The GPUs of a pod that `group.template` would make."""
    return gpus_of_first([group.get("template") or {}])


def gone(pods: Iterable[Object], mine: Iterable[Object]) -> tuple[Object, ...]:
    """The others of `pods`: finished, being deleted, or of an older revision."""
    names = {name_of(p) for p in mine}
    return tuple(p for p in pods if name_of(p) not in names)
