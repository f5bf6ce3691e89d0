"""What Ray prints once more in its driver's log does not show that the worker's pod was seen."""

import pytest
from msgspec.structs import replace
from tests.checks.test_nccl import read, with_log
from tests.logs.nccl_lines import HOSTS, head, job

from distcheck.checks.check import Check
from distcheck.checks.evidence import Evidence, Missing, NcclLog
from distcheck.checks.facts.nccl_group import group_of
from distcheck.checks.nccl.gdr_between_nodes import gdr_between_nodes
from distcheck.checks.nccl.no_failure import no_failure
from distcheck.checks.nccl.peer_to_peer_on_node import peer_to_peer_on_node
from distcheck.checks.nccl.ranks_initialised import ranks_initialised
from distcheck.checks.nccl.rdma_between_nodes import rdma_between_nodes

EVERY = (
    *(ranks_initialised, rdma_between_nodes, gdr_between_nodes, no_failure),
    peer_to_peer_on_node,
)
COPY = "\x1b[36m(RayWorkerWrapper pid=200, ip=10.0.0.3)\x1b[0m "
LOCAL = "\x1b[36m(RayWorkerWrapper pid=200)\x1b[0m "


def driven(*more: str) -> NcclLog:
    """The head's log: copies of every rank's lines, none of them folded."""
    lines = [*job(), *more]
    return read([(LOCAL if x.startswith(HOSTS[0]) else COPY) + x for x in lines], HOSTS[0])


def beside(worker: NcclLog | Missing, log: NcclLog) -> Evidence:
    return with_log(lambda look: log if "head" in look.pod else worker)


@pytest.mark.parametrize("one", EVERY)
def test_copies_in_the_heads_log_are_not_the_workers_pod(one: Check) -> None:
    verdict = one.judge_evidence(beside(Missing("no agent runs on gpu-1"), driven()))
    assert verdict.outcome == "unknown"
    assert "no agent runs on gpu-1" in verdict.says


def test_a_pod_that_only_copies_tell_of_is_named() -> None:
    verdict = ranks_initialised.judge_evidence(beside(NcclLog(), driven()))
    assert verdict.outcome == "unknown"
    assert "no NCCL ranks of vllm-worker-0 but Ray's copies in the log of another pod" in (
        verdict.says
    )


def test_one_folded_copy_that_names_the_worker_is_not_its_pod() -> None:
    line = f"{head(HOSTS[1], 207, 7)} cudaDriverVersion 12080 [repeated 15x across cluster]"
    own = read([x for x in job() if x.startswith(HOSTS[0])], HOSTS[0])
    folded = read([COPY + line, COPY + line], HOSTS[0])
    assert folded.processes[0].copied
    log = replace(own, processes=(*own.processes, *folded.processes))
    verdict = no_failure.judge_evidence(beside(Missing("no agent runs on gpu-1"), log))
    assert (verdict.outcome, "no agent runs on gpu-1" in verdict.says) == ("unknown", True)


def test_a_failure_in_a_copy_is_a_failure() -> None:
    died = f"{HOSTS[1]}:200:700 [0] misc/x.cc:5 NCCL WARN Cuda failure 2 'out of memory'"
    verdict = no_failure.judge_evidence(beside(Missing("no agent runs on gpu-1"), driven(died)))
    assert (verdict.outcome, verdict.subjects) == ("fail", (HOSTS[1],))


def test_copies_beside_the_workers_own_lines_change_no_verdict_and_no_count() -> None:
    own = {h: read([x for x in job() if x.startswith(h)], f"{h}:worker.out") for h in HOSTS}
    alone = with_log(lambda look: own[look.pod.partition("/")[2]])
    copied = beside(own[HOSTS[1]], driven())
    for one in EVERY:
        verdict = one.judge_evidence(copied)
        assert verdict.outcome == "pass", verdict.says
    assert group_of(copied).second_hand == frozenset()
    counts = [sum(c.count for c in group_of(e).log.channels) for e in (alone, copied)]
    assert counts[0] == counts[1] > 0
