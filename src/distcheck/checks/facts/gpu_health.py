"""The GPUs that the group's pods were given, and how each of them is."""

from collections.abc import Iterator
from typing import Self

from msgspec import Struct, field

from distcheck.checks.evidence import Cite, Evidence, Gpus, Missing, NodeLook, Pod
from distcheck.checks.evidence.gpu_health import GpuHealth, GpuState, LostGpu
from distcheck.checks.facts.allocation import GpusGiven
from distcheck.checks.facts.fact import Fact, folded
from distcheck.checks.facts.gpu_xids import GpuXids, in_words, waited, xids_of
from distcheck.checks.facts.nccl_group import group_of
from distcheck.checks.facts.sharding_process import gpu_processes

_MOST_XIDS = 3


class OwnGpu(Struct, frozen=True):
    """A GPU of a pod; `fellow_links`: NVLinks that the best of its kind in the pod has up."""

    pod: str
    node: str
    state: GpuState
    fellow_links: int
    seen_at: str | None
    xids: GpuXids = GpuXids()

    @property
    def words(self) -> str:
        """`GPU 3 of gpu-a`."""
        return f"GPU {self.state.index} of {self.node}"

    def cite(self, what: str) -> Cite:
        """What shows it."""
        return Cite(f"{what} on {self.state.uuid}", f"NVML on {self.node}", self.seen_at)


class Absent(Struct, frozen=True):
    """A GPU that a pod was given, or must have, and that does not answer."""

    pod: str
    node: str
    what: str
    cite: Cite


class OwnGpus(Fact, frozen=True, kw_only=True):
    """GPUs of all pods. `versions` are NCCL's in the logs, `drivers` by node.

    `xids_since` is since when Xids are waited for on the nodes that do, `xids_unseen` why the
    others do not.
    """

    gpus: tuple[OwnGpu, ...]
    absent: tuple[Absent, ...] = ()
    drivers: dict[str, str] = field(default_factory=dict)
    versions: tuple[str, ...] = ()
    xids_since: str | None = None
    xids_unseen: dict[str, str] = field(default_factory=dict)

    @classmethod
    def fold(cls, evidence: Evidence) -> Self | Missing:
        """From NVML of each pod's node; Missing where no node's GPUs told how they are."""
        gpus: list[OwnGpu] = []
        absent: list[Absent] = []
        gaps: list[str] = []
        for pod in (p for p in evidence.pods if p.gpus):
            node = evidence.node(pod.node) if pod.node else None
            health = _health(node, pod)
            if isinstance(health, Missing):
                gaps.append(f"{pod.name}: {health.reason}")
                continue
            names = _names(evidence, pod, node, health)
            gone = tuple(_absent(evidence, pod, health, names))
            gpus.extend(_own(evidence, pod, health, names))
            absent.extend(gone)
            if len(names) < pod.gpus and not gone:
                gaps.append(f"which GPUs are those of {pod.name}: {len(names)} of {pod.gpus}")
        if not gpus and not absent:
            return Missing("; ".join(gaps) or "no pod of the group has a GPU")
        used = {p.node for p in evidence.pods if p.gpus}
        since, unseen = waited(n for n in evidence.nodes if n.node in used)
        return cls(
            gpus=tuple(gpus),
            absent=tuple(absent),
            drivers={n.node: d for n in evidence.nodes if (d := _driver(n))},
            versions=group_of(evidence).log.versions,
            gaps=tuple(gaps),
            xids_since=since,
            xids_unseen=unseen,
        )


def _health(node: NodeLook | None, pod: Pod) -> GpuHealth | Missing:
    return Missing(f"nobody looked at node {pod.node}") if node is None else node.health


def _driver(node: NodeLook) -> str:
    told = (x.driver for x in (node.health, node.gpus) if isinstance(x, GpuHealth | Gpus))
    return next((d for d in told if d), "")


def _names(
    evidence: Evidence, pod: Pod, node: NodeLook | None, health: GpuHealth
) -> frozenset[str]:
    """UUIDs of the pod's GPUs: as the kubelet gave them, as its processes use them, or all."""
    given = folded(GpusGiven, evidence)
    named = given.gpus if isinstance(given, GpusGiven) else ()
    own = {g.parent or g.uuid for g in named if g.pod == pod.name}
    if own:
        return frozenset(own)
    if pod.gpus == len(health.gpus) + len(health.lost):
        return frozenset(s.uuid for s in health.gpus)
    gpus = node.gpus if node is not None and isinstance(node.gpus, Gpus) else None
    used = (p.uuid for p in gpu_processes(evidence, pod))
    return frozenset(gpus.whole(u) if gpus is not None else u for u in used)


def _own(
    evidence: Evidence, pod: Pod, health: GpuHealth, names: frozenset[str]
) -> Iterator[OwnGpu]:
    node = evidence.node(pod.node) if pod.node else None
    own = [s for s in health.gpus if s.uuid in names]
    for state in own:
        links = max(s.nvlinks.up if s.nvlinks else 0 for s in own if s.name == state.name)
        xids = xids_of(evidence, pod, node, state.uuid, state.index)
        yield OwnGpu(pod.name, pod.node or "", state, links, health.seen_at, xids)


def _absent(
    evidence: Evidence, pod: Pod, health: GpuHealth, names: frozenset[str]
) -> Iterator[Absent]:
    """Lost GPUs that are the pod's; of its own names, those that NVML does not list at all."""
    node, every = pod.node or "", pod.gpus == len(health.gpus) + len(health.lost)
    lost = [g for g in health.lost if every or g.uuid in names]
    look = evidence.node(node)
    for one in lost:
        xids = xids_of(evidence, pod, look, one.uuid, one.index)
        says = "".join(f"; {in_words(x)}" for x in (*xids.before, *xids.now)[-_MOST_XIDS:])
        yield Absent(pod.name, node, _lost(one, node) + says, _lost_cite(one, node, health))
    listed = {s.uuid for s in health.gpus} | {g.uuid for g in lost}
    for uuid in sorted(names - listed):
        if uuid.startswith("GPU-"):
            cite = Cite(f"NVML does not list {uuid}", f"NVML on {node}", health.seen_at)
            yield Absent(pod.name, node, f"{uuid}, given to {pod.name}, is not on {node}", cite)


def _lost(one: LostGpu, node: str) -> str:
    return f"GPU {one.index} of {node} does not answer: {one.reason}"


def _lost_cite(one: LostGpu, node: str, health: GpuHealth) -> Cite:
    return Cite(f"GPU {one.index}: {one.reason}", f"NVML on {node}", health.seen_at)
