"""Whatever stands in specs, messages and logs, a group is found or refused, never an error."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from distcheck.agent.cluster.finding.labelled import whole_number
from distcheck.agent.cluster.finding.links import ends_of
from distcheck.agent.cluster.finding.names import Selecting, called, own_names
from distcheck.agent.cluster.troubles.pod_trouble import Readings, trouble_of
from distcheck.agent.cluster.troubles.reasons import (
    LONGEST,
    explained,
    last_words,
    of_event,
    of_scheduler,
    of_waiting,
    refusal,
    short,
)
from distcheck.agent.cluster.troubles.warnings import Warned, Warnings
from distcheck.checks.cluster.every_pod_runs import every_pod_runs

Object = dict[str, Any]

CAUSES = frozenset(every_pod_runs.page.causes)
WORDS = st.sampled_from(
    ["ray start", "--address=", "--master-addr", "-dpa", "$(A)", "${A}", "$A", "[::1]:5", "tcp://",
     "a.b:6379", "'", '"', ";", "&&", "\x00", "--dist-init-addr", " " * 40, "x" * 400]
)  # fmt: skip
TEXT = st.lists(WORDS | st.text(max_size=8), max_size=12).map("".join)
REASONS = st.sampled_from(
    ["", "CrashLoopBackOff", "ErrImagePull", "CreateContainerConfigError", "FailedMount",
     "RunContainerError", "Evicted", "OOMKilled", "ContainerCreating", "Unschedulable"]
) | st.text(max_size=20)  # fmt: skip


class Said(Warnings):
    """One warning, about everything."""

    def __init__(self, one: Warned | None) -> None:
        self._one = one

    def latest(self, *_about: Any) -> Warned | None:
        return self._one

    def of_pod(self, *_about: Any) -> Warned | None:
        return self._one


@st.composite
def states(draw: st.DrawFn) -> Object:
    one = {"reason": draw(REASONS), "message": draw(TEXT), "exitCode": draw(st.integers(0, 255))}
    kind = draw(st.sampled_from(["waiting", "running", "terminated"]))
    return {"name": draw(st.sampled_from(["c", "wait-gcs-ready"])), "state": {kind: one},
            "lastState": draw(st.sampled_from([{}, None, {"terminated": one}])),
            "restartCount": draw(st.integers(0, 99))}  # fmt: skip


@st.composite
def pods(draw: st.DrawFn) -> Object:
    condition = {"type": "PodScheduled", "status": draw(st.sampled_from(["True", "False"])),
                 "reason": draw(REASONS), "message": draw(TEXT)}  # fmt: skip
    phases = st.sampled_from(["Pending", "Running", "Failed", "Succeeded", "Unknown", ""])
    containers = st.none() | st.lists(states(), max_size=2)
    status = {"phase": draw(phases), "reason": draw(REASONS), "message": draw(TEXT),
              "conditions": draw(st.sampled_from([None, [condition]])),
              "containerStatuses": draw(containers),
              "initContainerStatuses": draw(containers)}  # fmt: skip
    container = {"name": "c", "command": draw(st.lists(TEXT, max_size=3)),
                 "env": [{"name": "A", "value": draw(TEXT)}]}  # fmt: skip
    spec = {"nodeName": draw(st.sampled_from([None, "n"])), "containers": [container]}
    return {"metadata": {"name": "p"}, "spec": spec, "status": draw(st.none() | st.just(status))}


@given(pods(), st.none() | st.builds(Warned, REASONS, TEXT, st.just("event"), st.none()), TEXT)
@settings(max_examples=150, deadline=None)
def test_any_status_gives_a_documented_cause_or_none(
    pod: Object, warned: Warned | None, log: str
) -> None:
    trouble = trouble_of(Readings(Said(warned), lambda _pod, _container: log), pod)
    assert trouble is None or (trouble.says and trouble.source and trouble.cause in CAUSES)


@given(pods())
@settings(max_examples=100, deadline=None)
def test_any_command_line_joins_a_host_or_nobody(pod: Object) -> None:
    ends = ends_of(pod)
    host = next((j.host for j in ends.joined if j.is_read), None)
    assert host is None or ("$" not in host and called(host))
    assert ends.is_head in (True, False)
    assert "" not in Selecting([]).names(pod) | own_names(pod)


@given(TEXT, REASONS)
def test_any_words_are_cut_to_one_line(words: str, reason: str) -> None:
    for said in (short(words), refusal(words), last_words(words)):
        assert len(said) <= LONGEST
        assert "\n" not in said
    assert of_scheduler(words) in CAUSES
    assert {of_event(reason, words), of_waiting(reason, words)} <= {None, *CAUSES}
    assert explained(words).startswith(words)


@given(st.text() | st.integers() | st.none() | st.floats())
def test_only_a_whole_number_is_a_count(value: object) -> None:
    number = whole_number(value)
    assert number is None or 0 <= number <= 100_000
