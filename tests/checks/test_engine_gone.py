"""Logs of ranks that are gone prove nothing of now, and nobody is declared gone unseen."""

from collections.abc import Callable

import pytest
from msgspec import structs
from tests.evidence_builder import AT, GIB, STARTED, change_looks, healthy

from distcheck.checks.catalog import catalog
from distcheck.checks.cluster.engine_runs import engine_runs
from distcheck.checks.evidence import (
    Evidence,
    GpuProcess,
    Gpus,
    Missing,
    NodeLook,
    PodLook,
    Process,
    Processes,
    VllmLog,
)
from distcheck.checks.facts.engine_gone import gone_from
from distcheck.checks.judging import judge
from distcheck.checks.report import Report

SHELL = Processes((Process(101, "bash", 1, (), STARTED),), {}, AT)
BOTH = ("vllm-head-0", "vllm-worker-0")
OF_LOGS = ("SHARD001", "SHARD002", "NCCL001", "NCCL002", "NCCL003", "NCCL005")


def change_gpus(evidence: Evidence, change: Callable[[Gpus], Gpus | Missing]) -> Evidence:
    """The same, with `change` made to what NVML says on every node."""

    def one(node: NodeLook) -> NodeLook:
        assert isinstance(node.gpus, Gpus)
        return structs.replace(node, gpus=change(node.gpus))

    return structs.replace(evidence, nodes=tuple(map(one, evidence.nodes)))


def idle(gpus: Gpus) -> Gpus:
    """Nobody on any GPU, and no memory in use."""
    devices = tuple(structs.replace(d, memory_used=0) for d in gpus.devices)
    return structs.replace(gpus, devices=devices, processes=())


def gone(left: Processes | Missing = SHELL) -> Evidence:
    """The healthy group, after its engine was killed on every node without a word."""

    def change(look: PodLook) -> PodLook:
        return structs.replace(look, processes=left, ras=Missing("nobody listens"))

    return change_gpus(change_looks(healthy(), change), idle)


def report(evidence: Evidence) -> Report:
    """What is judged of it."""
    return judge(evidence, catalog()).report


def test_logs_of_ranks_that_are_gone_pass_nothing() -> None:
    """Every line of them is right, and every check that rests on them is unknown."""
    found = {f.id: f for f in report(gone()).checks}
    assert {i: found[i].outcome for i in OF_LOGS} == dict.fromkeys(OF_LOGS, "unknown")
    assert "a rank that still runs in vllm-head-0 and vllm-worker-0" in found["NCCL001"].says


def test_one_pod_without_its_ranks_is_enough() -> None:
    """The other half runs, and the world of 16 is none."""
    half = healthy()
    node = next(n for n in gone().nodes if n.node == "gpu-1")
    evidence = structs.replace(half, nodes=(half.nodes[0], node))
    assert gone_from(evidence) == ("vllm-worker-0",)
    found = {f.id: f.outcome for f in report(evidence).checks}
    assert (found["NCCL001"], found["SHARD002"]) == ("unknown", "unknown")


def test_ranks_that_run_are_not_gone() -> None:
    """The healthy group passes."""
    assert gone_from(healthy()) == ()
    assert report(healthy()).verdict == "pass"


def unlisted(gpus: Gpus) -> Gpus:
    """NVML lists nobody, as in some virtual machines, and the memory is full."""
    return structs.replace(gpus, processes=())


def nobodys(gpus: Gpus) -> Gpus:
    """NVML lists processes that nobody could give to a pod."""
    held = (GpuProcess(d.uuid, 900 + d.index, GIB, None, "") for d in gpus.devices)
    return structs.replace(idle(gpus), processes=tuple(held))


def blind(gpus: Gpus) -> Gpus:
    """NVML sees no GPU at all."""
    return structs.replace(gpus, devices=(), processes=())


@pytest.mark.parametrize(
    ("left", "gpus"),
    [
        (Missing("no agent answered"), idle),
        (structs.replace(SHELL, dropped=3), idle),
        (Processes((Process(7, "", 1),), {}, AT), idle),
        (Processes((Process(7, "VLLM::Worker", 1),), {}, AT), idle),
        (Processes((Process(7, "sglang::scheduler_TP0", 1),), {}, AT), idle),
        (SHELL, unlisted),
        (SHELL, nobodys),
        (SHELL, blind),
        (
            Processes((Process(7, "python3", 1, ("python3", "serve.py")),), {}, AT),
            lambda _: Missing("no NVML"),
        ),
        (Processes((), {}, AT), lambda _: Missing("no NVML")),
    ],
    ids=[
        *("no process view", "processes left out", "a stuck process", "a rank that starts"),
        *("another engine's rank", "NVML lists nobody", "NVML knows no owner", "no GPU in NVML"),
        *("an engine of any name without NVML", "an empty view without NVML"),
    ],
)
def test_nobody_is_declared_gone_unseen(
    left: Processes | Missing, gpus: Callable[[Gpus], Gpus | Missing]
) -> None:
    """A view that may leave a rank out ends no engine."""
    evidence = change_gpus(
        change_looks(healthy(), lambda look: structs.replace(look, processes=left)), gpus
    )
    assert gone_from(evidence) == ()


def test_without_nvml_a_pod_of_shells_alone_is_deserted() -> None:
    """Nothing that runs there can be a rank, by whatever name."""
    assert gone_from(change_gpus(gone(), lambda _: Missing("no NVML"))) == BOTH


def test_pods_of_which_no_log_tells_have_lost_nobody() -> None:
    """A group that has not started has no ranks to lose."""
    bare = change_looks(
        gone(),
        lambda look: structs.replace(look, vllm=VllmLog(), nccl=Missing("no NCCL lines")),
    )
    assert gone_from(bare) == ()


def said_at(at: str | None) -> Evidence:
    """The engine is gone, and the head's line of its start is of this time."""

    def change(look: PodLook) -> PodLook:
        assert isinstance(look.vllm, VllmLog)
        return structs.replace(look, vllm=structs.replace(look.vllm, started_at=at))

    return change_looks(gone(), change)


def test_an_engine_that_started_in_this_container_and_is_nowhere_has_ended() -> None:
    """Nobody wrote why; the end is proven all the same."""
    verdict = engine_runs.judge_evidence(said_at("2026-01-15T09:25:00Z"))
    assert (verdict.outcome, verdict.cause) == ("fail", "engine_vanished")
    assert verdict.subjects == ("vllm-head-0",)
    assert "oom-kill" in (verdict.remedy or "")


@pytest.mark.parametrize("at", [None, "2026-01-15T08:00:00Z"])
def test_a_start_of_an_earlier_container_proves_no_end(at: str | None) -> None:
    """This container's engine may not have come that far."""
    assert engine_runs.judge_evidence(said_at(at)).outcome == "unknown"


def test_the_model_is_not_looked_for_where_nothing_runs() -> None:
    """The reason is that the engine is gone, not that a command line lacks a name."""
    evidence = change_looks(
        gone(),
        lambda look: structs.replace(look, model=Missing("no command line names a model")),
    )
    says = next(f.says for f in report(evidence).checks if f.id == "SHARD001")
    assert "no engine runs in vllm-head-0 and vllm-worker-0 that names its model" in says
    assert "--model" not in says, "no rank is left whose weights it could judge"
    assert "command line" not in says
