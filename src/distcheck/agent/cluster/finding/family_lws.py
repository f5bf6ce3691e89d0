"""One group of a LeaderWorkerSet, as lws's `pod_webhook.go` labels it."""

from msgspec import structs

from distcheck.agent.cluster.api import Object
from distcheck.agent.cluster.finding.labelled import (
    gone,
    gpus_of_first,
    template_gpus,
    whole_number,
)
from distcheck.agent.cluster.finding.members import annotations_of, labels_of, living
from distcheck.agent.cluster.finding.namespace import Namespace
from distcheck.agent.cluster.finding.roster import Absent, Owner, Roster, Size, name_of
from distcheck.agent.cluster.kinds import LWS

_PREFIX = "leaderworkerset.sigs.k8s.io"
GROUP_INDEX = f"{_PREFIX}/group-index"
_REVISION = f"{_PREFIX}/template-revision-hash"
_WORKER = f"{_PREFIX}/worker-index"


def leads_lws(pod: Object) -> bool:
    """Whether `pod` is worker 0."""
    return labels_of(pod).get(_WORKER) == "0"


def lws_roster(
    look: Namespace, group: tuple[str, str], pods: list[Object], asked: Object | None = None
) -> Roster:
    """One group of a LeaderWorkerSet (its name and index), of the revision of the pod asked for.

    Else the leader's revision counts. During a rollout the size is the pods' own annotation.
    """
    lws, index = group
    alive = living(pods) or pods
    named = [p for p in alive if asked is not None and name_of(p) == name_of(asked)]
    first = next(iter((*named, *filter(leads_lws, alive), *alive)), None)
    mine = _of_one_revision(look, first, alive)
    leader = next(filter(leads_lws, mine), None)
    size = _size(look, lws, mine)
    have = {labels_of(p).get(_WORKER) for p in mine}
    missing = [i for i in range(size.pods or 0) if str(i) not in have]
    waits = _leader_first(look, lws, leader) if missing else ""
    gpus = gpus_of_first(p for p in (*mine[1:], *mine)) or _declared_gpus(look, lws)
    others = [p for p in living(pods) if p not in mine]
    made = (_absent(lws, f"{lws}-{index}", i, waits, gpus) for i in missing)
    absent = tuple(_in_rollout(a, others) for a in made)
    return Roster(leader, tuple(mine), "", size, absent, gone(pods, mine))


def _of_one_revision(look: Namespace, first: Object | None, alive: list[Object]) -> list[Object]:
    """The pods of `first`'s revision; an older worker that is still there is said."""
    if first is None:
        return []
    revision = labels_of(first).get(_REVISION)
    mine = [p for p in alive if labels_of(p).get(_REVISION) == revision]
    for old in (p for p in alive if p not in mine):
        look.note(f"{name_of(old)} is of another revision than {name_of(first)}, and not counted")
    return mine


def _in_rollout(absent: Absent, others: list[Object]) -> Absent:
    """A pod whose place one of another revision still holds is on its way."""
    if absent.name not in map(name_of, others):
        return absent
    late = f"a rollout runs: the {absent.name} that is there is of another revision"
    return structs.replace(absent, waits="", late=late)


def _size(look: Namespace, lws: str, mine: list[Object]) -> Size:
    annotation = f"{_PREFIX}/size"
    for pod in mine:
        if count := whole_number(annotations_of(pod).get(annotation)):
            return Size(count, f"annotation {annotation} of {name_of(pod)}")
    found = look.seek(LWS, lws)
    if found is None:
        return Size(None, f"lws/{lws} could not be read")
    spec = found.get("spec") or {}
    size = whole_number((spec.get("leaderWorkerTemplate") or {}).get("size", 1))
    return Size(size if spec.get("replicas", 1) else 0, f"spec of lws/{lws}")


def _declared_gpus(look: Namespace, lws: str) -> int:
    """GPUs of a worker where no pod is there to count them on."""
    found = look.seen(LWS.kind, lws) or {}
    template = ((found.get("spec") or {}).get("leaderWorkerTemplate") or {}).get("workerTemplate")
    return template_gpus({"template": template})


def _absent(lws: str, group: str, index: int, waits: str, gpus: int) -> Absent:
    """A worker's StatefulSet is called as its leader, the leaders' as the LeaderWorkerSet."""
    if index:
        return Absent(f"{group}-{index}", Owner("StatefulSet", group), gpus, waits)
    return Absent(group, Owner("StatefulSet", lws), gpus)


def _leader_first(look: Namespace, lws: str, leader: Object | None) -> str:
    """Why the workers are not made yet (lws `pod_controller.go`)."""
    if leader is None:
        return "its leader is not there, and workers are made after it"
    found = look.seek(LWS, lws) or {"spec": {}, "metadata": {}}
    if (found.get("spec") or {}).get("startupPolicy") == "LeaderReady" and not _ready(leader):
        return f"startupPolicy LeaderReady: {name_of(leader)} is not ready yet"
    exclusive = annotations_of(found).get(f"{_PREFIX}/exclusive-topology")
    if exclusive and not (leader.get("spec") or {}).get("nodeName"):
        return f"exclusive topology {exclusive}: {name_of(leader)} has no node yet"
    return ""


def _ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)
