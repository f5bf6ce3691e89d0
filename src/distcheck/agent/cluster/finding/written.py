"""What somebody wrote for a group: its workloads and what stands beside them, not its pods.

Controllers, defaults and webhooks add to pods; a rule that judged those would blame the user for
what others put in.
"""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from distcheck.agent.cluster.api import Object
from distcheck.agent.cluster.finding.members import JOB_NAME, LWS_NAME, labels_of
from distcheck.agent.cluster.finding.namespace import Namespace
from distcheck.agent.cluster.finding.roster import Owner, Roster, owner_of
from distcheck.agent.cluster.intent.beside import Beside
from distcheck.agent.cluster.kinds import (
    CONFIGMAP,
    LWS,
    MPIJOB,
    RAYCLUSTER,
    SERVICE,
    Kind,
    named_kind,
)

_MOST = 16


class Written(Struct, frozen=True):
    """Raw objects: the group's `workloads`, and the Services and ConfigMaps `beside` them.

    `lost` are workloads of pods that a wrong name may have kept out of the group.
    """

    workloads: tuple[Object, ...] = ()
    lost: tuple[Object, ...] = ()
    beside: tuple[Object, ...] = ()


def written(
    look: Namespace, roster: Roster, beside: Beside, lost: Iterable[Object] = ()
) -> Written:
    """What was written for a group; Services only where no label ties its pods."""
    labels = labels_of(roster.ordered[0]) if roster.ordered else {}
    family = tuple(_of_family(look, labels, beside))
    owners = dict.fromkeys(o for p in roster.ordered if (o := owner_of(p)))
    owners |= {a.owner: None for a in roster.absent}
    others = dict.fromkeys(o for p in lost if (o := owner_of(p)) and o not in owners)
    found = family or tuple(_read(look, owners))
    maps = [_named(CONFIGMAP, {"metadata": {"name": n}, "data": d}) for n, d in beside.maps.items()]
    services = [] if family else [_named(SERVICE, s) for s in look.every(SERVICE)]
    return Written(found, tuple(_read(look, others)), (*maps, *services)) if found else Written()


def _of_family(look: Namespace, labels: dict[str, str], beside: Beside) -> Iterator[Object]:
    """The resource that all the rest is made of: a RayService, not the RayCluster that it made."""
    if beside.resources:
        yield beside.resources[-1]
        return
    for label, kind in ((LWS_NAME, LWS), (JOB_NAME, MPIJOB), ("ray.io/cluster", RAYCLUSTER)):
        if label in labels:
            found = look.seek(kind, labels[label])
            if found is not None:
                yield _named(kind, found)
            return


def _read(look: Namespace, owners: Iterable[Owner]) -> Iterator[Object]:
    for owner in list(owners)[:_MOST]:
        kind = named_kind(owner.kind)
        if kind is None:
            continue
        found = look.seen(owner.kind, owner.name) or look.seek(kind, owner.name)
        if found is not None:
            yield _named(kind, found)


def _named(kind: Kind, found: Object) -> Object:
    """Items of a list do not say what they are."""
    api = kind.api.removeprefix("/apis/").removeprefix("/api/")
    return {**found, "apiVersion": api, "kind": kind.kind}
