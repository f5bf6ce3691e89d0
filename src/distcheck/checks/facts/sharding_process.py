"""What a pod's processes tell of its ranks: their numbers, their engine, their environment."""

from collections.abc import Iterable
from typing import Self

from msgspec import field

from distcheck.checks.evidence import Evidence, GpuProcess, Gpus, Missing, Pod, Process, Processes
from distcheck.checks.facts.age import is_before
from distcheck.checks.facts.fact import Fact

_IDLE = 2 << 30
"""Bytes that the driver may hold on a GPU that nobody uses."""
RANK_TITLES = ("VLLM::Worker", "ray::RayWorker", "sglang::scheduler")
_ENGINES = ("VLLM::EngineCore", "VLLM::APIServer")


def gpu_processes(evidence: Evidence, pod: Pod) -> tuple[GpuProcess, ...]:
    """What NVML lists of this pod's processes; none where nobody could ask NVML."""
    kept: dict[str, tuple[GpuProcess, ...]] = evidence.__dict__.setdefault("_gpu_processes", {})
    found = kept.get(pod.key)
    if found is None:
        node = None if pod.node is None else evidence.node(pod.node)
        listed = node.gpus.processes if node and isinstance(node.gpus, Gpus) else ()
        found = kept[pod.key] = tuple(p for p in listed if p.pod == pod.key)
    return found


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
    process that holds a GPU now. Numbers that two containers share tell nothing. Where NVML
    lists none of them, of every process beside those that are ranks by their titles.
    """
    kept: dict[str, dict[int, int] | None] = evidence.__dict__.setdefault("_rank_numbers", {})
    if pod.key not in kept:
        kept[pod.key] = _numbers(gpu_processes(evidence, pod), evidence.look(pod).processes)
    return kept[pod.key]


def _numbers(on_gpus: Iterable[GpuProcess], seen: Processes | Missing) -> dict[int, int] | None:
    holders = {p.pid for p in on_gpus}
    if isinstance(seen, Missing) or (not holders and seen.dropped):
        return None
    mine = [p for p in seen.processes if p.pid in holders] if holders else _titled(seen)
    inner = {p.ns_pids[-1]: p.pid for p in mine if p.ns_pids}
    known = {p.pid for p in mine} >= holders and len(inner) == len(mine) > 0
    return inner if known else None


def _titled(seen: Processes) -> list[Process]:
    """Where NVML tells nobody: all of the containers in which ranks are known by their titles."""
    homes = {p.container_id for p in seen.processes if p.title.startswith(RANK_TITLES)}
    return [p for p in seen.processes if p.container_id in homes]


def starts_of(evidence: Evidence, pod: Pod, numbers: dict[int, int]) -> dict[int, str | None]:
    """When the process of each number started (RFC 3339); None where that was not seen."""
    seen = evidence.look(pod).processes
    found = seen.processes if isinstance(seen, Processes) else ()
    starts = {p.pid: p.started_at for p in found}
    return {number: starts.get(pid) for number, pid in numbers.items()}


class RunningRanks(Fact, frozen=True, kw_only=True):
    """By host name of a pod: numbers, in its container, of the processes on its GPUs now.

    Only of pods where all are known. `since` has when such a process started, by host and
    number, and under number 0 when the pod's container did. It has no gaps: other pods tell
    less, and no more is asked of them.
    """

    by_host: dict[str, frozenset[int]]
    since: dict[tuple[str, int], str] = field(default_factory=dict)

    @classmethod
    def fold(cls, evidence: Evidence) -> Self:
        """From NVML and the processes of each pod; empty where nothing tells."""
        by_host: dict[str, frozenset[int]] = {}
        since: dict[tuple[str, int], str] = {}
        for pod in evidence.pods:
            host, numbers = pod.hostname or pod.name, rank_numbers(evidence, pod)
            starts = {0: pod.started_at}
            if numbers is not None:
                by_host[host] = frozenset(numbers)
                starts |= starts_of(evidence, pod, numbers)
            since |= {(host, number): at for number, at in starts.items() if at}
        return cls(by_host=by_host, since=since)

    def is_gone(self, host: str, pid: int, stamp: str | None = None) -> bool:
        """Whether that process of that host is none of those on its GPUs now.

        Nor is the one that wrote a line at `stamp`, before the process of its number, or its
        container, started: containers that start again count their processes from 1.
        """
        if host in self.by_host and pid not in self.by_host[host]:
            return True
        return stamp is not None and is_before(
            stamp, self.since.get((host, pid)) or self.since.get((host, 0))
        )

    def gone(self, processes: Iterable[tuple[str, int]]) -> tuple[str, ...]:
        """Hosts of those `(host, pid)` that are none of the processes on its GPUs now."""
        lost = (host for host, pid in processes if self.is_gone(host, pid))
        return tuple(dict.fromkeys(lost))
