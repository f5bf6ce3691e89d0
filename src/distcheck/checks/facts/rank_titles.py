"""Ranks by what their processes call themselves: who is there, who has no rank, who has gone.

vLLM 0.10.1 and newer title a worker `VLLM::Worker`, and add its place (`_PP1_TP3`) once its
ranks have met (v1/executor/multiproc_executor.py); before that release no process has a title.
"""

import re
from typing import cast

from msgspec import Struct

from distcheck.checks.evidence import Evidence, Missing, Pod, Process, Processes
from distcheck.checks.facts.age import seconds
from distcheck.checks.facts.sharding_process import RANK_TITLES, gpu_processes, has_engine, unlisted
from distcheck.checks.knowledge.rank_ranges import gaps, spans

_PLACED = re.compile(r"VLLM::Worker((?:_[A-Z]{2,4}\d{1,5}){1,6})\Z")
_DIMENSION = re.compile(r"_(PP|TP)(\d{1,5})")
_OTHER = re.compile(r"_(?:DP|PCP)\d")
_BARE = "VLLM::Worker"
_ENGINE_TITLES = (*RANK_TITLES, "VLLM::EngineCore")
_SETTLED = 300
"""Seconds after which a server has started its engine's processes."""


class Lost(Struct, frozen=True):
    """Rank processes that are no longer there; `pods` run fewer than they have GPUs."""

    seen: int
    wanted: int
    says: str
    pods: tuple[str, ...]
    by_pod: tuple[tuple[str, int], ...]


def unplaced(evidence: Evidence) -> list[tuple[Pod, Process]]:
    """Workers without a place in their title, in a group whose world has several ranks."""
    if (evidence.intent.world_size or 0) < 2:
        return []
    return [(pod, p) for pod in evidence.pods for p in _titled(evidence, pod) if p.title == _BARE]


def is_placed(title: str) -> bool:
    """Whether it is a worker that was told its place."""
    return _PLACED.match(title) is not None


def ranks_gone(evidence: Evidence) -> Lost | None:
    """The ranks that have gone: one that has its place shows that all were there.

    None where that cannot be told: a pod was not seen, places are of several copies, or
    nobody has a place.
    """
    tp, pp = evidence.intent.tp or 1, evidence.intent.pp or 1
    pods = [p for p in evidence.pods if p.gpus]
    if tp * pp < 2 or (evidence.intent.dp or 1) > 1 or not all(_whole(evidence, p) for p in pods):
        return None
    titles = {p.name: [x.title for x in _titled(evidence, p)] for p in pods}
    every = [t for found in titles.values() for t in found]
    if not every or not all(_PLACED.match(t) for t in every) or any(map(_OTHER.search, every)):
        return None
    there = {_rank(t, tp) for t in every}
    if len(there) >= tp * pp:
        return None
    short = tuple(p.name for p in pods if len(titles[p.name]) < p.gpus)
    says = f"rank {spans(gaps(there, tp * pp))} has ended"
    counts = tuple((name, len(found)) for name, found in titles.items())
    return Lost(len(there), tp * pp, says, short, counts)


def engine_gone(evidence: Evidence, pod: Pod) -> Process | None:
    """The API process of a pod whose engine was there and is not any more; None for others."""
    if not pod.gpus:
        return None
    seen, node = evidence.look(pod).processes, evidence.node(pod.node or "")
    if not _whole(evidence, pod) or node is None or isinstance(node.gpus, Missing):
        return None
    found = cast(Processes, seen).processes
    left = any(p.title.startswith(_ENGINE_TITLES) for p in found)
    held = gpu_processes(evidence, pod) or unlisted(node.gpus)
    if left or held or not has_engine(evidence, pod) or not _ran(evidence, pod):
        return None
    servers = (p for p in found if p.argv and "serve" in " ".join(p.argv[:8]))
    server = next(servers, None)
    return server if server is not None and _is_settled(evidence, server) else None


def _ran(evidence: Evidence, pod: Pod) -> bool:
    """Whether the engine's own lines show that it ran, or that it ended."""
    log = evidence.look(pod).vllm
    if isinstance(log, Missing):
        return False
    return bool(log.started) or any(f.fatal for f in log.failures)


def _is_settled(evidence: Evidence, server: Process) -> bool:
    then, now = seconds(server.started_at), seconds(evidence.observed_at)
    return then is not None and now is not None and now - then >= _SETTLED


def _whole(evidence: Evidence, pod: Pod) -> bool:
    """Whether all processes of the pod were seen."""
    seen = evidence.look(pod).processes
    return isinstance(seen, Processes) and not seen.dropped


def _titled(evidence: Evidence, pod: Pod) -> list[Process]:
    seen = evidence.look(pod).processes
    found = () if isinstance(seen, Missing) else seen.processes
    return [p for p in found if p.title.startswith(_BARE)]


def _rank(title: str, tp: int) -> int:
    """Its rank in a world without copies: stages one after the other."""
    place = {name: int(at) for name, at in _DIMENSION.findall(title)}
    return place.get("PP", 0) * tp + place.get("TP", 0)
