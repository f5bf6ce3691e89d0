"""What the agent knows of the pods on its node's GPUs, as metric families."""

from collections.abc import Iterator, Sequence

from distcheck.agent import families as f
from distcheck.agent.openmetrics import Metric
from distcheck.agent.watched_pod import WatchedPod
from distcheck.checks.evidence import Gpus

_Pods = Sequence[tuple[tuple[str, str, str], WatchedPod]]


def pod_families(pods: Sequence[WatchedPod], gpus: Gpus) -> Iterator[Metric]:
    """Of all pods that the last look saw on a GPU."""
    of = [((p.folder.namespace, p.folder.name, p.container), p) for p in pods]
    yield from _memory(of, gpus)
    yield from _shm(of)
    yield from _nccl(of)


def _memory(pods: _Pods, gpus: Gpus) -> Iterator[Metric]:
    index = {d.uuid: str(d.index) for d in gpus.devices}
    number = {u: index.get(gpus.whole(u), "") for _, p in pods for _, u in p.memory}
    number |= {u: index.get(gpus.whole(u), "") for _, p in pods for u in p.weights}
    yield f.GPU_PROCESS.of(
        ((uuid, number[uuid], *pod[:2], container), held)
        for pod, one in pods
        for (container, uuid), held in one.memory.items()
    )
    yield f.GPU_WEIGHTS.of(
        ((uuid, number[uuid], *pod, name), held)
        for pod, one in pods
        for uuid, bounds in one.weights.items()
        for name, held in zip(("lower", "upper"), bounds, strict=True)
        if held > 0 or bounds[0] == bounds[1]
    )
    yield f.MODEL_WEIGHTS.of((pod, one.model_bytes) for pod, one in pods if one.model_bytes)


def _shm(pods: _Pods) -> Iterator[Metric]:
    mounts = [(pod, one.shm) for pod, one in pods if one.shm is not None]
    yield f.SHM_SIZE.of((pod, m.size_bytes) for pod, m in mounts)
    yield f.SHM_USED.of((pod, m.used_bytes) for pod, m in mounts if m.used_bytes is not None)
    yield f.SHM_LEAKED.of((pod, m.unheld_bytes) for pod, m in mounts if m.unheld_bytes is not None)


def _nccl(pods: _Pods) -> Iterator[Metric]:
    told = [(pod, one.nccl) for pod, one in pods]
    yield f.NCCL_RANKS.of(
        ((*pod, state), count)
        for pod, one in told
        for state, count in (("started", one.started), ("complete", one.complete))
        if count is not None
    )
    yield f.NCCL_WORLD.of((pod, one.world) for pod, one in told if one.world is not None)
    yield f.NCCL_CHANNELS.of(
        ((*pod, *place), count)
        for pod, one in told
        for place, count in sorted(one.channels.items())
    )
    yield f.NCCL_GDR.of((pod, one.gdr) for pod, one in told if one.gdr is not None)
    yield f.NCCL_FAILURES.of(
        ((*pod, name), count) for pod, one in told for name, count in sorted(one.failures.items())
    )
