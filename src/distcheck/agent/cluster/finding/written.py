"""What somebody wrote for a group: its workloads and what stands beside them, not its pods.

Controllers, defaults and webhooks add to pods; a rule that judged those would blame the user for
what others put in. Only a pod that nothing owns is itself what was written.
"""

from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from distcheck.agent.cluster.api import Object
from distcheck.agent.cluster.finding.makers import MOST, Makers, makers_of, named, owners_of
from distcheck.agent.cluster.finding.members import JOB_NAME, LWS_NAME, controller_of, labels_of
from distcheck.agent.cluster.finding.mounted import mounted
from distcheck.agent.cluster.finding.namespace import Namespace
from distcheck.agent.cluster.finding.pod_alone import as_applied
from distcheck.agent.cluster.finding.roster import Owner, Roster
from distcheck.agent.cluster.intent.beside import Beside, entries
from distcheck.agent.cluster.intent.scripts import mounted_maps
from distcheck.agent.cluster.kinds import CONFIGMAP, LWS, MPIJOB, POD, RAYCLUSTER, SERVICE
from distcheck.agent.cluster.podspec import engine_container
from distcheck.checks.evidence import Missing

LOST, OTHERS = "lost", "others"
_MOST_MAPS = 16


class Written(Struct, frozen=True):
    """Raw objects: the group's `workloads`, and what rules know to stand `beside` them.

    Those are Services, ConfigMaps, claims that several pods mount, and the namespace where pods
    are not there. `lost` are workloads of pods that a wrong name may have kept out of the group.
    `unread` says by kind why objects of it are not among them, by LOST the same of `lost`, by
    OTHERS that a Service may be another group's; `why` the same of workloads, some or all.
    """

    workloads: tuple[Object, ...] = ()
    lost: tuple[Object, ...] = ()
    beside: tuple[Object, ...] = ()
    unread: Mapping[str, str] = {}
    why: str = ""


def written(
    look: Namespace, roster: Roster, beside: Beside, lost: Iterable[Object] = ()
) -> Written:
    """What was written for a group, and Services of its namespace.

    Of a group that labels tie only Services that nobody owns: its controller made the others.
    """
    owners = dict.fromkeys(owners_of(roster.ordered))
    owners |= {a.owner: None for a in roster.absent}
    others = dict.fromkeys(o for o in owners_of(lost) if o not in owners)
    family = _of_family(look, roster, beside)
    own = family or _with_alone(makers_of(look, owners), roster.ordered)
    why = "; ".join(dict.fromkeys(own.lacks))
    if not own.objects:
        return Written(why=why or "no workload of the group could be read")
    maps, unread = _maps(look, roster, beside)
    listed = services_of(look)
    known = () if isinstance(listed, Missing) else listed
    services = [named(SERVICE, s) for s in known if not (family and controller_of(s))]
    more, away = mounted(look, roster), _with_alone(makers_of(look, others), lost)
    unread |= {**more.unread, SERVICE.kind: listed.reason if isinstance(listed, Missing) else ""}
    return Written(
        own.objects,
        away.objects,
        (*maps, *services, *more.objects),
        unread | {LOST: away.lacks[0] if away.lacks else "", OTHERS: _OTHERS if family else ""},
        why,
    )


_OTHERS = "labels tie the pods, so other workloads, which a Service may be for, were not read"


def services_of(look: Namespace) -> tuple[Object, ...] | Missing:
    """All of the namespace; why not, where they were not listed."""
    found = tuple(look.every(SERVICE))
    whys = (says for says in look.lacking if says.startswith(SERVICE.plural))
    why = next(whys, "") if not found else ""
    return Missing(why) if why else found


def _of_family(look: Namespace, roster: Roster, beside: Beside) -> Makers | None:
    """The resource that all the rest is made of: a RayService, not the RayCluster that it made.

    None where no label says which one it is.
    """
    labels = labels_of(roster.ordered[0]) if roster.ordered else {}
    if beside.resources:
        lacks = (f"{k} could not be read: {why}" for k, why in _resources(beside).items())
        return Makers(beside.resources[-1:], tuple(lacks))
    for label, kind in ((LWS_NAME, LWS), (JOB_NAME, MPIJOB), ("ray.io/cluster", RAYCLUSTER)):
        if label in labels:
            found = makers_of(look, [Owner(kind.kind, labels[label])])
            return found if found.objects or look.refused(kind) else None
    return None


def _resources(beside: Beside) -> Mapping[str, str]:
    """The custom resources that could not be read."""
    front = f"{CONFIGMAP.short}/"
    return {k: why for k, why in beside.unread.items() if not k.startswith(front)}


def _with_alone(makers: Makers, pods: Iterable[Object]) -> Makers:
    """With the pods that nothing owns, as they were applied."""
    alone = [p for p in pods if not controller_of(p)]
    more = (f"of {len(alone)} pods that nothing owns only {MOST} were read",)
    objects = tuple(named(POD, as_applied(p)) for p in alone[:MOST])
    return Makers(
        (*makers.objects, *objects), (*makers.lacks, *(more if len(alone) > MOST else ()))
    )


def _maps(look: Namespace, roster: Roster, beside: Beside) -> tuple[list[Object], dict[str, str]]:
    """The ConfigMaps that the engines of one pod of each owner take, 16 at most."""
    firsts = {str(controller_of(p).get("uid", id(p))): p for p in reversed(roster.ordered)}
    wanted = dict.fromkeys(_wanted(reversed(firsts.values())))
    found: list[Object] = []
    for name in list(wanted)[:_MOST_MAPS]:
        one = {"data": beside.maps[name]} if name in beside.maps else look.seek(CONFIGMAP, name)
        if one is not None:
            meta = {"name": name, "namespace": look.name}
            found.append(named(CONFIGMAP, {"metadata": meta, "data": entries(one)}))
    cut = len(wanted) > _MOST_MAPS
    more = f"of {len(wanted)} ConfigMaps only {_MOST_MAPS} were read" if cut else ""
    return found, {CONFIGMAP.kind: look.refused(CONFIGMAP) or more}


def _wanted(pods: Iterable[Object]) -> Iterator[str]:
    for pod in pods:
        yield from mounted_maps(pod, engine_container(pod))
