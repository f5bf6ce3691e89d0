"""`--wait` ends when time can change nothing any more."""

import io
from typing import Any

import pytest
from msgspec import structs
from tests.evidence_builder import healthy

from distcheck.agent.cli.ending import Signalled
from distcheck.agent.cli.progress import Progress
from distcheck.agent.cli.waiting import Cut, until_settled
from distcheck.checks.awaited import MENDED_BY_TIME, TRIED_AGAIN, awaited
from distcheck.checks.catalog import catalog
from distcheck.checks.evidence import Rollout
from distcheck.checks.judging import Judged, judge
from distcheck.checks.verdict import Outcome


def judged(
    verdict: Outcome, cause: str | None = None, *, outcome: Outcome | None = None, **more: Any
) -> Judged:
    """With one finding, GROUP001's, of this outcome (else the verdict), cause and subjects."""
    report = judge(healthy(), [c for c in catalog() if c.id == "GROUP001"]).report
    subjects = more.pop("subjects", ())
    finding = structs.replace(
        report.checks[0], outcome=outcome or verdict, cause=cause, subjects=subjects
    )
    return Judged(structs.replace(report, verdict=verdict, checks=(finding,), **more))


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def read(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def wait(looks: list[Judged], patience: float | None, **more: Any) -> tuple[str, bool, float]:
    clock, left = Clock(), list(looks)
    last, awaits = until_settled(
        lambda: left.pop(0) if len(left) > 1 else left[0],
        patience,
        Progress(quiet=True),
        clock=clock.read,
        sleep=clock.sleep,
        **more,
    )
    return last.report.verdict, bool(awaits), clock.now


OLD, NEW = "vllm-worker-0", "vllm-head-0"
HALF = (Rollout("sts/vllm", "a rollout of sts/vllm runs", (OLD,)),)
SURGE = (Rollout("deploy/vllm", "a rollout of deploy/vllm runs"),)


@pytest.mark.parametrize(
    ("one", "settled"),
    [
        (judged("pass"), True),
        (judged("warn"), True),
        (judged("unknown"), False),
        (judged("fail", "node_missing"), False),
        (judged("fail", "pod_unschedulable"), False),
        (judged("fail", "replicated"), True),
        (judged("fail"), True),
        (judged("warn", "not_ready"), False),
        (judged("warn", "pod_restarted"), True),
        (judged("pass", "engine_starting", outcome="unknown"), False),
        (judged("pass", rollouts=SURGE), False),
        (judged("fail", "wrong_degree", rollouts=SURGE), True),
        (judged("fail", "model_refused", subjects=(OLD,), rollouts=HALF), False),
        (judged("fail", "model_refused", subjects=(NEW,), rollouts=HALF), True),
        (judged("fail", "model_refused", rollouts=HALF), False),
    ],
)
def test_what_time_cannot_mend_is_settled(one: Judged, settled: bool) -> None:
    assert bool(awaited(one.report, {}, 0.0)) is not settled


@pytest.mark.parametrize(("cause", "seconds"), [("image_not_pulled", 60.0), ("crash_loop", 120.0)])
def test_what_somebody_tries_again_ends_the_wait_once_it_has_stayed(
    cause: str, seconds: float
) -> None:
    assert wait([judged("fail", cause)], 600) == ("fail", False, seconds)
    mended = [judged("fail", cause)] * 5 + [judged("pass")]
    assert wait(mended, 600) == ("pass", False, 25.0)


def test_a_failure_that_comes_and_goes_counts_anew() -> None:
    flapping = [judged("fail", "crash_loop"), judged("unknown")] * 30
    assert wait(flapping, 200) == ("fail", True, 200.0)


def test_a_look_that_can_show_nothing_ends_the_wait() -> None:
    tries = iter([False, False, True, True])
    assert wait([judged("unknown")], 600, hopeless=lambda: next(tries)) == ("unknown", False, 10.0)


def test_a_signal_during_the_wait_keeps_the_last_verdict_and_what_was_due() -> None:
    def interrupted(_seconds: float) -> None:
        raise Signalled(15)

    with pytest.raises(Cut) as cut:
        until_settled(lambda: judged("unknown"), 60, Progress(quiet=True), sleep=interrupted)
    assert cut.value.code == 143
    assert cut.value.judged.report.verdict == "unknown"
    assert cut.value.awaits.startswith("unknown: ")


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
    assert known >= MENDED_BY_TIME | TRIED_AGAIN.keys()
    assert not MENDED_BY_TIME & TRIED_AGAIN.keys()


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
