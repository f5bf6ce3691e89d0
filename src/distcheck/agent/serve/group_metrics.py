"""What groups should be and what was seen of them, as metric families."""

from collections.abc import Iterator, Mapping

from distcheck.agent.openmetrics import Metric
from distcheck.agent.serve import families as f
from distcheck.agent.serve.discover import Key
from distcheck.checks.group_map import GroupMap
from distcheck.checks.report import Report, ReportIntent

_Reports = Mapping[Key, Report]
_Row = tuple[tuple[str | int, ...], float]


def families(reports: _Reports) -> Iterator[Metric]:
    """All of them, from the last report of each group."""
    yield from _asked(reports)
    yield f.POD_INFO.of(_pods(reports))
    yield f.POD_GPUS.of(_pod_gpus(reports))
    maps = {key: one.map for key, one in reports.items() if one.map is not None}
    yield f.GPU_SHARE.of(_shares(maps))
    yield f.LINK_CHANNELS.of(_links(maps, reports))


def _asked(reports: _Reports) -> Iterator[Metric]:
    """What specs and command lines ask for."""
    intents = {key: one.intent for key, one in reports.items()}
    yield f.INFO.of(
        ((*key, one.target.kind, one.intent.engine, one.intent.model or ""), 1)
        for key, one in reports.items()
    )
    yield f.PARALLEL_SIZE.of(
        ((*key, dimension), size)
        for key, one in intents.items()
        for dimension, size in (("tp", one.tp), ("pp", one.pp), ("dp", one.dp))
        if size is not None
    )
    yield f.GPUS_EXPECTED.of((key, n) for key, one in intents.items() if (n := _gpus(one)))
    yield f.SHARE_EXPECTED.of((key, s) for key, one in intents.items() if (s := _share(one)))


def _gpus(asked: ReportIntent) -> int:
    """The larger of what pods request and what the ranks need; 0 where neither is known."""
    return max(asked.gpus or 0, (asked.world_size or 0) * (asked.dp or 1))


def _share(asked: ReportIntent) -> float | None:
    """Experts that are spread over several copies make it smaller; then it is not this one."""
    spread = asked.ep and (asked.dp or 1) > 1
    return 1 / asked.world_size if asked.world_size and not spread else None


def _pods(reports: _Reports) -> Iterator[_Row]:
    for key, one in reports.items():
        for pod in one.target.pods:
            yield (*key, pod.name, pod.node or "", pod.role), 1


def _pod_gpus(reports: _Reports) -> Iterator[_Row]:
    """Where all are 0 they were not requested by number, and nobody has told which pod has some."""
    for key, one in reports.items():
        if any(pod.gpus for pod in one.target.pods):
            yield from (((*key, pod.name), pod.gpus) for pod in one.target.pods)


def _shares(maps: Mapping[Key, GroupMap]) -> Iterator[_Row]:
    for key, seen in maps.items():
        for gpu in seen.gpus:
            for bound, part in _told(gpu.share_bounds):
                yield (*key, gpu.pod, gpu.uuid, gpu.index, bound), part


def _told(bounds: tuple[float, float] | None) -> Iterator[tuple[str, float]]:
    """The bounds that say something: 0 at least, or a whole copy at most, is always true."""
    low, high = bounds or (0.0, 1.0)
    if low > 0 or low == high:
        yield "lower", low
    if high < 1 or low == high:
        yield "upper", high


def _links(maps: Mapping[Key, GroupMap], reports: _Reports) -> Iterator[_Row]:
    """Links between pods of the group; a host that no pod is known for has no series."""
    for key, seen in maps.items():
        pods = {pod.name for pod in reports[key].target.pods}
        for link in seen.links:
            if {link.source, link.target} <= pods:
                for kind, pairs in link.channels.items():
                    yield (*key, link.source, link.target, kind), pairs
