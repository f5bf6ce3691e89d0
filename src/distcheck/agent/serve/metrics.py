"""The verdicts as metrics, from memory."""

import time
from collections.abc import Iterator, Mapping

from distcheck.agent.openmetrics import Metric, build
from distcheck.agent.serve import families as f
from distcheck.agent.serve import group_metrics as group
from distcheck.agent.serve.discover import Key
from distcheck.agent.serve.verdicts import Kept, Verdicts
from distcheck.checks.verdict import OUTCOMES, Outcome

_VERDICTS: tuple[Outcome, ...] = ("pass", "warn", "fail", "unknown")
_All = Mapping[Key, Kept]


class ServeFamilies:
    """The metric families of `serve`; a group that is gone has no series."""

    def __init__(self, verdicts: Verdicts) -> None:
        self._verdicts = verdicts

    def collect(self) -> Iterator[Metric]:
        """All families."""
        yield build("serve")
        yield from self._rounds()
        kept = self._verdicts.all(time.monotonic())
        yield from _verdicts(kept)
        yield from group.families({key: one.report for key, one in kept.items()})

    def _rounds(self) -> Iterator[Metric]:
        found, listed = self._verdicts.discovery, self._verdicts.listed
        if listed is None:
            return
        yield f.DISCOVERY_SUCCESS.of([((), listed)])
        yield f.GROUPS.of([((), len(found.groups))])
        yield f.PODS_LEFT_OUT.of([((), len(found.left_out))])


def _verdicts(kept: _All) -> Iterator[Metric]:
    yield f.CHECK_STATUS.of(
        ((*key, finding.id, word), finding.outcome == word)
        for key, one in kept.items()
        for finding in one.report.checks
        for word in OUTCOMES
    )
    yield f.VERDICT.of(
        ((*key, word), one.report.verdict == word)
        for key, one in kept.items()
        for word in _VERDICTS
    )
    yield f.VERIFY_SECONDS.of((key, one.seconds) for key, one in kept.items())
    yield f.LAST_SUCCESS.of(
        (key, one.succeeded_at) for key, one in kept.items() if one.succeeded_at is not None
    )
    yield f.DEGRADED.of(
        ((*key, check), passed)
        for key, one in kept.items()
        for check, passed in one.degraded.items()
    )
