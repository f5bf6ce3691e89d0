"""Changes of a LeaderWorkerSet that a group's pods do not show yet, and groups never made."""

from collections.abc import Iterator
from typing import Any

from distcheck.agent.cluster.api import Object
from distcheck.agent.cluster.finding.changes import ago, behind, is_old, names, rollout
from distcheck.agent.cluster.finding.family_lws import GROUP_INDEX
from distcheck.agent.cluster.finding.labelled import whole_number
from distcheck.agent.cluster.finding.members import (
    LWS_NAME,
    annotations_of,
    equalities,
    is_alive,
    labels_of,
)
from distcheck.agent.cluster.finding.namespace import Namespace
from distcheck.agent.cluster.finding.roster import Owner, Roster
from distcheck.agent.cluster.kinds import LWS, STATEFULSET
from distcheck.agent.cluster.troubles.pod_state import status_of
from distcheck.checks.evidence import Rollout

_PREFIX = "leaderworkerset.sigs.k8s.io"
_REVISION, _SIZE = f"{_PREFIX}/template-revision-hash", f"{_PREFIX}/size"
_ACTS_S = 60
"""A controller that runs acts on a change in seconds."""


def lws_changes(look: Namespace, roster: Roster, labels: dict[str, str]) -> Iterator[Rollout]:
    """Of the set that these `labels` of a pod name.

    The leaders' StatefulSet, named as the set is, carries the newest revision (lws).
    """
    owner = Owner(LWS.kind, labels[LWS_NAME])
    found = look.seek(LWS, owner.name)
    if found is None:
        return
    yield from behind(owner, found, roster.pods)
    yield from _never_made(look, owner, found)
    if (whole_number(labels.get(GROUP_INDEX)) or 0) < _kept_below(found):
        return
    leaders = look.seek(STATEFULSET, owner.name)
    yield from _untold(owner, found, leaders, roster)
    newest = labels_of(leaders).get(_REVISION) if leaders else None
    old = [p for p in roster.pods if is_old(p, _REVISION, newest)]
    if old:
        yield rollout(owner, f"{names(old)} of an older revision", old)
    others = [p for p in roster.dead if is_alive(p)]
    if others:
        yield rollout(owner, f"{names(others)} of another revision and still there")


def _kept_below(lws: Object) -> int:
    strategy = (lws.get("spec") or {}).get("rolloutStrategy") or {}
    rolling = strategy.get("rollingUpdateConfiguration") or {}
    return whole_number(rolling.get("partition")) or 0


def _never_made(look: Namespace, owner: Owner, lws: Object) -> Iterator[Rollout]:
    """Groups that have no pod at all."""
    asked = whole_number((lws.get("spec") or {}).get("replicas", 1)) or 0
    if asked < 2:
        return
    pods = look.pods(equalities({LWS_NAME: owner.name}))
    there = len({labels_of(p).get(GROUP_INDEX) for p in pods if is_alive(p)})
    if there < asked:
        yield rollout(owner, f"{there} of {asked} groups are there")


def _untold(owner: Owner, lws: Object, leaders: Object | None, roster: Roster) -> Iterator[Rollout]:
    """A change that the set's status tells nothing of, as before lws v0.9.0.

    Then the leaders' StatefulSet must be as the set's template asks, and the change be older
    than a controller needs.
    """
    first = lws["metadata"].get("generation") in (None, 1)
    if first or "observedGeneration" in status_of(lws):
        return
    age = _changed_ago(lws)
    if _resized(lws, roster) or (leaders is not None and _differs(lws, leaders)):
        yield rollout(owner, "its controller has not acted on the last change yet", roster.pods)
    elif age is None or age < _ACTS_S:
        when = "" if age is None else f" {age:.0f} s ago"
        says = f"it was changed{when}, and this version of it does not tell"
        yield rollout(owner, f"{says} whether its controller has acted", roster.pods)


def _resized(lws: Object, roster: Roster) -> bool:
    """Whether the pods are of groups of another size than the set asks for now."""
    asked = str(((lws.get("spec") or {}).get("leaderWorkerTemplate") or {}).get("size", 1))
    return any(annotations_of(p).get(_SIZE, asked) != asked for p in roster.pods)


def _differs(lws: Object, leaders: Object) -> bool:
    """Whether the leaders' set was made from another size, image, command or arguments.

    The registry and the digest of an image are left out: admission policies rewrite them.
    """
    spec = (lws.get("spec") or {}).get("leaderWorkerTemplate") or {}
    made = (leaders.get("spec") or {}).get("template") or {}
    size = annotations_of({"metadata": made.get("metadata") or {}}).get(_SIZE)
    if size is not None and size != str(spec.get("size", 1)):
        return True
    asked, there = _words(spec.get("leaderTemplate") or spec.get("workerTemplate")), _words(made)
    return any(there.get(name, words) != words for name, words in asked.items())


def _words(template: Object | None) -> dict[Any, tuple[Any, ...]]:
    """Image, command and arguments of each container."""
    each = ((template or {}).get("spec") or {}).get("containers") or ()
    return {c.get("name"): (_image(c), c.get("command") or [], c.get("args") or []) for c in each}


def _image(container: Object) -> str:
    return str(container.get("image")).rpartition("/")[2].partition("@")[0]


def _changed_ago(lws: Object) -> float | None:
    """Seconds since somebody changed more than its status, as `managedFields` tell."""
    fields = lws["metadata"].get("managedFields") or ()
    each = [ago(f.get("time")) for f in fields if f.get("subresource") != "status"]
    least = min((a for a in each if a is not None), default=None)
    return None if least is None else max(0.0, least)
