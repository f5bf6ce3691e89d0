"""What speaks against the engine having started: failures that it logged, and pods not running."""

from distcheck.checks.evidence import Cite, Evidence, Pod, VllmLog
from distcheck.checks.evidence.vllm import EngineFailure
from distcheck.checks.facts.engine_gone import gone_gaps
from distcheck.checks.facts.fact import Fact


class EngineStart(Fact, frozen=True, kw_only=True):
    """Whether the ranks that the logs show can still be there; `gaps` says why they may not.

    `cites` are the first fatal line of each pod whose logs show no later start.
    """

    cites: tuple[Cite, ...] = ()

    @classmethod
    def fold(cls, evidence: Evidence) -> "EngineStart":
        """From the phases of the pods and the engine's own lines (VllmLog.failures)."""
        gaps: list[str] = [*gone_gaps(evidence)]
        cites: list[Cite] = []
        for pod in evidence.pods:
            gaps += _not_running(pod)
            log = evidence.look(pod).vllm
            if not isinstance(log, VllmLog):
                continue
            fatal = next((f for f in log.failures if f.fatal and not is_mended(log, f)), None)
            if fatal is not None:
                cites.append(Cite(f"{pod.name}: {fatal.says}", fatal.source, fatal.seen_at))
                gaps.append(f"the engine of {pod.name} failed: {fatal.says} ({fatal.source})")
            elif log.started is False:
                gaps.append(f"the engine of {pod.name} did not start ({log.started_source})")
        return cls(gaps=tuple(gaps), cites=tuple(cites))


def dropped_lines(evidence: Evidence) -> tuple[str, ...]:
    """Pods whose logs had more engine lines than their record holds."""
    looks = [(p, evidence.look(p).vllm) for p in evidence.pods]
    return tuple(
        f"{log.dropped} engine lines of {p.name}, more than are kept"
        for p, log in looks
        if isinstance(log, VllmLog) and log.dropped > 0
    )


def _not_running(pod: Pod) -> list[str]:
    if pod.phase and pod.phase != "Running":
        return [f"{pod.name} is {pod.phase}"]
    return [f"{pod.name} waits: {pod.waiting}"] if pod.waiting else []


def is_mended(log: VllmLog, failure: EngineFailure) -> bool:
    """Whether the log shows a start, and not one that the failure came after in the same file."""
    if not log.started:
        return False
    start, failed = _place(log.started_source or ""), _place(failure.source)
    return start[0] != failed[0] or start[1] >= failed[1]


def _place(source: str) -> tuple[str, int]:
    file, _, line = source.rpartition(":")
    return file, int(line) if line.isascii() and line.isdigit() and len(line) < 19 else 0
