"""What SHARD001 to SHARD004 tell an operator: short, by pod, and from every copy."""

import pytest
from msgspec.structs import replace
from tests.checks.sharding_groups import (
    NO_LOGS,
    Running,
    Truth,
    evidence_of,
    gpus_of,
    with_look,
    with_node,
    with_processes,
)

from distcheck.checks.evidence import Evidence, GpuProcess, Gpus, Processes
from distcheck.checks.judging import judge
from distcheck.checks.knowledge.weights import GIB, Layout
from distcheck.checks.sharding.balanced_memory import balanced_memory
from distcheck.checks.sharding.one_rank_a_gpu import one_rank_a_gpu
from distcheck.checks.sharding.one_world import one_world
from distcheck.checks.sharding.share_of_weights import share_of_weights
from distcheck.exporters.typography import wrap

LLAMA, MIXTRAL = "llama-3.1-70b", "mixtral-8x7b"
ONE = Truth(model=LLAMA, asked=Layout(16), engines=(Running(layout=Layout(16)),))
HALVES = (Running(layout=Layout(8)), Running(layout=Layout(8), first=8))
TWO = Truth(model=LLAMA, asked=Layout(16), engines=HALVES)


def long_ids(evidence: Evidence) -> Evidence:
    """The same with GPU ids as long as real ones."""
    for number, node in enumerate(evidence.nodes):
        if not isinstance(node.gpus, Gpus):
            continue
        gpus = gpus_of(evidence, number)
        devices = tuple(replace(d, uuid=real(d.uuid)) for d in gpus.devices)
        processes = tuple(replace(p, uuid=real(p.uuid)) for p in gpus.processes)
        changed = replace(gpus, devices=devices, processes=processes)
        evidence = with_node(evidence, number, gpus=changed)
    return evidence


def real(uuid: str) -> str:
    return f"GPU-5e1c29a4-0d3b-4f6e-9a1d-{int(uuid.removeprefix('GPU-'), 16):012x}"


@pytest.mark.parametrize("nodes", [2, 8, 16])
@pytest.mark.parametrize("more", [("http",), ("http", "arguments"), ("http", "nvml")])
def test_an_unknown_share_is_told_in_few_lines_whatever_the_size(
    nodes: int, more: tuple[str, ...]
) -> None:
    layout = Layout(8, nodes)
    truth = Truth(model=LLAMA, asked=layout, engines=(Running(layout=layout),), nodes=nodes)
    verdict = share_of_weights.judge_evidence(long_ids(evidence_of(truth, (*NO_LOGS, *more))))
    assert verdict.outcome == "unknown"
    assert len(wrap(verdict.says, 66)) <= 5, verdict.says
    assert verdict.says.count("GPU-") <= 1
    assert verdict.remedy
    assert len(wrap(verdict.remedy, 66)) <= 5, verdict.remedy


def test_a_node_that_nobody_saw_is_looked_for_and_not_restarted() -> None:
    verdict = share_of_weights.judge_evidence(evidence_of(ONE, ("last-node",)))
    assert verdict.outcome == "unknown"
    assert "Nobody looked at vllm-1" in (verdict.remedy or "")
    assert "restart" not in (verdict.remedy or "")


@pytest.mark.parametrize("hidden", [(), NO_LOGS])
def test_copies_are_cited_from_each_pod_and_each_is_named_in_the_remedy(
    hidden: tuple[str, ...],
) -> None:
    model = "llama-3.1-405b-fp8" if hidden else LLAMA
    verdict = share_of_weights.judge_evidence(evidence_of(replace(TWO, model=model), hidden))
    assert (verdict.outcome, verdict.cause) == ("fail", "replicated")
    first, second = (c.what for c in verdict.cites[:2])
    assert "vllm-0" in first
    assert "vllm-1" in second
    remedy = verdict.remedy or ""
    assert "vllm-0 and vllm-1 serve copies of their own" in remedy
    look = "exec vllm-1 -- ps -ef" if hidden else "logs vllm-1 | grep -m1 'tensor_parallel_size'"
    assert f"`kubectl -n llm {look}` shows the layout of one" in remedy
    assert "Start one engine with TP=16 on vllm-0 alone" in remedy


def test_two_worlds_are_cited_from_both() -> None:
    verdict = one_world.judge_evidence(evidence_of(TWO))
    assert verdict.cause == "world_split"
    assert [c.what.rpartition(" ")[2] for c in verdict.cites[:2]] == ["vllm-0", "vllm-1"]
    assert "vllm-0 and vllm-1 serve copies of their own" in (verdict.remedy or "")


def test_half_of_the_gpus_sends_to_the_log_of_the_pod_where_nothing_runs() -> None:
    evidence = evidence_of(replace(TWO, engines=HALVES[:1]), ("arguments",))
    for check in (share_of_weights, one_rank_a_gpu):
        verdict = check.judge_evidence(evidence)
        assert verdict.outcome == "fail"
        assert "See why no rank runs in vllm-1" in (verdict.remedy or "")
        assert "`kubectl -n llm logs --tail=50 vllm-1`" in (verdict.remedy or "")
        assert "with TP=16" in (verdict.remedy or "")


def test_half_of_the_gpus_is_mended_where_the_server_was_told_so() -> None:
    """Its command line is the cause (GROUP002); the log of the idle pod has nothing to tell."""
    evidence = evidence_of(replace(TWO, engines=HALVES[:1]))
    for check in (share_of_weights, one_rank_a_gpu):
        remedy = check.judge_evidence(evidence).remedy or ""
        assert remedy.startswith("The server of vllm-0 runs TP=8, TP=16 is asked for (GROUP002):")
        assert remedy.index("Start it with TP=16") < remedy.index("logs --tail=50 vllm-1")
        assert len(wrap(remedy, 66)) <= 7, remedy


def test_a_rank_that_ended_is_not_mended_by_the_layout_that_already_runs() -> None:
    evidence = evidence_of(ONE)
    gpus = gpus_of(evidence, 1)
    gone = gpus.processes[4]
    devices = (replace(d, memory_used=0) if d.uuid == gone.uuid else d for d in gpus.devices)
    left = (p for p in gpus.processes if p.pid != gone.pid)
    seen = replace(gpus, devices=tuple(devices), processes=tuple(left))
    verdict = one_rank_a_gpu.judge_evidence(with_node(evidence, 1, gpus=seen))
    assert (verdict.outcome, verdict.cause) == ("fail", "gpu_unused")
    remedy = verdict.remedy or ""
    assert remedy.startswith("The engine runs with TP=16: ranks of vllm-1 ended or never started.")
    assert "start the whole group again" in remedy
    assert "Then start the engine" not in remedy


@pytest.mark.parametrize(("layout", "small"), [(Layout(8), True), (Layout(8, dp=2), False)])
def test_a_layout_for_fewer_gpus_than_the_group_has_is_told_to_grow(
    layout: Layout, small: bool
) -> None:
    truth = Truth(model=LLAMA, asked=layout, engines=(Running(layout=Layout(8)),))
    verdict = one_rank_a_gpu.judge_evidence(evidence_of(truth))
    assert (verdict.outcome, verdict.cause) == ("fail", "gpu_unused")
    assert ("asks for TP=8, which is 8 ranks" in (verdict.remedy or "")) is small


def crowded(each_gib: float, count: int, pod: str | None = "lab/notebook-0") -> Evidence:
    evidence = evidence_of(ONE)
    mine = gpus_of(evidence, 0).processes
    others = (
        GpuProcess("GPU-00", 700 + i, int(each_gib * GIB), pod, "python3", "pod")
        for i in range(count)
    )
    return with_processes(evidence, 0, *mine, *others)


@pytest.mark.parametrize(
    ("each", "count", "outcome"), [(0.4, 2, "pass"), (0.4, 12, "warn"), (2.0, 1, "warn")]
)
def test_tenants_that_are_small_alone_are_told_where_they_are_much_together(
    each: float, count: int, outcome: str
) -> None:
    verdict = one_rank_a_gpu.judge_evidence(crowded(each, count))
    assert verdict.outcome == outcome, verdict.says
    if count > 2:
        assert verdict.says.endswith("and 11 more there: 4.80 GiB together")
        assert len(verdict.cites) == count


def test_a_tenant_is_named_with_the_command_that_tells_who_it_is() -> None:
    verdict = one_rank_a_gpu.judge_evidence(crowded(6.0, 1))
    assert "`kubectl -n lab describe pod notebook-0`" in (verdict.remedy or "")
    assert "Move it off node-0" in (verdict.remedy or "")


def test_two_ranks_on_one_gpu_send_to_the_pod_that_has_them() -> None:
    evidence = evidence_of(ONE)
    first, second, *rest = gpus_of(evidence, 0).processes
    moved = replace(second, uuid=first.uuid)
    verdict = one_rank_a_gpu.judge_evidence(with_processes(evidence, 0, first, moved, *rest))
    assert "See how many engines run in vllm-0" in (verdict.remedy or "")


def test_a_rank_on_a_gpu_of_another_names_its_pod() -> None:
    evidence = evidence_of(ONE)
    seen = evidence.nodes[0].pods[0].processes
    assert isinstance(seen, Processes)
    first, *rest = seen.processes
    told = replace(first, visible={"NVIDIA_VISIBLE_DEVICES": "GPU-01"})
    evidence = with_look(evidence, 0, processes=replace(seen, processes=(told, *rest)))
    verdict = one_rank_a_gpu.judge_evidence(evidence)
    assert "vllm-0 uses GPU-00, which the device plugin did not give it" in (verdict.remedy or "")


def test_an_odd_rank_is_looked_at_where_it_runs() -> None:
    evidence = evidence_of(ONE)
    mine = [
        replace(p, memory_used=(p.memory_used or 0) - 20 * GIB * (i != 3))
        for i, p in enumerate(gpus_of(evidence, 1).processes)
    ]
    verdict = balanced_memory.judge_evidence(with_processes(evidence, 1, *mine))
    assert verdict.outcome == "warn"
    assert "kubectl -n llm exec vllm-1 -- nvidia-smi" in (verdict.remedy or "")


def test_every_fault_of_the_group_has_a_remedy_that_names_a_pod() -> None:
    checks = (share_of_weights, one_world, balanced_memory, one_rank_a_gpu)
    for engines in (HALVES, HALVES[:1], (Running(layout=Layout(8, 2)),)):
        for finding in judge(evidence_of(replace(TWO, engines=engines)), checks).report.checks:
            assert finding.outcome != "fail" or "vllm-" in finding.remedy, finding
