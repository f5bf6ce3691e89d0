"""What NVML lets each GPU's weights be: what its rank holds, less all that is not weights."""

from collections.abc import Mapping, Sequence

from msgspec import field

from distcheck.checks.evidence import Cite, Evidence, Gpus, Missing, Pod, VllmLog
from distcheck.checks.evidence.vllm import MemoryUse
from distcheck.checks.facts.engine_lines import (
    memory_of,
    weights_by_pod,
)
from distcheck.checks.facts.fact import Fact
from distcheck.checks.facts.sharding_allowances import sleeping
from distcheck.checks.facts.sharding_cache import UNTOLD, CacheSize, cache_sizes, together
from distcheck.checks.facts.sharding_held import HeldMemory
from distcheck.checks.facts.sharding_process import gpu_processes, has_engine, unlisted
from distcheck.checks.knowledge.names import alike
from distcheck.checks.knowledge.weights import GIB, OVERHEADS

_LOW = {one.name: one.low for one in OVERHEADS}
_HIGH = {one.name: one.high for one in OVERHEADS}
_CONTEXT, _BUFFERS = "CUDA context", "NCCL and custom all-reduce buffers"
_ACTIVATIONS, _GRAPHS = "activations at their peak", "CUDA graphs"
_CACHED = 1.0
"""GiB that PyTorch's allocator keeps beyond what it says that it uses."""


class MemoryHeld(Fact, frozen=True, kw_only=True):
    """What NVML and the engine's cache let the weights be.

    `blind` says, by pod, why it tells nothing. That is no gap: the engine's own lines may speak
    for those GPUs.
    """

    held: tuple[HeldMemory, ...]
    blind: dict[str, str] = field(default_factory=dict)
    idle: tuple[str, ...] = ()
    """Pods of which NVML was asked and shows no process."""

    @classmethod
    def fold(cls, evidence: Evidence) -> "MemoryHeld | Missing":
        """From NVML on each node; Missing where the weights may not be on the GPUs at all."""
        asleep = sleeping(evidence)
        if asleep is not None:
            return asleep
        sizes = cache_sizes(evidence)
        held: list[HeldMemory] = []
        idle = tuple(p.name for p in evidence.pods if p.gpus and _is_idle(evidence, p))
        blind: dict[str, str] = {}
        for pod in (p for p in evidence.pods if p.gpus):
            found = _of_pod(evidence, pod, sizes)
            if isinstance(found, Missing):
                blind[pod.name] = found.reason
            else:
                held += found
        if not held:
            return Missing("; ".join(alike(blind.values())) or "no pod of the group has GPUs")
        return cls(held=tuple(held), blind=blind, idle=idle)


def _is_idle(evidence: Evidence, pod: Pod) -> bool:
    node = None if pod.node is None else evidence.node(pod.node)
    if node is None or isinstance(node.gpus, Missing):
        return False
    others = all(p.pod is not None and p.pod != pod.key for p in node.gpus.processes)
    return others and not unlisted(node.gpus)


def _of_pod(
    evidence: Evidence, pod: Pod, sizes: Mapping[str, CacheSize]
) -> list[HeldMemory] | Missing:
    node = None if pod.node is None else evidence.node(pod.node)
    gpus = node.gpus if node else Missing(f"no agent answered on node {pod.node} ({pod.name})")
    if isinstance(gpus, Missing):
        return gpus
    uuids = list(dict.fromkeys(p.uuid for p in gpu_processes(evidence, pod)))
    if not uuids:
        return Missing(f"NVML shows no process of {pod.name}")
    used = {u: _used(evidence, gpus, pod, u) for u in uuids}
    untold = [u for u, gib in used.items() if gib is None]
    if untold:
        return Missing(f"NVML does not tell what the processes of {pod.name} hold on {untold[0]}")
    spanning = together(sizes.values())
    own = sizes.get(pod.key) or (spanning if has_engine(evidence, pod) is False else UNTOLD)
    others = _others(evidence, pod)
    held = [
        HeldMemory(
            uuid=uuid,
            pod=pod.name,
            pod_gpus=pod.gpus,
            used=gib,
            others=others,
            own=own,
            group=sizes.get(pod.key) or spanning,
            cite=_cite(pod, gpus, uuid, gib),
            stage=_stage(evidence, pod, uuid),
            guests=_guests(evidence, pod, uuid),
        )
        for uuid, gib in used.items()
        if gib
    ]
    return held or Missing(f"the processes of {pod.name} hold no GPU memory")


def _cite(pod: Pod, gpus: Gpus, uuid: str, gib: float) -> Cite:
    what = f"{pod.name} holds {gib:.2f} GiB on {uuid}"
    return Cite(what, f"NVML on {pod.node}", gpus.seen_at)


def _used(evidence: Evidence, gpus: Gpus, pod: Pod, uuid: str) -> float | None:
    """GiB of the pod's own processes there; of the whole GPU where nobody else is on it."""
    told = memory_of(evidence, pod, uuid)
    if told is not None:
        return told / GIB
    alone = all(p.pod == pod.key for p in gpus.processes if p.uuid == uuid)
    device = next((d.memory_used for d in gpus.devices if d.uuid == uuid), None)
    slices = next((s.memory_used for s in gpus.slices if s.uuid == uuid), None)
    whole = device if device is not None else slices
    return whole / GIB if alone and whole is not None else None


def _guests(evidence: Evidence, pod: Pod, uuid: str) -> int | None:
    """Processes of the pod there beside the rank, as contexts of its other ranks are."""
    if memory_of(evidence, pod, uuid) is None:
        return None
    return len({p.pid for p in gpu_processes(evidence, pod) if p.uuid == uuid}) - 1


def _stage(evidence: Evidence, pod: Pod, uuid: str) -> int | None:
    """The pipeline stage that the process's title names."""
    titles = {p.title for p in gpu_processes(evidence, pod) if p.uuid == uuid}
    found = {t.partition("_PP")[2].partition("_")[0] for t in titles if "_PP" in t}
    one = found.pop() if len(found) == 1 else ""
    return int(one) if one.isascii() and one.isdigit() and len(one) < 5 else None


def _others(evidence: Evidence, pod: Pod) -> tuple[float, float]:
    """Context, buffers, activations and graphs: as seen elsewhere, narrower where lines say it."""
    log = evidence.look(pod).vllm
    current = weights_by_pod(evidence)[pod.key]
    lines = log.memory if isinstance(log, VllmLog) and current else ()
    mine = [m for m in lines if not m.host or m.host == pod.ip]
    if not mine:
        return _LOW[_CONTEXT], sum(_HIGH.values())
    torch_less = _most(mine, "non_torch_gib", _HIGH[_BUFFERS])
    peak = _most(mine, "activation_gib", _HIGH[_ACTIVATIONS])
    graphs = _most(mine, "graphs_gib", _HIGH[_GRAPHS])
    most = _HIGH[_CONTEXT] + max(0.0, torch_less) + peak + max(0.0, graphs) + _CACHED
    return _LOW[_CONTEXT], most


def _most(lines: Sequence[MemoryUse], name: str, otherwise: float) -> float:
    told = [getattr(line, name) for line in lines]
    return max((v for v in told if v is not None), default=otherwise)
