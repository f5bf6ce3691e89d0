"""The serving group of a TARGET: every pod that serves the same copy of a model."""

from collections.abc import Sequence

from msgspec import Struct, structs

from distcheck.agent.cluster.api import Api, Object
from distcheck.agent.cluster.errors import Ambiguous, NotFound
from distcheck.agent.cluster.finding.families import Family, family_of
from distcheck.agent.cluster.finding.members import equalities, labelled, living
from distcheck.agent.cluster.finding.namespace import Namespace
from distcheck.agent.cluster.finding.plain import plain_group
from distcheck.agent.cluster.finding.podless import podless_group
from distcheck.agent.cluster.finding.roster import Roster, choices, owner_of
from distcheck.agent.cluster.finding.target import Resolved, resolve
from distcheck.agent.cluster.finding.turning import rollouts_of
from distcheck.agent.cluster.finding.written import Written, services_of, written
from distcheck.agent.cluster.intent.beside import read_beside
from distcheck.agent.cluster.intent.declared import declared_intent
from distcheck.agent.cluster.kinds import POD
from distcheck.agent.cluster.names_wanted import names_wanted
from distcheck.agent.cluster.podspec import as_pod, containers, gpus_of
from distcheck.agent.cluster.policy_pods import policy_pod
from distcheck.agent.cluster.troubles.previous import PreviousLog, previous_log
from distcheck.agent.cluster.troubles.restarts import restarted_behind, restarted_lately
from distcheck.agent.cluster.troubles.told import Troubles
from distcheck.agent.cluster.troubles.warnings import Warnings
from distcheck.checks.evidence import Intent, Missing, Pod, Rollout, Target, Trouble
from distcheck.checks.evidence.policy import NameWanted, PolicyPod

_MOST_LOST = 64
_Tied = tuple[Family, tuple[str, ...]]


class Group(Struct, frozen=True):
    """A serving group: what was asked for, its pods (the leader first), what specs ask for.

    `troubles` are pods that are not there or do not run. `selector` is the label selector
    that the pods share; empty where none ties them. `seen` are the pods as policies see them.
    `wanted` are the names that specs join by, also of pods that such a name kept out of a group
    which lacks some. `rollouts` are changes of its workloads that its pods do not show yet.
    `objects` are what somebody wrote for it, not what was made of that; `services` are all of its
    namespace, where a name is joined.
    """

    target: Target
    pods: tuple[Pod, ...]
    intent: Intent
    notes: tuple[str, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    selector: str = ""
    seen: tuple[PolicyPod, ...] = ()
    wanted: tuple[NameWanted, ...] = ()
    rollouts: tuple[Rollout, ...] = ()
    objects: Written = Written()
    services: tuple[Object, ...] | Missing = Missing("Services were not listed")


def find_group(api: Api, namespace: str, target: str, previous: PreviousLog | None = None) -> Group:
    """The serving group that TARGET belongs to.

    Pods are tied together by the labels of a LeaderWorkerSet, a RayCluster or an MPIJob, else
    by command lines that join the same leader, else by their workload. `previous` reads the
    logs of containers that crashed; the API server is asked where it is None.

    Raises:
        TargetError, NotFound, Ambiguous, Refused, Unreachable: see `target.resolve`.
    """
    look = Namespace(api, namespace)
    found = resolve(look, target)
    roster, selector = _roster(look, found)
    _refuse_nothing(found, roster)
    turning = rollouts_of(look, roster)
    reasons = Troubles(look, Warnings(look), previous or previous_log(api, namespace))
    troubles = (*reasons.of(roster), *restarted_behind(roster))
    troubles = (*troubles, *restarted_lately(roster, troubles))
    beside = read_beside(api, namespace, roster.ordered, look.known())
    intent = declared_intent(roster.ordered, beside, [a.gpus for a in roster.absent])
    seen = tuple(policy_pod(p) for p in roster.ordered)
    lost = _lost(look, roster, intent)
    wanted = names_wanted([*roster.ordered, *lost], beside.maps)
    objects = written(look, roster, beside, lost)
    services = services_of(look) if wanted else ()
    return Group(
        _said(found, roster),
        _pods(roster),
        intent,
        tuple(look.notes),
        troubles,
        selector,
        seen,
        wanted,
        turning,
        objects,
        services,
    )


class Standing(Struct, frozen=True):
    """The pods of a group as they are now, and its rollouts: what a verdict on it rests on."""

    pods: tuple[Pod, ...]
    rollouts: tuple[Rollout, ...]


def standing(look: Namespace, target: str) -> Standing:
    """As `find_group`, which see, without reading any log, event or map."""
    found = resolve(look, target)
    roster, _ = _roster(look, found)
    return Standing(_pods(roster), rollouts_of(look, roster))


def _pods(roster: Roster) -> tuple[Pod, ...]:
    leader = roster.leader
    return tuple(as_pod(p, "leader" if p is leader else "worker") for p in roster.ordered)


def _lost(look: Namespace, roster: Roster, intent: Intent) -> list[Object]:
    """Pods that are in no group, where this one lacks some; only of a group that no label ties."""
    gpus = sum(gpus_of(c) for p in roster.ordered for c in containers(p))
    lacks = roster.size.lacks or gpus < (intent.world_size or 0)
    if any(map(family_of, roster.ordered)) or not lacks:
        return []
    own = {id(p) for p in roster.ordered}
    others = (p for p in living(look.pods()) if id(p) not in own and family_of(p) is None)
    return [p for p in others if any(map(gpus_of, containers(p)))][:_MOST_LOST]


def _said(found: Resolved, roster: Roster) -> Target:
    count = len(roster.pods)
    missing = f", {len(roster.absent)} not there" if roster.absent else ""
    counted = f"{count} pod{'' if count == 1 else 's'}{missing} {roster.how}".strip()
    chosen = f"{found.target.chosen}: {counted}"
    size = roster.size
    return structs.replace(found.target, chosen=chosen, size=size.pods, size_from=size.source)


def _refuse_nothing(found: Resolved, roster: Roster) -> None:
    """A workload that should have no pods is no group."""
    if roster.pods or roster.absent:
        return
    target = found.target
    says = f"{target.chosen} in namespace {target.namespace} has no pods, and asks for none"
    raise NotFound(says)


def _roster(look: Namespace, found: Resolved) -> tuple[Roster, str]:
    """The group, and the selector that finds its pods again."""
    seeds = living(found.pods) or list(found.pods)
    families = [(f, f.group(p) or ()) for p in seeds if (f := family_of(p))]
    if families:
        family, group = _only(families, seeds)
        selector = equalities(dict(zip(family.keys, group, strict=True)))
        pods = labelled(look, selector) or seeds
        asked = found.found if found.kind is POD else None
        roster = family.roster(look, group, pods, asked)
        return structs.replace(roster, how=family.how), selector
    return _plain(look, found), ""


def _only(families: Sequence[_Tied], seeds: Sequence[Object]) -> _Tied:
    """The one group of the seeds; where there are several, one candidate of each."""
    alone = [p for p in seeds if family_of(p) is None and any(map(gpus_of, containers(p)))]
    if len({(f.how, group) for f, group in families}) == 1 and not alone:
        return families[0]
    firsts: dict[object, Object] = {}
    for pod in sorted(seeds, key=_follows):
        family = family_of(pod)
        firsts.setdefault(family.group(pod) if family else id(pod), pod)
    raise Ambiguous(
        "several serving groups fit; name a pod of one", sorted(choices(firsts.values()))
    )


def _follows(pod: Object) -> bool:
    """Sorts the leaders of labelled groups first."""
    family = family_of(pod)
    return not (family and family.leads(pod))


def _plain(look: Namespace, found: Resolved) -> Roster:
    seeds = living(found.pods)
    if not found.pods:
        return podless_group(look, found.kind.kind, found.found)
    if seeds:
        return plain_group(look, seeds, None, seeds if found.kind is POD else ())
    gone = found.pods[0]
    maker = owner_of(gone)
    if maker is None:
        return plain_group(look, [gone], None)
    if found.kind is POD:
        look.note(f"{found.target.name} is no longer alive; the pods of {maker} were taken")
    alive = [p for p in living(look.pods()) if owner_of(p) == maker]
    return plain_group(look, alive, maker)
