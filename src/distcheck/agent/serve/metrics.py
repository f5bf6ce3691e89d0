"""The verdicts as metrics, from memory."""

import time
from collections.abc import Iterator

from distcheck.agent.openmetrics import Metric, build, counter, gauge
from distcheck.agent.serve.verdicts import Verdicts
from distcheck.checks.verdict import OUTCOMES, Outcome

_GROUP = ("workload_namespace", "workload")
_VERDICTS: tuple[Outcome, ...] = ("pass", "warn", "fail", "unknown")


class ServeFamilies:
    """The metric families of `serve`; a group that is gone has no series."""

    def __init__(self, verdicts: Verdicts) -> None:
        self._verdicts = verdicts

    def collect(self) -> Iterator[Metric]:
        """All families."""
        yield build()
        yield from self._rounds()
        kept = self._verdicts.all(time.time())
        status = gauge("check_status", "1 for the check's outcome", (*_GROUP, "check", "status"))
        verdict = gauge("verdict", "1 for the group's verdict", (*_GROUP, "verdict"))
        seconds = gauge("verify_duration_seconds", "How long the last verification took", _GROUP)
        success = gauge(
            "verify_last_success_timestamp_seconds", "When evidence was last gathered", _GROUP
        )
        degraded = counter(
            "degraded_gpu_seconds",
            "GPU seconds of the group under a failed check",
            (*_GROUP, "check"),
        )
        for key, one in kept.items():
            for word in _VERDICTS:
                verdict.add_metric([*key, word], float(one.report.verdict == word))
            for finding in one.report.checks:
                for word in OUTCOMES:
                    status.add_metric([*key, finding.id, word], float(finding.outcome == word))
            for check, passed in one.degraded.items():
                degraded.add_metric([*key, check], passed)
            seconds.add_metric(list(key), one.seconds)
            if one.succeeded_at is not None:
                success.add_metric(list(key), one.succeeded_at)
        yield from (status, verdict, seconds, success, degraded)

    def _rounds(self) -> Iterator[Metric]:
        found = self._verdicts.discovery
        well = gauge("discovery_success", "Whether the last round could list the serving groups")
        well.add_metric([], float(not self._verdicts.trouble))
        groups = gauge("groups", "Serving groups that are verified")
        groups.add_metric([], float(len(found.groups)))
        left = gauge("pods_left_out", "Pods with GPUs that are in no serving group")
        left.add_metric([], float(len(found.left_out)))
        yield from (well, groups, left)
