"""NET001: which of several causes is told first, and what each one calls for."""

import pytest
from msgspec import structs
from tests.evidence_builder import change_looks, healthy, without_look

from distcheck.checks.evidence import Evidence, PodLook, PortProbes
from distcheck.checks.evidence.node import PortOutcome
from distcheck.checks.network.ports_reachable import ports_reachable
from distcheck.checks.verdict import Verdict

HEAD, WORKER = "llm/vllm-head-0", "llm/vllm-worker-0"


def _ending(outcomes: dict[str, PortOutcome], evidence: Evidence | None = None) -> Evidence:
    """The group, but all that a pod tries ends as `outcomes` says for it."""

    def change(look: PodLook) -> PodLook:
        outcome = outcomes.get(look.pod)
        if outcome is None or not isinstance(look.ports, PortProbes):
            return look
        probes = tuple(structs.replace(p, outcome=outcome) for p in look.ports.probes)
        return structs.replace(look, ports=structs.replace(look.ports, probes=probes))

    return change_looks(evidence or healthy(), change)


def _judged(outcomes: dict[str, PortOutcome], evidence: Evidence | None = None) -> Verdict:
    return ports_reachable.judge_evidence(_ending(outcomes, evidence))


@pytest.mark.parametrize(
    ("head", "worker", "cause"),
    [
        ("filtered", "refused", "filtered"),
        ("refused", "filtered", "filtered"),
        ("rejected", "refused", "rejected"),
        ("filtered", "rejected", "filtered"),
        ("refused", "refused", "no_listener"),
        ("error", "refused", "no_listener"),
    ],
)
def test_of_several_causes_the_closed_path_is_told_first(
    head: PortOutcome, worker: PortOutcome, cause: str
) -> None:
    verdict = _judged({HEAD: head, WORKER: worker})
    assert (verdict.outcome, verdict.cause) == ("fail", cause)


def test_every_blocked_try_is_cited_and_no_open_one() -> None:
    verdict = _judged({HEAD: "filtered", WORKER: "refused"})
    assert {c.what.rpartition(" is ")[2] for c in verdict.cites} == {"filtered", "refused"}
    assert set(verdict.subjects) == {"vllm-head-0", "vllm-worker-0"}


@pytest.mark.parametrize(
    ("outcome", "says", "not_said"),
    [
        ("filtered", "firewall", "its log says why"),
        ("rejected", "what sent the ICMP message", "its log says why"),
        ("refused", "its log says why", "firewall"),
    ],
)
def test_the_remedy_is_that_of_the_cause(outcome: PortOutcome, says: str, not_said: str) -> None:
    remedy = _judged({WORKER: outcome}).remedy or ""
    assert says in remedy
    assert not_said not in remedy
    assert "vllm-worker-0" in remedy
    assert "{" not in remedy


def test_a_blocked_direction_fails_beside_one_that_nobody_saw() -> None:
    seen = without_look(healthy(), "vllm-worker-0")
    assert _judged({HEAD: "filtered"}, seen).outcome == "fail"


def test_one_direction_that_is_open_does_not_speak_for_the_other() -> None:
    verdict = ports_reachable.judge_evidence(without_look(healthy(), "vllm-head-0"))
    assert verdict.outcome == "unknown"
    assert "vllm-head-0 to vllm-worker-0" in verdict.says


def test_tries_that_were_not_made_are_unknown_not_failed() -> None:
    assert _judged({HEAD: "error", WORKER: "error"}).outcome == "unknown"
