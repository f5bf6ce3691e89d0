"""Evidence of groups, right and wrong, with parts taken out, exchanged or added at random."""

import random
from collections.abc import Callable

import pytest
from msgspec.structs import replace
from tests.checks.sharding_circumstances import logs_of, right
from tests.checks.sharding_groups import (
    GONE,
    Running,
    Truth,
    evidence_of,
    ranks_of,
    with_look,
    with_node,
)
from tests.thoroughness import THOROUGH

from distcheck.checks.evidence import Evidence, Gpus, Missing, NcclLog, NodeLook, VllmLog
from distcheck.checks.knowledge.weights import Layout
from distcheck.checks.sharding.one_rank_a_gpu import one_rank_a_gpu
from distcheck.checks.sharding.one_world import one_world
from distcheck.checks.sharding.share_of_weights import share_of_weights
from distcheck.checks.verdict import worst

Change = Callable[[random.Random, Truth, Evidence, int], Evidence]
LLAMA, MIXTRAL = "llama-3.1-70b", "mixtral-8x7b"
EIGHTS = (Running(layout=Layout(8)), Running(layout=Layout(8), first=8))
RIGHT = tuple(
    Truth(model=m, asked=a, engines=(Running(layout=a),))
    for m in (LLAMA, MIXTRAL)
    for a in (Layout(16), Layout(8, 2), Layout(8, 1, 2))
)
WRONG = (
    Truth(model=LLAMA, asked=Layout(16), engines=EIGHTS),
    Truth(model=LLAMA, asked=Layout(16), engines=EIGHTS[:1]),
    Truth(model=MIXTRAL, asked=Layout(8, 2), engines=EIGHTS),
    Truth(model=MIXTRAL, asked=Layout(8, 1, 2), engines=EIGHTS),
    Truth(
        model=LLAMA,
        asked=Layout(16),
        engines=tuple(Running(layout=Layout(4), first=4 * i) for i in range(4)),
    ),
)
HIDDEN = ((), ("weights",), ("ranks", "nccl"), ("arguments",), ("numbers",), ("http", "nvml"))


def some_lines(rng: random.Random, _: Truth, evidence: Evidence, node: int) -> Evidence:
    log = evidence.nodes[node].pods[0].vllm
    if not isinstance(log, VllmLog):
        return evidence
    ranks = tuple(r for r in log.ranks if rng.random() < 0.7)
    weights = tuple(w for w in log.weights if rng.random() < 0.7)
    return with_look(evidence, node, vllm=replace(log, ranks=ranks, weights=weights))


def no_look(_: random.Random, __: Truth, evidence: Evidence, node: int) -> Evidence:
    gone = NodeLook.unseen(evidence.nodes[node].node, evidence.observed_at, "no agent answered")
    return replace(
        evidence, nodes=tuple(gone if i == node else n for i, n in enumerate(evidence.nodes))
    )


def no_nvml(_: random.Random, __: Truth, evidence: Evidence, node: int) -> Evidence:
    return with_node(evidence, node, gpus=Missing("no NVML"))


def no_numbers(_: random.Random, __: Truth, evidence: Evidence, node: int) -> Evidence:
    return with_look(evidence, node, processes=GONE, arguments=GONE)


def swapped_logs(_: random.Random, __: Truth, evidence: Evidence, node: int) -> Evidence:
    """As a mapping of log folders to the wrong pod would make it."""
    first, second = (n.pods[0].vllm for n in evidence.nodes)
    return with_look(with_look(evidence, 0, vllm=second), 1, vllm=first)


def added_logs(_: random.Random, truth: Truth, evidence: Evidence, node: int) -> Evidence:
    """Lines of a right start before, by processes of other numbers."""
    log = evidence.nodes[node].pods[0].vllm
    old = logs_of(evidence_of(right(truth)).nodes[node].pods[0], 40, None).get("vllm")
    if not isinstance(log, VllmLog) or not isinstance(old, VllmLog):
        return evidence
    weights, ranks = (*log.weights, *old.weights), (*log.ranks, *old.ranks)
    return with_look(evidence, node, vllm=replace(log, weights=weights, ranks=ranks))


def other_numbers(_: random.Random, __: Truth, evidence: Evidence, node: int) -> Evidence:
    return with_look(evidence, node, **logs_of(evidence.nodes[node].pods[0], 70, None))


def half_of_nccl(rng: random.Random, _: Truth, evidence: Evidence, node: int) -> Evidence:
    log = evidence.nodes[node].pods[0].nccl
    if not isinstance(log, NcclLog):
        return evidence
    comms = tuple(c for c in log.communicators if rng.random() < 0.5)
    return with_look(evidence, node, nccl=replace(log, communicators=comms))


def fewer_on_gpus(rng: random.Random, _: Truth, evidence: Evidence, node: int) -> Evidence:
    gpus = evidence.nodes[node].gpus
    if not isinstance(gpus, Gpus):
        return evidence
    untold = rng.random() < 0.5
    kept = (replace(p, memory_used=None) if untold else p for p in gpus.processes)
    processes = tuple(p for p in kept if untold or rng.random() < 0.7)
    return with_node(evidence, node, gpus=replace(gpus, processes=processes))


def one_line_a_node(_: random.Random, __: Truth, evidence: Evidence, node: int) -> Evidence:
    log = evidence.nodes[node].pods[0].vllm
    if not isinstance(log, VllmLog):
        return evidence
    new = replace(log, version="0.19.0", weights=log.weights[:1])
    return with_look(evidence, node, vllm=new)


CHANGES: tuple[Change, ...] = (
    some_lines,
    no_nvml,
    no_numbers,
    swapped_logs,
    added_logs,
    other_numbers,
    half_of_nccl,
    fewer_on_gpus,
    one_line_a_node,
    no_look,
)


def mutant(rng: random.Random, truth: Truth) -> Evidence:
    evidence = evidence_of(truth, rng.choice(HIDDEN))
    for change in rng.sample(CHANGES, rng.randint(1, 3)):
        node = rng.randrange(truth.nodes)
        if all(n.pods for n in evidence.nodes):
            evidence = change(rng, truth, evidence, node)
    return evidence


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.usefixtures("once")
def test_no_mutant_of_a_wrong_group_passes_and_none_of_a_right_one_fails(seed: int) -> None:
    rng = random.Random(seed)
    for truth in (*RIGHT, *WRONG) * (12 if THOROUGH else 3):
        assert ranks_of(truth)
        evidence = mutant(rng, truth)
        told = [c.judge_evidence(evidence) for c in (share_of_weights, one_world, one_rank_a_gpu)]
        verdict = worst([v.outcome for v in told[:2]])
        if truth in WRONG:
            assert verdict != "pass", (truth, told)
        else:
            assert verdict != "fail", (truth, told)
        assert all(v.says for v in told)
