"""Which GPUs the kubelet gave to which container: its own word, where an agent asked it."""

import re
from collections.abc import Container, Iterable, Iterator
from typing import Self

from msgspec import Struct

from distcheck.checks.evidence import Cite, Evidence, Gpus, Missing, Pod, Processes
from distcheck.checks.evidence.node import Allocated, Allocation
from distcheck.checks.facts.fact import Fact

_SHARE = "::"
"""Between a UUID and the number of a share (k8s-device-plugin, internal/rm/devices.go)."""
_GKE = re.compile(r"nvidia([0-9]{1,3})(?:/gi([0-9]{1,3}))?(?:/vgpu[0-9]{1,3})?\Z")
"""Google's device plugin: the minor number of /dev/nvidiaN, and MIG's GPU instance."""
_RESOURCES = ("nvidia.com/gpu", "nvidia.com/mig-", "gpu.nvidia.com")


class GivenGpu(Struct, frozen=True):
    """One GPU, or MIG slice of `parent`, and how many shares of it one container was given."""

    uuid: str
    parent: str
    pod: str
    container: str
    shares: int
    source: str
    seen_at: str | None

    def idle(self, used: Container[str]) -> bool:
        """Whether no rank is on it; one on a GPU cut by MIG may be on any of its slices."""
        return self.uuid not in used and self.parent not in used

    @property
    def cite(self) -> Cite:
        """What shows it."""
        what = (
            f"{self.shares} shares of {self.uuid} were" if self.shares > 1 else f"{self.uuid} was"
        )
        return Cite(f"{what} given to {self.container} of {self.pod}", self.source, self.seen_at)


class GpusGiven(Fact, frozen=True, kw_only=True):
    """Every GPU that the kubelets say they gave to the group; `short`: fewer than its ranks.

    Only of pods whose every id is the name of a GPU. It has no gaps: where a kubelet was not
    asked, the pod's environment and limits tell what they can.
    """

    gpus: tuple[GivenGpu, ...]
    short: bool = False

    @property
    def doubled(self) -> tuple[GivenGpu, ...]:
        """Those given more than once, where that leaves two ranks of one model on one GPU."""
        times: dict[str, int] = {}
        for one in self.gpus:
            times[one.uuid] = times.get(one.uuid, 0) + one.shares
        return tuple(one for one in self.gpus if self.short and times[one.uuid] > 1)

    def unused(self, used: Container[str], pods: Container[str]) -> tuple[GivenGpu, ...]:
        """Those of `pods` (their names) on which no rank is; `used` are GPUs and slices."""
        return tuple(one for one in self.gpus if one.pod in pods and one.idle(used))

    @classmethod
    def fold(cls, evidence: Evidence) -> Self | Missing:
        """From pod-resources; Missing where no kubelet told the GPUs of any pod."""
        pods = [p for p in evidence.pods if p.gpus]
        told = {p.key: whole for p in pods if (whole := _whole(evidence, p))}
        if not told:
            return Missing("no kubelet told which GPUs it gave to the group's pods")
        gpus = tuple(one for whole in told.values() for one in whole)
        known = len(told) == len(pods) and sum(p.gpus for p in pods) >= (evidence.intent.gpus or 0)
        ranks = evidence.intent.world_size or 1
        return cls(gpus=gpus, short=known and len({one.uuid for one in gpus}) < ranks)


def gpu_count(evidence: Evidence, pod: Pod) -> int:
    """GPUs of a pod: those the kubelet names, where it names all; else its limits."""
    whole = _whole(evidence, pod)
    return len({one.uuid for one in whole}) if whole else pod.gpus


def visible_gpus(evidence: Evidence, pod: Pod, gpus: Gpus) -> frozenset[str]:
    """GPUs of a pod by UUID: the kubelet's word, else all where it asks for every one of them."""
    given = {one.uuid for one in _whole(evidence, pod)}
    every = {d.uuid for d in gpus.devices}
    return frozenset(given or (every if pod.gpus == len(every) else ()))


def left_over(evidence: Evidence, pod: Pod, used: set[str]) -> int:
    """GPUs of a pod on which no rank is: by name, or by its limits where the kubelet is silent."""
    whole = _whole(evidence, pod)
    if not whole:
        return pod.gpus - len(used)
    return len({one.uuid for one in whole if one.idle(used)})


def was_given(evidence: Evidence, pod: Pod, pid: int, uuid: str) -> bool | None:
    """Whether the kubelet gave the GPU or slice `uuid` to the container of process `pid`.

    None where that is not told: nobody asked it, or its ids are no names of GPUs, as those of
    dynamic resource allocation are not.
    """
    look, gpus = evidence.look(pod), _gpus(evidence, pod)
    if not isinstance(look.allocated, Allocated) or gpus is None:
        return None
    named = [a for a in look.allocated.devices if any(_is_gpu(a, i) for i in a.devices)]
    container = _container(look.processes, pid)
    own = [a for a in named if a.container == container]
    found = [_uuid(i, gpus) for a in (own or named) for i in a.devices if _is_gpu(a, i)]
    if uuid in found or gpus.whole(uuid) in found:
        return True if own or not container else None
    slices = {gpus.whole(one) for one in found if one is not None}
    return None if not found or None in found or uuid in slices else False


def _container(seen: Processes | Missing, pid: int) -> str:
    processes = seen.processes if isinstance(seen, Processes) else ()
    return next((p.container for p in processes if p.pid == pid), "")


def _gpus(evidence: Evidence, pod: Pod) -> Gpus | None:
    node = None if pod.node is None else evidence.node(pod.node)
    return node.gpus if node is not None and isinstance(node.gpus, Gpus) else None


def _whole(evidence: Evidence, pod: Pod) -> tuple[GivenGpu, ...]:
    """Every GPU of the pod by its UUID; none where any id of them is no name of a GPU."""
    seen, gpus = evidence.look(pod).allocated, _gpus(evidence, pod)
    if not isinstance(seen, Allocated) or gpus is None:
        return ()
    shares: dict[tuple[str, str], int] = {}
    for container, uuid in _uuids(seen.devices, gpus):
        if uuid is None:
            return ()
        shares[container, uuid] = shares.get((container, uuid), 0) + 1
    return tuple(
        GivenGpu(uuid, gpus.whole(uuid), pod.name, container, count, seen.source, seen.seen_at)
        for (container, uuid), count in shares.items()
    )


def _uuids(allocations: Iterable[Allocation], gpus: Gpus) -> Iterator[tuple[str, str | None]]:
    for one in allocations:
        yield from ((one.container, _uuid(i, gpus)) for i in one.devices if _is_gpu(one, i))


def _is_gpu(allocation: Allocation, device: str) -> bool:
    """By the id, whatever the resource is called; or by a name that only GPUs have."""
    by_id = device.startswith(("GPU-", "MIG-")) or _GKE.match(device) is not None
    return by_id or allocation.resource.startswith(_RESOURCES)


def _uuid(device: str, gpus: Gpus) -> str | None:
    """NVML's name of what the kubelet calls `device`; None where the two cannot be joined."""
    if device.startswith(("GPU-", "MIG-")):
        return device.partition(_SHARE)[0]
    found = _GKE.match(device)
    if found is None:
        return None
    whole = next((d.uuid for d in gpus.devices if d.minor == int(found[1])), None)
    if found[2] is None or whole is None:
        return whole
    part = [s for s in gpus.slices if (s.parent, s.gpu_instance) == (whole, int(found[2]))]
    return part[0].uuid if len(part) == 1 else None
