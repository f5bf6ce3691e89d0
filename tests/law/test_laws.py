"""No evidence, no pass: for every check in the catalogue, whatever is missing."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from tests.evidence_builder import healthy, without_look

from distcheck.checks.catalog import catalog
from distcheck.checks.check import Check
from distcheck.checks.evidence import Evidence, Intent, Missing, NodeLook, PodLook
from distcheck.checks.judging import judge

GONE = Missing("not seen, for the test")
LOOKS = ("processes", "nccl", "vllm", "shm", "ports", "model", "names", "rdma")
NODE_LOOKS = ("gpus", "ray", "rdma", "health")
INTENT = ("model", "tp", "pp", "dp", "gpus", "nodes", "executor")
HEALTHY = healthy()

checks = pytest.mark.parametrize("one", catalog(), ids=lambda c: c.id)
parts_of_pods = st.frozensets(
    st.tuples(st.sampled_from([p.key for p in HEALTHY.pods]), st.sampled_from(LOOKS))
)
parts_of_nodes = st.frozensets(
    st.tuples(st.sampled_from([n.node for n in HEALTHY.nodes]), st.sampled_from(NODE_LOOKS))
)


def _pod(look: PodLook, hidden: frozenset[tuple[str, str]]) -> PodLook:
    return structs.replace(look, **{part: GONE for pod, part in hidden if pod == look.pod})


def _node(
    look: NodeLook, hidden: frozenset[tuple[str, str]], pods: frozenset[tuple[str, str]]
) -> NodeLook:
    gone = {part: GONE for node, part in hidden if node == look.node}
    return structs.replace(look, pods=tuple(_pod(p, pods) for p in look.pods), **gone)


@st.composite
def evidence_with_gaps(draw: st.DrawFn) -> Evidence:
    """The healthy group with some looks, nodes, pods and parts of its intent gone."""
    pods, nodes = draw(parts_of_pods), draw(parts_of_nodes)
    unasked = draw(st.frozensets(st.sampled_from([n.node for n in HEALTHY.nodes])))
    unsaid = dict.fromkeys(draw(st.frozensets(st.sampled_from(INTENT))))
    return structs.replace(
        HEALTHY,
        intent=structs.replace(HEALTHY.intent, **unsaid),
        nodes=tuple(_node(n, nodes, pods) for n in HEALTHY.nodes if n.node not in unasked),
        pods=HEALTHY.pods[: draw(st.integers(0, 2))] or HEALTHY.pods,
    )


@checks
def test_the_healthy_group_passes_or_the_check_says_why_not(one: Check) -> None:
    verdict = one.judge_evidence(HEALTHY)
    assert verdict.outcome in ("pass", "skipped"), verdict


@given(evidence=evidence_with_gaps())
def test_no_check_raises_fails_or_passes_uncited_on_a_healthy_group_with_gaps(
    evidence: Evidence,
) -> None:
    """Each check has all examples: drawing one takes longer than judging it."""
    for one in catalog():
        judged = judge(evidence, [one])
        assert judged.bugs == (), one.id
        (finding,) = judged.report.checks
        assert finding.says, one.id
        assert finding.outcome == "unknown" or finding.cites, one.id


@checks
def test_nothing_at_all_is_never_a_pass(one: Check) -> None:
    nothing = structs.replace(HEALTHY, nodes=(), pods=(), intent=Intent())
    unseen = structs.replace(HEALTHY, nodes=())
    for evidence in (nothing, unseen):
        assert one.judge_evidence(evidence).outcome in ("unknown", "skipped")


@checks
@pytest.mark.parametrize("pod", [p.name for p in HEALTHY.pods])
def test_a_pod_that_nobody_looked_at_turns_no_verdict_into_a_pass(one: Check, pod: str) -> None:
    """A pass may stay only where another witness covers that pod, and it must still cite."""
    before = one.judge_evidence(HEALTHY)
    after = one.judge_evidence(without_look(HEALTHY, pod))
    assert after.outcome != "fail", after.says
    assert after.outcome != "pass" or (before.outcome == "pass" and after.cites)


def test_a_group_with_an_unseen_node_does_not_pass_and_says_which() -> None:
    report = judge(without_look(HEALTHY, "vllm-worker-0"), catalog()).report
    assert report.verdict == "unknown"
    said = " ".join(f.says for f in report.checks if f.outcome == "unknown")
    assert "vllm-worker-0" in said or "gpu-1" in said


@checks
def test_unseen_looks_are_named(one: Check) -> None:
    """Where every need is missing, the reason of the look reaches the operator."""
    verdict = one.judge_evidence(structs.replace(HEALTHY, nodes=()))
    assert verdict.outcome == "skipped" or verdict.says.strip()


@checks
def test_a_page_has_every_section_and_names_what_it_does_not_prove(one: Check) -> None:
    page = one.page
    assert page.title
    assert page.proves
    assert page.remedy
    assert all(says.strip() for says in page.causes.values())


@given(evidence=evidence_with_gaps())
@settings(max_examples=25, deadline=None)
def test_evidence_survives_its_file(evidence: Evidence) -> None:
    data = msgspec.json.encode(evidence)
    again = msgspec.json.decode(data, type=Evidence)
    assert again == evidence
    assert judge(again, catalog()).report == judge(evidence, catalog()).report
