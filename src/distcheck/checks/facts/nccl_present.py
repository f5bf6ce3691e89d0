"""Which failures of NCCL are of the processes that run now."""

from collections.abc import Callable, Iterable

from distcheck.checks.evidence import Evidence
from distcheck.checks.evidence.nccl import Failure
from distcheck.checks.facts.age import is_before
from distcheck.checks.facts.nccl_group import group_of, hosts_of
from distcheck.checks.facts.sharding_process import RunningRanks
from distcheck.checks.knowledge.nccl_failures import file_of, moment


def present(evidence: Evidence, failures: Iterable[Failure]) -> tuple[Failure, ...]:
    """Failures of the processes that run now: none from before they, or their container, started.

    One without a time is as old as the last write of its file, or older.
    """
    since: dict[str, str] = {}
    for pod in evidence.pods:
        at = moment(pod.started_at)
        since.update(dict.fromkeys(hosts_of(pod), at) if at else {})
    now = (f for f in failures if (moment(f.stamp) or "~") >= since.get(f.host, ""))
    left = _left_over(evidence)
    return tuple(f for f in now if f.stamp or not left(f))


def _left_over(evidence: Evidence) -> Callable[[Failure], bool]:
    """Whether the file of a failure was last written before its process, or container, started."""
    started = RunningRanks.fold(evidence).since
    written = {f: (p, at) for p, log in group_of(evidence).logs for f, at in log.written.items()}

    def is_left_over(one: Failure) -> bool:
        pod, at = written.get(file_of(one), (None, None))
        if pod is None:
            return False
        return is_before(at, started.get((one.host, one.pid)) or pod.started_at)

    return is_left_over
