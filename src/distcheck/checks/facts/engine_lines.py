"""The engine's lines, each given to the pod whose process wrote it, and only of this run."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from distcheck.checks.evidence import (
    Evidence,
    GpuProcess,
    Gpus,
    Missing,
    Pod,
    Processes,
    VllmLog,
)
from distcheck.checks.evidence.vllm import RankLine, WeightsLine

Line = TypeVar("Line", RankLine, WeightsLine)

_RUN_GAP = 300
"""Seconds: the ranks of one start write the same line closer together than this."""


def lines_by_pod(
    evidence: Evidence, pick: Callable[[VllmLog], Sequence[Line]]
) -> dict[str, tuple[Line, ...]]:
    """Lines of each pod's own processes, by `namespace/name`; one line a process.

    Under Ray the driver's output repeats the workers' lines: a prefix with an IP gives such
    a line to the pod of that IP. Lines of an earlier start are left out as far as that can
    be told: a pod has at most as many worker processes as it has GPUs.
    """
    pods = {p.key: p for p in evidence.pods}
    owners = {p.ip: p.key for p in evidence.pods if p.ip}
    found: dict[str, dict[object, Line]] = {key: {} for key in pods}
    for pod in evidence.pods:
        log = evidence.look(pod).vllm
        for line in () if isinstance(log, Missing) else pick(log):
            owner = owners.get(line.host) if line.host else pod.key
            if owner is not None:
                _keep_newest(found[owner], line)
    return {
        key: _of_this_run(pods[key], tuple(lines.values()), live_pids(evidence, pods[key]))
        for key, lines in found.items()
    }


def live_pids(evidence: Evidence, pod: Pod) -> frozenset[int]:
    """Pids that the agent saw in this pod: its processes, and those that NVML names."""
    seen = evidence.look(pod).processes
    own = {p.pid for p in seen.processes} if isinstance(seen, Processes) else set()
    return frozenset(own | {p.pid for p in _gpu_processes(evidence, pod)})


def gpu_of(evidence: Evidence, pod: Pod, line: RankLine | WeightsLine) -> str | None:
    """The UUID of the GPU of the process that wrote `line`: by pid, or by its title."""
    processes = _gpu_processes(evidence, pod)
    by_pid = {p.uuid for p in processes if p.pid == line.pid}
    by_title = {p.uuid for p in processes if line.label and p.title.endswith(f"::{line.label}")}
    found = by_pid or by_title
    return next(iter(found)) if len(found) == 1 else None


def memory_of(evidence: Evidence, pod: Pod, uuid: str) -> int | None:
    """Bytes that this pod's processes hold on GPU `uuid`; None where NVML does not tell."""
    held = [p.memory_used for p in _gpu_processes(evidence, pod) if p.uuid == uuid]
    known = [h for h in held if h is not None]
    return sum(known) if known and len(known) == len(held) else None


def _gpu_processes(evidence: Evidence, pod: Pod) -> list[GpuProcess]:
    node = None if pod.node is None else evidence.node(pod.node)
    gpus = node.gpus if node else None
    return [p for p in gpus.processes if p.pod == pod.key] if isinstance(gpus, Gpus) else []


def _keep_newest(store: dict[object, Line], line: Line) -> None:
    where = f"{line.source.rpartition(':')[0]} {line.label}"
    key = where if line.pid is None else line.pid
    old = store.get(key)
    if old is None or (line.clock or "") >= (old.clock or ""):
        store[key] = line


def _of_this_run(pod: Pod, lines: tuple[Line, ...], live: frozenset[int]) -> tuple[Line, ...]:
    alive = tuple(line for line in lines if line.pid in live)
    if pod.gpus and len(alive) >= pod.gpus:
        return alive
    if not pod.gpus or len(lines) <= pod.gpus:
        return lines
    runs = _runs(lines)
    while len(runs) > 1 and sum(map(len, runs)) > pod.gpus:
        runs = runs[1:]
    return tuple(line for run in runs for line in run)[-pod.gpus :]


def _runs(lines: Iterable[Line]) -> list[list[Line]]:
    """Lines in the order of their clocks, cut where the engine was silent for long."""
    runs: list[list[Line]] = []
    last = -_RUN_GAP
    for line in sorted(lines, key=lambda one: one.clock or ""):
        now = seconds_of(line.clock)
        if not runs or now - last > _RUN_GAP:
            runs.append([])
        runs[-1].append(line)
        last = now
    return runs


def seconds_of(clock: str | None) -> int:
    """Seconds since the year began, of `MM-DD HH:MM:SS`, with months of 31 days; 0 for None."""
    if clock is None:
        return 0
    month, day, hour, minute, second = (int(clock[i : i + 2]) for i in (0, 3, 6, 9, 12))
    return (((month * 31 + day) * 24 + hour) * 60 + minute) * 60 + second
