"""The group as a picture needs it: every GPU with what its rank holds, and who talks over what."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, Self

from msgspec import Struct

from distcheck.checks.evidence import Evidence, GpuProcess, Gpus, Missing, Pod
from distcheck.checks.facts.allocation import visible_gpus
from distcheck.checks.facts.fact import Fact, folded
from distcheck.checks.facts.nccl_group import hosts_of
from distcheck.checks.facts.nccl_transports import Transports
from distcheck.checks.facts.weights_bounds import Range, WeightsBounds
from distcheck.checks.facts.weights_plan import WeightsPlan
from distcheck.checks.knowledge import networks, transports
from distcheck.checks.logs_pairs import HostPair, host_pairs

MAX_GPUS, MAX_LINKS = 1024, 256

LinkKind = Literal["rdma", "rdma-no-gdr", "socket", "mnnvl", "other"]


class MapGpu(Struct, frozen=True, omit_defaults=True):
    """One GPU of the group; bytes, and `share` of one copy of the model's weights (0 to 1).

    `ranks` are the titles of the group's processes there, `others` counts processes of
    somebody else. `weights_bytes` is what the rank says that it loaded, or one that speaks for
    it; None where no line tells. `share_bounds` are the least and the most that it may hold,
    equal where a line tells it.
    """

    uuid: str
    index: int
    node: str
    pod: str
    name: str = ""
    memory_total: int = 0
    memory_used: int = 0
    ranks: tuple[str, ...] = ()
    others: int = 0
    weights_bytes: int | None = None
    share: float | None = None
    share_bounds: tuple[float, float] | None = None


class MapLink(Struct, frozen=True):
    """Traffic from one pod to another, by NCCL's own lines; the worst kind of its transports.

    `channels` counts pairs of ranks by kind of transport, of a sample: at most 64 pairs for
    each process, direction and transport.
    """

    source: str
    target: str
    kind: LinkKind
    transports: tuple[str, ...]
    channels: dict[networks.Kind, int] = {}


class GroupMap(Fact, frozen=True, kw_only=True):
    """GPUs in the order of their pods, and links between pods of different nodes.

    `unseen` has, by pod, why its GPUs are not there; `left_out` counts GPUs beyond the first
    1,024.
    """

    gpus: tuple[MapGpu, ...] = ()
    links: tuple[MapLink, ...] = ()
    unseen: dict[str, str] = {}  # noqa: RUF012 - frozen, as every fact is
    left_out: int = 0

    @classmethod
    def fold(cls, evidence: Evidence) -> Self:
        """From NVML, the lines of the ranks, and NCCL's channels."""
        weights = _weights(evidence)
        plan = folded(WeightsPlan, evidence)
        copy = plan.one if isinstance(plan, WeightsPlan) else None
        gpus: list[MapGpu] = []
        unseen: dict[str, str] = {}
        for pod in (p for p in evidence.pods if p.gpus):
            seen = _gpus(evidence, pod)
            if isinstance(seen, Missing):
                unseen[pod.name] = seen.reason
            else:
                gpus += _of_pod(evidence, pod, seen, weights, copy)
        return cls(
            gpus=tuple(gpus[:MAX_GPUS]),
            links=tuple(_links(evidence)),
            unseen=unseen,
            left_out=max(0, len(gpus) - MAX_GPUS),
        )


def _gpus(evidence: Evidence, pod: Pod) -> Gpus | Missing:
    node = evidence.node(pod.node or "")
    return Missing(f"nobody looked at node {pod.node}") if node is None else node.gpus


def _weights(evidence: Evidence) -> dict[str, Range]:
    """GiB by GPU, least and most, as its rank says or as its memory leaves room for."""
    seen = folded(WeightsBounds, evidence)
    return seen.gib if isinstance(seen, WeightsBounds) else {}


def _of_pod(
    evidence: Evidence, pod: Pod, gpus: Gpus, weights: Mapping[str, Range], copy: float | None
) -> Iterator[MapGpu]:
    mine = visible_gpus(evidence, pod, gpus)
    by_gpu: dict[str, list[GpuProcess]] = {}
    for process in gpus.processes:
        by_gpu.setdefault(gpus.whole(process.uuid), []).append(process)
    for device in gpus.devices:
        here = by_gpu.get(device.uuid, [])
        own = [p for p in here if p.pod == pod.key]
        if not own and device.uuid not in mine:
            continue
        bounds = weights.get(device.uuid)
        gib = bounds[0] if bounds and bounds[0] == bounds[1] else None
        yield MapGpu(
            uuid=device.uuid,
            index=device.index,
            node=pod.node or "",
            pod=pod.name,
            name=device.name,
            memory_total=device.memory_total,
            memory_used=device.memory_used,
            ranks=tuple(p.title for p in own),
            others=len({p.pid for p in here if p.pod != pod.key and p.owner in ("pod", "node")}),
            weights_bytes=None if gib is None else int(gib * (1 << 30)),
            share=None if gib is None or not copy else round(gib / copy, 4),
            share_bounds=None if bounds is None or not copy else _shares(bounds, copy),
        )


def _shares(bounds: Range, copy: float) -> tuple[float, float]:
    """Of one copy: what is not known to be less is all of it at most."""
    low, high = (round(gib / copy, 4) for gib in bounds)
    return (low, high) if low == high else (min(1.0, low), min(1.0, high))


def _links(evidence: Evidence) -> Iterator[MapLink]:
    seen = folded(Transports, evidence)
    if isinstance(seen, Missing):
        return
    providers, pods = transports.providers_of(seen.log), _pods_of(evidence)
    for pair in host_pairs(seen.log)[:MAX_LINKS]:
        ends = pair.from_host or "", pair.to_host or ""
        if all(ends) and seen.homes.get(ends[0], "") != seen.homes.get(ends[1], ""):
            source, target = (pods.get(end, end) for end in ends)
            kinds = _kinds(pair, providers)
            yield MapLink(source, target, _worst(kinds), tuple(pair.transports), kinds)


def _pods_of(evidence: Evidence) -> dict[str, str]:
    """The pod of each host that NCCL may print; none where several pods may be it."""
    found: dict[str, set[str]] = {}
    for pod in evidence.pods:
        for host in hosts_of(pod):
            found.setdefault(host, set()).add(pod.name)
    return {host: next(iter(names)) for host, names in found.items() if len(names) == 1}


def _kinds(pair: HostPair, providers: tuple[str, ...]) -> dict[networks.Kind, int]:
    counts: Counter[networks.Kind] = Counter()
    for name, pairs in pair.transports.items():
        counts[networks.kind_of(name, providers)] += pairs
    return dict(sorted(counts.items()))


_WORST: tuple[LinkKind, ...] = ("socket", "other", "rdma-no-gdr", "rdma", "mnnvl")


def _worst(kinds: Iterable[networks.Kind]) -> LinkKind:
    """The worst of its transports decides, as one slow channel slows a ring."""
    known: dict[str, LinkKind] = {k: k for k in _WORST}
    return min((known.get(k, "other") for k in kinds), key=_WORST.index, default="other")
