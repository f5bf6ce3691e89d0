"""Pods that Deployments, StatefulSets and Jobs should have made, and have not."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct, structs

from distcheck.agent.cluster.api import Object
from distcheck.agent.cluster.finding.namespace import Namespace
from distcheck.agent.cluster.finding.roster import Absent, Owner, name_of, owner_of
from distcheck.agent.cluster.kinds import DEPLOYMENT, JOB, STATEFULSET
from distcheck.agent.cluster.podspec import containers, gpus_of
from distcheck.agent.cluster.troubles.pod_state import condition

_MOST = 4096
_MOST_ORDINAL = 1 << 31
_JOBS = 4


Makers = Mapping[Owner, Object]
"""The workloads of a namespace, by what pods call their owner."""
_NONE: Mapping[Owner, str] = {}


class Ghost(Struct, frozen=True):
    """A pod that is not there, as its template would have made it."""

    pod: Object
    absent: Absent


def read_makers(look: Namespace, seeds: Iterable[Object]) -> Makers:
    """Deployments and StatefulSets of the namespace, and the Jobs that own a seed."""
    found: dict[Owner, Object] = {}
    for kind in (DEPLOYMENT, STATEFULSET):
        found |= {Owner(kind.kind, name_of(o)): o for o in look.every(kind)}
    return with_jobs(look, found, seeds)


def with_jobs(look: Namespace, makers: Makers, pods: Iterable[Object]) -> Makers:
    """The same with the Jobs that own one of `pods`, a few of them: each costs a request."""
    owners = {o for p in pods if (o := owner_of(p)) and o.kind == "Job"} - set(makers)
    few = sorted(owners, key=str)[:_JOBS]
    return {**makers, **{o: job for o in few if (job := look.seek(JOB, o.name))}}


def ghosts(
    makers: Makers, alive: Iterable[Object], late: Mapping[Owner, str] = _NONE
) -> Iterator[Ghost]:
    """One for each pod that a workload lacks; `late` are rollouts, which only take time."""
    have: dict[Owner, list[Object]] = defaultdict(list)
    for pod in alive:
        if owner := owner_of(pod):
            have[owner].append(pod)
    for owner, workload in makers.items():
        there = have.get(owner, [])
        lacking = max(wanted(owner.kind, workload) - len(there), 0)
        waits = _in_order(owner, workload, there) if lacking else ""
        names = {name_of(p) for p in there}
        for name in _names(owner, workload, names, lacking):
            yield _ghost(workload, Absent(name, owner, 0, waits, late.get(owner, "")))


def _in_order(owner: Owner, workload: Object, there: list[Object]) -> str:
    """A StatefulSet makes one pod after another, unless it is told not to."""
    policy = (workload.get("spec") or {}).get("podManagementPolicy") or "OrderedReady"
    late = [p for p in there if condition(p, "Ready").get("status") != "True"]
    if owner.kind != "StatefulSet" or policy != "OrderedReady" or not late:
        return ""
    return f"podManagementPolicy OrderedReady: {name_of(late[0])} is not ready yet"


def wanted(kind: str, workload: Object) -> int:
    """How many pods it should have; 0 where it is told to have none."""
    spec = workload.get("spec") or {}
    if kind == "Job":
        done = (workload.get("status") or {}).get("succeeded")
        left = _number(spec.get("completions")) - (_number(done) if done else 0)
        return 0 if spec.get("suspend") else min(_number(spec.get("parallelism")), max(left, 0))
    return _number(spec.get("replicas"))


def _number(value: object) -> int:
    return min(max(value, 0), _MOST) if isinstance(value, int) else 1


def _names(owner: Owner, workload: Object, taken: set[str], lacking: int) -> Iterator[str]:
    """A StatefulSet's pods have known names; of others only the number is known."""
    if owner.kind != "StatefulSet":
        which = [f" {i}" for i in range(1, lacking + 1)] if lacking > 1 else [""] * lacking
        yield from (f"a pod{i} of {owner}" for i in which)
        return
    given = ((workload.get("spec") or {}).get("ordinals") or {}).get("start")
    start = given if type(given) is int and 0 <= given < _MOST_ORDINAL else 0
    count = wanted(owner.kind, workload)
    names = (f"{owner.name}-{i}" for i in range(start, start + count))
    yield from [n for n in names if n not in taken][:lacking]


def _ghost(workload: Object, absent: Absent) -> Ghost:
    spec, owner, name = workload.get("spec") or {}, absent.owner, absent.name
    template = spec.get("template") or {}
    meta = {
        "name": name,
        "namespace": workload["metadata"].get("namespace", ""),
        "labels": (template.get("metadata") or {}).get("labels") or {},
        "ownerReferences": [{"kind": owner.kind, "name": owner.name, "controller": True}],
    }
    own = dict(template.get("spec") or {})
    if owner.kind == "StatefulSet":
        own |= {"hostname": name, "subdomain": spec.get("serviceName", "")}
    pod = {"metadata": meta, "spec": own}
    return Ghost(pod, structs.replace(absent, gpus=sum(gpus_of(c) for c in containers(pod))))
