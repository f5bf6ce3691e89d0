"""Pods whose logs tell of ranks, and in which no rank runs any more."""

from collections.abc import Iterator

from distcheck.checks.evidence import Evidence, Gpus, Missing, NcclLog, Pod, Process
from distcheck.checks.facts.engine_lines import ranks_by_pod, weights_by_pod
from distcheck.checks.facts.nccl_group import hosts_of
from distcheck.checks.facts.sharding_process import RANK_TITLES, gpu_processes, unlisted
from distcheck.checks.knowledge.names import names

_RANKS = (*RANK_TITLES, "VLLM::EngineCore")
_NO_RANK = frozenset(
    {
        *("bash", "sh", "dash", "ash", "tini", "dumb-init", "sleep", "tail", "pause"),
        *("raylet", "gcs_server", "ray::IDLE"),
    }
)
"""Titles of processes that are no rank of any engine, whatever else runs."""
_KEPT = "_engine_gone"


def gone_gaps(evidence: Evidence) -> tuple[str, ...]:
    """What logs of ranks that ended cannot tell; empty where ranks run, or nobody could look."""
    lost = gone_from(evidence)
    if not lost:
        return ()
    return (f"a rank that still runs in {names(lost)} (the logs are of ranks that have ended)",)


def gone_from(evidence: Evidence) -> tuple[str, ...]:
    """Names of the pods whose logs show ranks, and in which the agent saw none."""
    kept: tuple[str, ...] | None = evidence.__dict__.get(_KEPT)
    if kept is None:
        lost = (p.name for p in evidence.pods if is_deserted(evidence, p) and _spoke(evidence, p))
        kept = evidence.__dict__[_KEPT] = tuple(lost)
    return kept


def is_deserted(evidence: Evidence, pod: Pod) -> bool:
    """Whether a pod with GPUs was seen whole, and no process in it can be a rank.

    By NVML no process of it is on a GPU, and none is a rank by its title: a rank that starts
    has its title before it has a GPU. Where NVML was not asked, only a pod in which nothing
    but shells and Ray's own processes run: an engine may have any name.
    """
    seen, node = evidence.look(pod).processes, evidence.node(pod.node or "")
    if not pod.gpus or isinstance(seen, Missing) or seen.dropped or node is None:
        return False
    if any(not p.title or p.title.startswith(_RANKS) for p in seen.processes):
        return False
    if isinstance(node.gpus, Missing):
        return bool(seen.processes) and all(map(_is_no_rank, seen.processes))
    return not gpu_processes(evidence, pod) and _is_told_whole(node.gpus)


def _is_told_whole(gpus: Gpus) -> bool:
    """Whether NVML's list leaves no process out that may be the pod's."""
    nobodys = any(p.pod is None and p.owner in ("", "unseen") for p in gpus.processes)
    return bool(gpus.devices) and not nobodys and not unlisted(gpus)


def _is_no_rank(one: Process) -> bool:
    return one.title in _NO_RANK


def _spoke(evidence: Evidence, pod: Pod) -> bool:
    if ranks_by_pod(evidence).get(pod.key) or weights_by_pod(evidence).get(pod.key):
        return True
    return not set(hosts_of(pod)).isdisjoint(_nccl_hosts(evidence))


def _nccl_hosts(evidence: Evidence) -> Iterator[str]:
    logs = (evidence.look(p).nccl for p in evidence.pods)
    for log in logs:
        if isinstance(log, NcclLog):
            yield from (r.host for c in log.communicators for r in c.ranks)
