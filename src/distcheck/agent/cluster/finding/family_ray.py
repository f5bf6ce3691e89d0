"""One RayCluster, as kuberay's `common/pod.go` labels it."""

from collections.abc import Iterator

from distcheck.agent.cluster.api import Object
from distcheck.agent.cluster.finding.labelled import MOST, gone, template_gpus, whole_number
from distcheck.agent.cluster.finding.members import labels_of, living
from distcheck.agent.cluster.finding.namespace import Namespace
from distcheck.agent.cluster.finding.roster import Absent, Owner, Roster, Size
from distcheck.agent.cluster.kinds import RAYCLUSTER, RAYSERVICE

_RAY_TYPE, _RAY_GROUP = "ray.io/node-type", "ray.io/group"


def leads_ray(pod: Object) -> bool:
    """Whether `pod` is the head."""
    return labels_of(pod).get(_RAY_TYPE) == "head"


def ray_roster(look: Namespace, name: str, pods: list[Object]) -> Roster:
    """One RayCluster: head and workers, without the pods that submit jobs to it or clean up."""
    nodes = [p for p in pods if labels_of(p).get(_RAY_TYPE) in ("head", "worker")] or pods
    mine = living(nodes) or nodes
    head = next((p for p in mine if leads_ray(p)), None)
    found = look.seek(RAYCLUSTER, name)
    if found is None:
        size = Size(None, f"raycluster/{name} could not be read")
        return Roster(head, tuple(mine), "", size, (), gone(pods, mine))
    _say_upgrade(look, found)
    wanted = dict(_ray_groups(found))
    count = sum(n for n, _ in wanted.values())
    size = Size(count, f"workerGroupSpecs of raycluster/{name}, and its head")
    absent = tuple(_ray_absent(name, wanted, mine))
    return Roster(head, tuple(mine), "", size, absent, gone(pods, mine))


def _ray_groups(cluster: Object) -> Iterator[tuple[str, tuple[int, int]]]:
    """Pods and GPUs a pod, by group (kuberay `GetWorkerGroupDesiredReplicas`)."""
    spec = cluster.get("spec") or {}
    if spec.get("suspend"):
        return
    yield "headgroup", (1, template_gpus(spec.get("headGroupSpec") or {}))
    for group in spec.get("workerGroupSpecs") or ():
        low, high = _count(group, "minReplicas"), whole_number(group.get("maxReplicas"))
        asked = max(_count(group, "replicas"), low)
        count = asked if high is None else min(asked, high)
        hosts = 0 if group.get("suspend") else _count(group, "numOfHosts") or 1
        yield str(group.get("groupName")), (min(count * hosts, MOST), template_gpus(group))


def _count(group: Object, name: str) -> int:
    return whole_number(group.get(name)) or 0


def _ray_absent(
    cluster: str, wanted: dict[str, tuple[int, int]], mine: list[Object]
) -> Iterator[Absent]:
    for group, (count, gpus) in wanted.items():
        have = sum(labels_of(p).get(_RAY_GROUP, "headgroup") == group for p in mine)
        what = "head" if group == "headgroup" else f"worker of group {group}"
        for number in range(have + 1, min(count, MOST) + 1):
            which = f" {number}" if count > 1 else ""
            owner = Owner("RayCluster", cluster)
            yield Absent(f"{what}{which} of raycluster/{cluster}", owner, gpus)


def _say_upgrade(look: Namespace, cluster: Object) -> None:
    """A note where the RayService of this cluster has another one beside it."""
    labels, name = labels_of(cluster), cluster["metadata"]["name"]
    service = labels.get("ray.io/originated-from-cr-name", "")
    if labels.get("ray.io/originated-from-crd") != "RayService" or not service:
        return
    status = (look.seek(RAYSERVICE, service) or {}).get("status") or {}
    active = (status.get("activeServiceStatus") or {}).get("rayClusterName")
    pending = (status.get("pendingServiceStatus") or {}).get("rayClusterName")
    if active and active != name:
        look.note(f"rayservice/{service} serves from raycluster/{active}, not from "
                  f"raycluster/{name}")  # fmt: skip
    elif active and pending and pending != name:
        look.note(f"rayservice/{service} is being upgraded: raycluster/{name} serves, and was "
                  f"taken; raycluster/{pending} is pending, and can be named itself")  # fmt: skip
