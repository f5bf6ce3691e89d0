"""What speaks against counting each line as one rank on one GPU."""

from collections import Counter
from collections.abc import Iterable, Sequence

from distcheck.checks.evidence import Evidence, Gpus, Pod
from distcheck.checks.evidence.vllm import WeightsLine
from distcheck.checks.facts.shares import Share
from distcheck.checks.knowledge.counted import counted, several


def gpus_against(evidence: Evidence, pod: Pod, shares: Sequence[Share]) -> list[str]:
    """NVML's word against one GPU a rank: too few GPUs, or too few with a process of the pod."""
    counts = Counter(s.uuid for s in shares if s.uuid)
    gaps = [f"{n} ranks of {pod.name} are on one GPU, {u}" for u, n in counts.items() if n > 1]
    node = None if pod.node is None else evidence.node(pod.node)
    if node is None or not isinstance(node.gpus, Gpus) or not shares:
        return gaps
    seen, ranks = _units(node.gpus), sum(1 + s.covers for s in shares)
    if seen < pod.gpus:
        found = f"{counted(seen, 'GPU')} {several(seen, 'is')} on {pod.node}"
        gaps.append(f"{found}, where {pod.name} has {pod.gpus}")
    used = len({p.uuid for p in node.gpus.processes if p.pod == pod.key})
    if used < ranks:
        on = counted(used, "GPU")
        gaps.append(f"processes of {pod.name} are on {on}, where {counted(ranks, 'rank')} spoke")
    return gaps


def _units(gpus: Gpus) -> int:
    """GPUs, and in place of one that MIG cuts, its slices."""
    cut = {s.parent for s in gpus.slices}
    return sum(d.uuid not in cut for d in gpus.devices) + len(gpus.slices)


def counted_twice(shares: Iterable[Share], copies: int) -> list[str]:
    """Ranks that spoke more often than there are copies of the model."""
    pods: dict[int, list[str]] = {}
    for share in shares:
        if share.rank is not None:
            pods.setdefault(share.rank, []).append(share.pod)
    return [
        f"rank {rank} spoke {len(who)} times ({', '.join(dict.fromkeys(who))})"
        for rank, who in sorted(pods.items())
        if len(who) > copies
    ]


def nameless(pod: Pod, lines: Iterable[WeightsLine]) -> list[str]:
    """Lines that no rank, no pid and no label of their own tells apart."""
    silent = Counter(line.label for line in lines if line.rank is None and line.pid is None)
    return [
        f"{count} lines of {pod.name} may be copies of one: {label or 'they name no rank'}"
        for label, count in silent.items()
        if count > 1
    ]
