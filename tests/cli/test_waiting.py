"""`--wait` ends when time can change nothing any more."""

import io

import pytest
from msgspec import structs
from tests.evidence_builder import healthy

from distcheck.agent.cli.progress import Progress
from distcheck.agent.cli.waiting import MENDED_BY_TIME, settled, until_settled
from distcheck.checks.catalog import catalog
from distcheck.checks.report import Judged, judge
from distcheck.checks.verdict import Outcome


def judged(verdict: Outcome, cause: str | None = None) -> Judged:
    report = judge(healthy(), catalog()[:1]).report
    finding = structs.replace(report.checks[0], outcome=verdict, cause=cause)
    return Judged(structs.replace(report, verdict=verdict, checks=(finding,)))


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def read(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def wait(looks: list[Judged], patience: float | None) -> tuple[str, bool, float]:
    clock, left = Clock(), list(looks)
    last, ran_out = until_settled(
        lambda: left.pop(0) if len(left) > 1 else left[0],
        patience,
        Progress(quiet=True),
        clock=clock.read,
        sleep=clock.sleep,
    )
    return last.report.verdict, ran_out, clock.now


@pytest.mark.parametrize(
    ("verdict", "cause", "expected"),
    [
        ("pass", None, True),
        ("warn", None, True),
        ("unknown", None, False),
        ("fail", "node_missing", False),
        ("fail", "replicated", True),
        ("fail", None, True),
    ],
)
def test_what_time_cannot_mend_is_settled(
    verdict: Outcome, cause: str | None, expected: bool
) -> None:
    assert settled(judged(verdict, cause).report) is expected


def test_without_wait_there_is_one_look() -> None:
    assert wait([judged("unknown"), judged("pass")], None) == ("unknown", False, 0.0)


def test_a_group_that_starts_is_judged_again_until_it_passes() -> None:
    looks = [judged("unknown"), judged("fail", "node_missing"), judged("pass")]
    assert wait(looks, 60) == ("pass", False, 10.0)


def test_a_failure_that_stays_ends_the_wait_at_once() -> None:
    assert wait([judged("unknown"), judged("fail", "replicated")], 60) == ("fail", False, 5.0)


def test_wait_that_runs_out_says_so_and_looks_once_more_at_its_end() -> None:
    assert wait([judged("unknown")], 12) == ("unknown", True, 12.0)


def test_every_cause_that_time_mends_is_on_some_page() -> None:
    known = {cause for c in catalog() for cause in c.page.causes}
    assert known >= MENDED_BY_TIME


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_one_line_that_is_gone_at_the_end() -> None:
    stream = Terminal()
    with Progress(stream=stream) as progress:
        progress("asking gpu-a\x1b[31m")
    assert stream.getvalue() == "\r\x1b[Kasking gpu-a[31m\r\x1b[K"


@pytest.mark.parametrize(("stream", "quiet"), [(io.StringIO(), False), (Terminal(), True)])
def test_progress_is_silent_in_a_pipe_and_when_quiet(stream: io.StringIO, quiet: bool) -> None:
    with Progress(stream=stream, quiet=quiet) as progress:
        progress("asking")
    assert stream.getvalue() == ""
