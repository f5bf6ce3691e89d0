"""NCCL001 to NCCL003 where no rank has another one, or none beyond its own pod, to talk to."""

import pytest
from msgspec import structs
from tests.evidence_builder import change_looks, healthy

from distcheck.checks.check import Check
from distcheck.checks.evidence import Evidence, Missing, NcclLog, VllmLog
from distcheck.checks.nccl.gdr_between_nodes import gdr_between_nodes
from distcheck.checks.nccl.ranks_initialised import ranks_initialised
from distcheck.checks.nccl.rdma_between_nodes import rdma_between_nodes

GONE = Missing("the log of vllm-head-0 lost its start")
BETWEEN = pytest.mark.parametrize("check", [rdma_between_nodes, gdr_between_nodes])
EVERY = pytest.mark.parametrize("check", [ranks_initialised, rdma_between_nodes, gdr_between_nodes])


def _of_one_rank(gpus: int = 1, *, lines: bool = False) -> Evidence:
    """TP=1 in one pod; its engine's lines are there, or gone."""
    whole = healthy(1)
    asked = structs.replace(whole.intent, tp=1, pp=1, gpus=gpus)
    pods = tuple(structs.replace(p, gpus=gpus) for p in whole.pods)
    look = whole.nodes[0].pods[0]
    assert isinstance(look.vllm, VllmLog)
    line = structs.replace(look.vllm.ranks[0], world_size=1, tp=0, pp=0)
    log = structs.replace(look.vllm, ranks=(line,), tp=1, pp=1) if lines else GONE
    evidence = structs.replace(whole, intent=asked, pods=pods)
    return change_looks(evidence, lambda one: structs.replace(one, nccl=GONE, vllm=log))


@EVERY
@pytest.mark.parametrize("lines", [True, False])
def test_a_world_of_one_rank_has_no_communicator(check: Check, lines: bool) -> None:
    verdict = check.judge_evidence(_of_one_rank(lines=lines))
    assert (verdict.outcome, verdict.says) == (
        "skipped",
        "a world of one rank has no communicator",
    )
    assert any("TP=1" in c.what for c in verdict.cites)


def test_one_rank_asked_for_on_eight_gpus_of_which_no_line_tells_is_unknown() -> None:
    verdict = ranks_initialised.judge_evidence(_of_one_rank(8))
    assert (verdict.outcome, verdict.says) == ("unknown", GONE.reason)


def test_communicators_beside_a_wish_for_one_rank_are_judged() -> None:
    lines = healthy(1).nodes[0].pods[0].nccl
    evidence = change_looks(_of_one_rank(), lambda one: structs.replace(one, nccl=lines))
    assert ranks_initialised.judge_evidence(evidence).outcome != "skipped"


@BETWEEN
def test_one_pod_has_no_other_node_also_where_its_log_is_gone(check: Check) -> None:
    evidence = change_looks(healthy(1), lambda one: structs.replace(one, nccl=GONE))
    verdict = check.judge_evidence(evidence)
    assert verdict.outcome == "skipped"
    assert "one pod" in verdict.says
    assert "is the only pod and has all 8 GPUs" in verdict.cites[0].what


@BETWEEN
def test_one_pod_has_no_other_node_also_where_no_communicator_is_logged(check: Check) -> None:
    quiet = NcclLog(lines=3, versions=("2.27.3",))
    evidence = change_looks(healthy(1), lambda one: structs.replace(one, nccl=quiet))
    assert check.judge_evidence(evidence).outcome == "skipped"


@BETWEEN
def test_one_known_pod_of_a_larger_group_is_unknown(check: Check) -> None:
    evidence = structs.replace(healthy(), pods=healthy().pods[:1])
    evidence = change_looks(evidence, lambda one: structs.replace(one, nccl=GONE))
    verdict = check.judge_evidence(evidence)
    assert (verdict.outcome, verdict.says) == ("unknown", GONE.reason)


def test_initialisation_is_not_proven_by_being_one_pod() -> None:
    evidence = change_looks(healthy(1), lambda one: structs.replace(one, nccl=GONE))
    assert ranks_initialised.judge_evidence(evidence).outcome == "unknown"
