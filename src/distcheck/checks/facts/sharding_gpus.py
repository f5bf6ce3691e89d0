"""Which GPU of the group has which rank, and who else is on it."""

from collections.abc import Iterable
from typing import Self

from msgspec import Struct

from distcheck.checks.evidence import Cite, Evidence, GpuProcess, Gpus, Missing, Pod, Processes
from distcheck.checks.facts.allocation import gpu_count, left_over, was_given
from distcheck.checks.facts.fact import Fact
from distcheck.checks.facts.running_layout import (
    OtherServers,
    running_otherwise,
    runs_as_asked,
)
from distcheck.checks.facts.sharding_process import RANK_TITLES, gpu_processes, unlisted
from distcheck.checks.knowledge.counted import counted, several
from distcheck.checks.knowledge.weights import GIB

_NO_CONTEXT = GIB
"""A process that holds more than this on a GPU has more there than a context."""


_UNLISTED = 3 * GIB
"""More than the driver and the contexts of dead processes keep on a GPU."""


class RankOnGpu(Struct, frozen=True):
    """One rank process and the GPU, or MIG slice, on which it holds most."""

    uuid: str
    pid: int
    pod: str
    title: str
    node: str
    allocated: bool | None = None
    """Whether the device plugin gave the GPU to its container; None where nothing tells."""

    @property
    def cite(self) -> Cite:
        """What shows it."""
        what = f"{self.title or 'a process'} (pid {self.pid}) of {self.pod} is on {self.uuid}"
        return Cite(what, f"NVML on {self.node}")


class Tenant(Struct, frozen=True):
    """A process of somebody else on a GPU of the group; `gib` None where NVML does not tell."""

    uuid: str
    pid: int
    whose: str
    gib: float | None
    node: str

    @property
    def cite(self) -> Cite:
        """What shows it."""
        held = "memory that NVML does not tell" if self.gib is None else f"{self.gib:.2f} GiB"
        what = f"a process of {self.whose} (pid {self.pid}) holds {held} on {self.uuid}"
        return Cite(what, f"NVML on {self.node}")


class RanksOnGpus(Fact, frozen=True, kw_only=True):
    """Every rank that NVML shows; `unused` has the GPUs that each pod has and no rank is on.

    `world` are the ranks that are asked for. `as_asked`: the server runs with that layout, so that
    ranks are missing; `otherwise` are servers that run another.
    """

    ranks: tuple[RankOnGpu, ...]
    tenants: tuple[Tenant, ...]
    gpus: int
    unused: dict[str, int]
    asked: int | None = None
    layout: str = ""
    as_asked: bool = False
    otherwise: OtherServers = OtherServers()
    world: int | None = None

    @property
    def doubled(self) -> dict[str, tuple[RankOnGpu, ...]]:
        """GPUs with more than one rank."""
        found: dict[str, list[RankOnGpu]] = {}
        for rank in self.ranks:
            found.setdefault(rank.uuid, []).append(rank)
        return {uuid: tuple(ranks) for uuid, ranks in found.items() if len(ranks) > 1}

    @classmethod
    def fold(cls, evidence: Evidence) -> Self | Missing:
        """From NVML on every node of the group; Missing where none could be asked."""
        ranks: list[RankOnGpu] = []
        tenants: list[Tenant] = []
        gaps: list[str] = []
        unused: dict[str, int] = {}
        group = frozenset(p.key for p in evidence.pods)
        for pod in (p for p in evidence.pods if p.gpus):
            gpus = _gpus(evidence, pod)
            if isinstance(gpus, Missing):
                gaps.append(gpus.reason)
                continue
            mine = tuple(_ranks(evidence, pod))
            ranks += mine
            tenants += _tenants(group, pod, gpus, {r.uuid for r in mine})
            gaps += _nobodys(gpus, {r.uuid for r in mine})
            left = left_over(evidence, pod, {r.uuid for r in mine})
            unseen = sum(_unattributed(p) for p in gpus.processes) + unlisted(gpus)
            if left > 0 and unseen:
                verb = several(unseen, "is")
                gaps.append(f"whose {counted(unseen, 'process')} on GPUs of {pod.node} {verb}")
            elif left > 0:
                unused[pod.name] = left
        if not ranks:
            return Missing("; ".join(gaps) or "no rank process is on any GPU of the group")
        return cls(
            ranks=tuple(ranks),
            tenants=tuple(tenants),
            gpus=sum(gpu_count(evidence, p) for p in evidence.pods),
            unused=unused,
            asked=evidence.intent.gpus,
            layout=_layout(evidence),
            as_asked=runs_as_asked(evidence),
            otherwise=running_otherwise(evidence),
            world=_world(evidence),
            gaps=tuple(gaps),
        )


def _world(evidence: Evidence) -> int | None:
    """Ranks of all copies that are asked for."""
    asked = evidence.intent
    one = asked.world_size
    return asked.ranks or (None if one is None else one * (asked.dp or 1))


def _layout(evidence: Evidence) -> str:
    """`TP=8 x PP=2`, or in words where it is not known."""
    asked = evidence.intent
    degrees = (("TP", asked.tp), ("PP", asked.pp), ("DP", asked.dp))
    told = [f"{name}={size}" for name, size in degrees if size is not None and size > 1]
    return " x ".join(told) or "the layout that is asked for"


def _unattributed(process: GpuProcess) -> bool:
    """Whether nobody could tell whose it is: it may be a pod's own."""
    return process.pod is None and process.owner in ("", "unseen")


def _nobodys(gpus: Gpus, on: set[str]) -> Iterable[str]:
    """Memory on these GPUs that belongs to a process of nobody, or to none that NVML lists."""
    listed: dict[str, int | None] = {}
    for process in gpus.processes:
        if process.uuid in on and _unattributed(process):
            yield f"whose process {process.pid} on {process.uuid} is"
        whole = gpus.whole(process.uuid)
        known, held = listed.get(whole, 0), process.memory_used
        listed[whole] = None if known is None or held is None else known + held
    for device in gpus.devices:
        held = listed.get(device.uuid)
        if device.uuid in on and held is not None:
            rest = device.memory_used - held - (device.memory_reserved or 0)
            if rest > _UNLISTED:
                yield f"who holds {rest / GIB:.1f} GiB of {device.uuid} that no listed process has"


def _gpus(evidence: Evidence, pod: Pod) -> Gpus | Missing:
    node = None if pod.node is None else evidence.node(pod.node)
    if node is None:
        return Missing(f"no agent answered on node {pod.node} ({pod.name})")
    if isinstance(node.gpus, Missing):
        return Missing(f"{node.gpus.reason} ({pod.name})")
    return node.gpus


def _ranks(evidence: Evidence, pod: Pod) -> Iterable[RankOnGpu]:
    """Each process once, at home: it may leave a context on another rank's GPU."""
    by_pid: dict[int, list[GpuProcess]] = {}
    for process in gpu_processes(evidence, pod):
        by_pid.setdefault(process.pid, []).append(process)
    for pid, on in by_pid.items():
        home = max(on, key=lambda p: p.memory_used or 0)
        known = home.memory_used is not None
        titled = home.title.startswith(RANK_TITLES)
        if titled or not known or (home.memory_used or 0) > _NO_CONTEXT:
            given = _allocated(evidence, pod, pid, home.uuid)
            yield RankOnGpu(home.uuid, pid, pod.name, home.title, pod.node or "", given)


def _allocated(evidence: Evidence, pod: Pod, pid: int, uuid: str) -> bool | None:
    """By the kubelet's word, else by the UUIDs in the environment that the device plugin made."""
    if (given := was_given(evidence, pod, pid, uuid)) is not None:
        return given
    seen = evidence.look(pod).processes
    if not isinstance(seen, Processes):
        return None
    told = next((p.visible for p in seen.processes if p.pid == pid), {})
    listed = told.get("NVIDIA_VISIBLE_DEVICES", "").split(",")
    if not all(one.strip().startswith(("GPU-", "MIG-")) for one in listed):
        return None
    return uuid in {one.strip() for one in listed}


def _tenants(group: frozenset[str], pod: Pod, gpus: Gpus, on: set[str]) -> Iterable[Tenant]:
    """All of somebody else on a GPU where they hold more than a context together."""
    others: dict[str, list[GpuProcess]] = {}
    for process in gpus.processes:
        if process.uuid in on and process.pod not in group and not _unattributed(process):
            others.setdefault(process.uuid, []).append(process)
    for uuid, found in others.items():
        held = [p.memory_used for p in found]
        if None in held or sum(h or 0 for h in held) > _NO_CONTEXT:
            for p in sorted(found, key=lambda p: -(p.memory_used or 0)):
                gib = None if p.memory_used is None else p.memory_used / GIB
                yield Tenant(uuid, p.pid, p.pod or "the node itself", gib, pod.node or "")
