"""Whether the ranks of a pod are up, and so have all that NCCL allocates up front."""

from distcheck.checks.evidence import EngineHttp, Evidence, Missing, NcclLog, Pod
from distcheck.checks.facts.nccl_group import hosts_of
from distcheck.checks.facts.sharding_process import has_engine

_KEPT = "_engines_serve"


def is_up(pod: Pod, log: NcclLog, ranks: int) -> bool:
    """Whether each of its ranks has completed a communicator, and none has one it has not."""
    hosts = hosts_of(pod)
    live = [r for c in log.communicators for r in c.ranks if r.host in hosts and not r.closed]
    complete = {r.pid for r in live if r.state == "complete"}
    failed = any(f.id == "shm-no-space" and f.pid in complete for f in log.failures)
    waiting = any(r.state != "complete" for r in live) or any(p.again for p in log.processes)
    wanted = min(ranks, pod.gpus) or ranks
    return bool(live) and not waiting and not failed and len(complete) >= wanted


def serves(evidence: Evidence) -> bool:
    """Whether every engine of the group answers over HTTP, which it does once its ranks are up."""
    kept = evidence.__dict__.get(_KEPT)
    if not isinstance(kept, bool):
        kept = evidence.__dict__[_KEPT] = _serve(evidence)
    return kept


def _serve(evidence: Evidence) -> bool:
    engines = [evidence.look(p) for p in evidence.pods if has_engine(evidence, p)]
    return bool(engines) and all(_answers(look.engine_http) for look in engines)


def _answers(seen: EngineHttp | Missing) -> bool:
    return isinstance(seen, EngineHttp) and bool(seen.models or seen.caches)
