"""What a pod's processes tell of its ranks: their numbers, their engine, their environment."""

from collections.abc import Iterable
from typing import Self

from distcheck.checks.evidence import Evidence, GpuProcess, Gpus, Pod, Processes
from distcheck.checks.facts.fact import Fact

_IDLE = 2 << 30
"""Bytes that the driver may hold on a GPU that nobody uses."""
_ENGINES = ("VLLM::EngineCore", "VLLM::APIServer")


def gpu_processes(evidence: Evidence, pod: Pod) -> list[GpuProcess]:
    """What NVML lists of this pod's processes; none where nobody could ask NVML."""
    node = None if pod.node is None else evidence.node(pod.node)
    gpus = node.gpus if node else None
    return [p for p in gpus.processes if p.pod == pod.key] if isinstance(gpus, Gpus) else []


def unlisted(gpus: Gpus) -> int:
    """GPUs that are in use although NVML lists nobody there: its list is not whole."""
    listed = {gpus.whole(p.uuid) for p in gpus.processes} | {p.uuid for p in gpus.processes}
    return sum(d.uuid not in listed and d.memory_used > _IDLE for d in gpus.devices)


def layer_partition(evidence: Evidence) -> str | None:
    """VLLM_PP_LAYER_PARTITION of the engine; None where no environment has it."""
    looks = [evidence.look(p).processes for p in evidence.pods]
    told = [s.environ.get("VLLM_PP_LAYER_PARTITION") for s in looks if isinstance(s, Processes)]
    return next((t for t in told if t), None)


def has_engine(evidence: Evidence, pod: Pod) -> bool | None:
    """Whether an engine of its own runs in the pod; None where that was not seen."""
    seen = evidence.look(pod).processes
    if not isinstance(seen, Processes):
        return None
    titled = any(p.title.startswith(_ENGINES) or _serves(p.argv) for p in seen.processes)
    return titled or (None if seen.dropped else False)


def _serves(argv: tuple[str, ...]) -> bool:
    words = argv[:8]
    serves = "serve" in words or any("openai.api_server" in w for w in words)
    return serves and "--headless" not in argv


def rank_numbers(evidence: Evidence, pod: Pod) -> dict[int, int] | None:
    """Of each process of the pod on a GPU: its number in its own container, and the node's.

    None unless every one of them is known by both: then a line of another number is of no
    process that holds a GPU now. Numbers that two containers share tell nothing.
    """
    holders = {p.pid for p in gpu_processes(evidence, pod)}
    seen = evidence.look(pod).processes
    if not holders or not isinstance(seen, Processes):
        return None
    inner = {p.pid: p.ns_pids[-1] for p in seen.processes if p.pid in holders and p.ns_pids}
    if inner.keys() != holders or len(set(inner.values())) < len(inner):
        return None
    return {number: pid for pid, number in inner.items()}


class RunningRanks(Fact, frozen=True, kw_only=True):
    """By host name of a pod: numbers, in its container, of the processes on its GPUs now.

    Only of pods where all are known. It has no gaps: other pods tell less, and no more is
    asked of them.
    """

    by_host: dict[str, frozenset[int]]

    @classmethod
    def fold(cls, evidence: Evidence) -> Self:
        """From NVML and the processes of each pod; empty where nothing tells."""
        found = {p.hostname or p.name: rank_numbers(evidence, p) for p in evidence.pods}
        return cls(by_host={host: frozenset(n) for host, n in found.items() if n is not None})

    def is_gone(self, host: str, pid: int) -> bool:
        """Whether that process of that host is none of those on its GPUs now."""
        return host in self.by_host and pid not in self.by_host[host]

    def gone(self, processes: Iterable[tuple[str, int]]) -> tuple[str, ...]:
        """Hosts of those `(host, pid)` that are none of the processes on its GPUs now."""
        lost = (host for host, pid in processes if self.is_gone(host, pid))
        return tuple(dict.fromkeys(lost))


def started_at(evidence: Evidence, pod: Pod, pid: int) -> str | None:
    """When the process `pid` of the node started (RFC 3339); None where that was not seen."""
    seen = evidence.look(pod).processes
    found = seen.processes if isinstance(seen, Processes) else ()
    return next((p.started_at for p in found if p.pid == pid), None)
