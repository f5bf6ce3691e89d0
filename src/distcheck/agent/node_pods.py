"""Which pods of a node are looked at, by which process, and whose its GPU processes are."""

from collections.abc import Container, Iterable, Sequence

from msgspec import structs

from distcheck.agent.pod_here import NodePod
from distcheck.agent.probes.podlogs import PodFolder
from distcheck.agent.probes.proc import Proc, Task
from distcheck.checks.evidence import GpuProcess, Gpus, Missing, PodLook
from distcheck.checks.evidence.node import Allocated

OTHERS = "another pod"
"""Stands for the name of a pod that was not asked for."""


def pod_of(folder: PodFolder, tasks: Sequence[Task]) -> NodePod:
    """A pod and its processes, those apart of which nothing can be read."""
    stuck = tuple(t for t in tasks if t.stuck)
    return NodePod(folder, tuple(t for t in tasks if not t.stuck), stuck=stuck)


def named(pods: Iterable[NodePod], wanted: Sequence[str]) -> list[NodePod]:
    """One for each name: where a pod came back under its name, the one with processes."""
    best: dict[str, NodePod] = {}
    for pod in pods:
        key = pod.folder.key
        if key in wanted and (key not in best or _life(pod) > _life(best[key])):
            best[key] = pod
    return list(best.values())


def _life(pod: NodePod) -> tuple[int, float]:
    return len(pod.tasks) + len(pod.stuck), _changed(pod.folder)


def _changed(folder: PodFolder) -> float:
    try:
        return folder.path.stat().st_mtime
    except OSError:
        return 0.0


def with_main(pod: NodePod, gpus: Gpus | Missing) -> NodePod:
    """The pod with its processes in order: those on a GPU, ranks by title, ours, the rest."""
    on_gpu = set() if isinstance(gpus, Missing) else {p.pid for p in gpus.processes}
    ordered = sorted(
        (t for t in pod.tasks if not t.is_sandbox),
        key=lambda t: (t.pid not in on_gpu, not t.is_rank, not t.matters, t.pid),
    )
    known = any(t.pid in on_gpu or t.is_rank or t.matters for t in ordered[:1])
    return structs.replace(pod, tasks=tuple(ordered), known=known)


def with_owners(gpus: Gpus, pods: Iterable[NodePod], proc: Proc, asked: Container[str]) -> Gpus:
    """GPU processes with the pod that each one's cgroup names; the rest stays without one.

    NVML's numbers are the node's, as are those of the host's `/proc`. Of a pod that was not
    asked for nothing is told but that it is one.
    """
    whose = {t.pid: (p.folder.key, t) for p in pods for t in (*p.tasks, *p.stuck)}
    named = (_with_owner(one, whose.get(one.pid), proc, asked) for one in gpus.processes)
    return structs.replace(gpus, processes=tuple(named))


def _with_owner(
    one: GpuProcess, found: tuple[str, Task] | None, proc: Proc, asked: Container[str]
) -> GpuProcess:
    if found is None:
        return structs.replace(one, owner=proc.owner(one.pid))
    pod, task = found
    if pod not in asked:
        return structs.replace(one, pod=OTHERS, owner="pod")
    return structs.replace(
        one, pod=pod, title=task.title, owner="pod", container_id=task.container_id
    )


def with_devices(look: PodLook, given: dict[str, Allocated] | Missing) -> PodLook:
    """The pod with the devices that the kubelet gave to it."""
    if isinstance(given, Missing):
        return structs.replace(look, allocated=given)
    none = Missing(f"the kubelet's pod-resources do not list {look.pod}")
    return structs.replace(look, allocated=given.get(look.pod, none))


def in_order(wanted: Sequence[str], looks: Sequence[PodLook], why: str) -> tuple[PodLook, ...]:
    """One look for each pod that was asked for; `why` where there is none."""
    seen = {look.pod: look for look in looks}
    return tuple(seen.get(key) or PodLook.unseen(key, why) for key in dict.fromkeys(wanted))
