"""The engine's lines, each given to the pod whose process wrote it, and only of this run."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from distcheck.checks.evidence import Evidence, GpuProcess, Missing, Pod, Processes, VllmLog
from distcheck.checks.evidence.vllm import RankLine, WeightsLine
from distcheck.checks.facts.age import is_before, last_write, seconds
from distcheck.checks.facts.sharding_process import gpu_processes, rank_numbers, starts_of

Line = TypeVar("Line", RankLine, WeightsLine)

_CLOCK = re.compile(r"([0-9]{2})-([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2})")
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_DAY = 86400
_WEIGHTS, _RANKS = "_weights_by_pod", "_ranks_by_pod"
"""Kept with the evidence: every fact asks for them, and reading them takes all pods."""
_RUN_GAP = 300
"""Seconds: the ranks of one start write the same line closer together than this."""


def weights_by_pod(evidence: Evidence) -> dict[str, tuple[WeightsLine, ...]]:
    """What the ranks of each pod say that they loaded; see `_lines_by_pod`."""
    found = evidence.__dict__.get(_WEIGHTS)
    if found is None:
        found = evidence.__dict__[_WEIGHTS] = _lines_by_pod(evidence, lambda log: log.weights)
    kept: dict[str, tuple[WeightsLine, ...]] = found
    return kept


def ranks_by_pod(evidence: Evidence) -> dict[str, tuple[RankLine, ...]]:
    """Which rank each process of each pod says that it is; see `_lines_by_pod`."""
    found = evidence.__dict__.get(_RANKS)
    if found is None:
        found = evidence.__dict__[_RANKS] = _lines_by_pod(evidence, lambda log: log.ranks)
    kept: dict[str, tuple[RankLine, ...]] = found
    return kept


def _lines_by_pod(
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
    written: dict[str, str] = {}
    for pod in evidence.pods:
        log = evidence.look(pod).vllm
        written |= {} if isinstance(log, Missing) else log.written
        for line in () if isinstance(log, Missing) else pick(log):
            owner = owners.get(line.host) if line.host else pod.key
            if owner is not None:
                _keep_newest(found[owner], line)
    return {
        key: _running(
            evidence,
            pods[key],
            _since(tuple(lines.values()), _rank_processes_start(evidence, pods[key]), written),
            written,
        )
        for key, lines in found.items()
    }


def live_pids(evidence: Evidence, pod: Pod) -> frozenset[int]:
    """Pids that the agent saw in this pod: its processes, and those that NVML names."""
    seen = evidence.look(pod).processes
    own = {p.pid for p in seen.processes} if isinstance(seen, Processes) else set()
    return frozenset(own | {p.pid for p in gpu_processes(evidence, pod)})


def gpu_of(evidence: Evidence, pod: Pod, line: RankLine | WeightsLine) -> str | None:
    """The UUID of the GPU of the process that wrote `line`: by pid, or by its title.

    A line has its process's number in the container, NVML the node's.
    """
    processes = gpu_processes(evidence, pod)
    numbers = rank_numbers(evidence, pod)
    pid = line.pid if numbers is None or line.pid is None else numbers.get(line.pid)
    by_pid = _homes(p for p in processes if p.pid == pid)
    by_title = _homes(p for p in processes if line.label and p.title.endswith(f"::{line.label}"))
    found = by_pid or by_title
    return next(iter(found)) if len(found) == 1 else None


def memory_of(evidence: Evidence, pod: Pod, uuid: str) -> int | None:
    """Bytes that this pod's processes hold on GPU `uuid`; None where NVML does not tell."""
    held = [p.memory_used for p in gpu_processes(evidence, pod) if p.uuid == uuid]
    known = [h for h in held if h is not None]
    return sum(known) if known and len(known) == len(held) else None


def _homes(processes: Iterable[GpuProcess]) -> set[str]:
    """The GPU on which one process holds most: a rank leaves a context on GPU 0 as well."""
    held = list(processes)
    if any(p.memory_used is None for p in held):
        return {p.uuid for p in held}
    most = max((p.memory_used or 0 for p in held), default=0)
    return {p.uuid for p in held if (p.memory_used or 0) == most}


def _keep_newest(store: dict[object, Line], line: Line) -> None:
    where = f"{line.source.rpartition(':')[0]} {line.label}"
    key = where if line.pid is None else line.pid
    old = store.get(key)
    if old is None or (line.clock or "") >= (old.clock or ""):
        store[key] = line


def _running(
    evidence: Evidence, pod: Pod, lines: tuple[Line, ...], written: dict[str, str]
) -> tuple[Line, ...]:
    numbers = rank_numbers(evidence, pod)
    if numbers is None:
        return _of_this_run(pod, lines, live_pids(evidence, pod))
    mine = (x for x in lines if x.pid is None or x.pid in numbers)
    starts = starts_of(evidence, pod, numbers)
    return tuple(
        x for x in mine if x.pid is None or not is_before(_told(x, written), starts[x.pid])
    )


def _of_this_run(pod: Pod, lines: tuple[Line, ...], live: frozenset[int]) -> tuple[Line, ...]:
    """Lines of live processes, else the last run of lines; no line of another start is added."""
    alive = tuple(line for line in lines if line.pid in live)
    if alive or not lines:
        return alive
    last = _last_run(lines)
    if not pod.gpus or len(last) <= pod.gpus:
        return last
    return _from_last_repeat(last)


def _last_run(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Lines in the order of their clocks, from where the engine was last silent for long."""
    ordered = sorted(lines, key=lambda one: one.clock or "")
    times = [seconds_of(line.clock) for line in ordered]
    cuts = [i for i in range(1, len(times)) if times[i] - times[i - 1] > _RUN_GAP]
    return tuple(ordered[cuts[-1] if cuts else 0 :])


def _from_last_repeat(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Lines since a rank last spoke again: a rank speaks once in a start."""
    seen: set[tuple[object, object]] = set()
    start = 0
    for i, line in enumerate(lines):
        who: tuple[object, object] = (line.rank, getattr(line, "dp", None))
        if who[0] is not None and who in seen:
            seen.clear()
            start = i
        seen.add(who)
    return tuple(lines[start:])


def _rank_processes_start(evidence: Evidence, pod: Pod) -> str | None:
    """When the first of the pod's workers started, else its container (RFC 3339)."""
    seen = evidence.look(pod).processes
    found = seen.processes if isinstance(seen, Processes) else ()
    starts = [p.started_at for p in found if "Worker" in p.title] or [pod.started_at]
    known = {at: s for s in starts if s and (at := seconds(s)) is not None}
    return known[min(known)] if known and all(starts) else pod.started_at


def _told(line: RankLine | WeightsLine, written: dict[str, str]) -> str | None:
    """When the line was written, at the latest."""
    return line.seen_at or last_write(written, line.source)


def _since(lines: tuple[Line, ...], start: str | None, written: dict[str, str]) -> tuple[Line, ...]:
    """Without lines that are older than every worker.

    By the time that the log's transport gave them, or the last write of their file. Their own
    clocks have no zone and no year: by those only a day to half a year before counts.
    """
    began = seconds_of(f"{start[5:10]} {start[11:19]}") if start else 0
    return tuple(
        line
        for line in lines
        if not is_before(_told(line, written), start) and not _is_older(line.clock, began)
    )


def _is_older(clock: str | None, start: int) -> bool:
    now = seconds_of(clock)
    return bool(start and now) and _DAY < (start - now) % (366 * _DAY) < 183 * _DAY


def seconds_of(clock: str | None) -> int:
    """Seconds since the year began, of `MM-DD HH:MM:SS` in a leap year; 0 for anything else."""
    found = _CLOCK.fullmatch(clock or "")
    if found is None:
        return 0
    month, day, hours, minutes, seconds = map(int, found.groups())
    if not (
        1 <= month <= 12
        and 1 <= day <= _DAYS[month - 1]
        and hours < 24
        and minutes < 60
        and seconds < 61
    ):
        return 0
    days = sum(_DAYS[: month - 1]) + day - 1
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
