"""The cases that operators meet: what SHARD001 to SHARD004 say of each, and why."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.checks.sharding_groups import (
    PER_NODE,
    Running,
    Truth,
    config,
    evidence_of,
    gpus_of,
    ranks_of,
    with_look,
    with_node,
    with_processes,
)

from distcheck.checks.check import Check
from distcheck.checks.evidence import (
    Evidence,
    GpuProcess,
    ModelConfig,
    NodeLook,
    Processes,
    VllmLog,
)
from distcheck.checks.evidence.gpu import MigSlice
from distcheck.checks.evidence.serving import EngineHttp
from distcheck.checks.evidence.vllm import MemoryUse
from distcheck.checks.knowledge.weights import GIB, Layout
from distcheck.checks.sharding.balanced_memory import balanced_memory
from distcheck.checks.sharding.one_rank_a_gpu import one_rank_a_gpu
from distcheck.checks.sharding.one_world import one_world
from distcheck.checks.sharding.share_of_weights import share_of_weights
from distcheck.checks.verdict import Verdict

LLAMA, LLAMA_405B, LLAMA_8B = "llama-3.1-70b", "llama-3.1-405b-fp8", "llama-3.1-8b"
NO_LOGS = ("weights", "ranks", "config-line", "cache-line", "nccl")


def one(model: str = LLAMA, layout: Layout = Layout(16), **more: Any) -> Truth:  # noqa: B008
    """The group as asked."""
    nodes = more.pop("nodes", 2)
    gib = more.pop("gpu_gib", 80.0)
    engines = (Running(layout=layout, **more),)
    return Truth(model=model, asked=layout, engines=engines, nodes=nodes, gpu_gib=gib)


def two(model: str = LLAMA, asked: Layout = Layout(16), each: Layout = Layout(8)) -> Truth:  # noqa: B008
    """Two engines of 8 GPUs in place of one."""
    engines = (Running(layout=each), Running(layout=each, first=8))
    return Truth(model=model, asked=asked, engines=engines)


def says(check: Check, evidence: Evidence) -> Verdict:
    return check.judge_evidence(evidence)


def weights(evidence: Evidence) -> Verdict:
    return says(share_of_weights, evidence)


@pytest.mark.parametrize("truth", [one(), two()])
def test_every_gpu_is_92_percent_full_cut_or_not(truth: Truth) -> None:
    assert all(abs(r.used / truth.gpu_gib - 0.92) < 0.001 for r in ranks_of(truth))


def test_seventy_billion_over_sixteen_full_gpus_pass() -> None:
    evidence = evidence_of(one())
    for check in (share_of_weights, one_world, balanced_memory, one_rank_a_gpu):
        assert says(check, evidence).outcome == "pass", says(check, evidence).says


def test_two_copies_on_full_gpus_fail_and_are_named() -> None:
    verdict = weights(evidence_of(two()))
    assert (verdict.outcome, verdict.cause) == ("fail", "replicated")
    assert verdict.says == (
        "each of 16 GPUs holds 16.46 GiB, which is 1/8 of the model: "
        "two copies of TP=8, not one of TP=16"
    )


@pytest.mark.parametrize("truth", [one(), two()])
def test_full_gpus_without_logs_and_metrics_are_unknown_with_their_interval(truth: Truth) -> None:
    verdict = weights(evidence_of(truth, (*NO_LOGS, "http")))
    assert verdict.outcome == "unknown"
    assert "NVML lets the weights on GPU-00 be 0.00 to 73.22 GiB" in verdict.says
    assert "1/8 or 1/16 of the model" in verdict.says


def test_metrics_of_a_large_model_let_memory_tell_two_copies() -> None:
    verdict = weights(evidence_of(two(LLAMA_405B), NO_LOGS))
    assert (verdict.outcome, verdict.cause) == ("fail", "replicated")
    assert "it looks like two copies of TP=8" in verdict.says
    assert any("tokens" in c.what for c in verdict.cites)


def test_metrics_of_a_large_model_let_memory_tell_one_copy() -> None:
    verdict = weights(evidence_of(one(LLAMA_405B), NO_LOGS))
    assert verdict.outcome == "pass", verdict.says
    assert "NVML lets 16 GPUs hold" in verdict.says


@pytest.mark.parametrize(
    ("model", "layout", "gib"),
    [
        (LLAMA, Layout(8, 2), 80.0),
        (LLAMA_405B, Layout(16), 80.0),
        ("deepseek-v3", Layout(16), 141.0),
        ("deepseek-v3", Layout(8, 2), 141.0),
        ("mixtral-8x7b", Layout(8, 1, 2), 80.0),
    ],
)
def test_large_models_cut_as_asked_pass(model: str, layout: Layout, gib: float) -> None:
    verdict = weights(evidence_of(one(model, layout, gpu_gib=gib)))
    assert verdict.outcome == "pass", verdict.says


def test_attention_on_every_rank_is_no_fault_where_experts_are_spread() -> None:
    layout = Layout(1, 1, 16, expert_parallel=True)
    verdict = weights(evidence_of(one("deepseek-v3", layout, gpu_gib=141.0)))
    assert verdict.outcome == "pass", verdict.says
    assert "together 1.47 times the model, as TP=1 x DP=16 plans" in verdict.says


def test_copies_that_data_parallel_asks_for_are_reported_as_such() -> None:
    verdict = weights(evidence_of(one(layout=Layout(8, 1, 2))))
    assert verdict.outcome == "pass", verdict.says
    assert "two copies of the model, as DP=2 asks" in verdict.says


@pytest.mark.parametrize("check", [share_of_weights, one_world, one_rank_a_gpu])
def test_dense_copies_that_meet_in_one_world_are_as_asked(check: Check) -> None:
    """Before vLLM 0.14 the ranks of all copies meet, of a dense model too."""
    evidence = evidence_of(one(layout=Layout(8, 1, 2)), ("nccl",))
    for node in range(2):
        log = evidence.nodes[node].pods[0].vllm
        assert isinstance(log, VllmLog)
        places = [8 * node + (r.tp or 0) for r in log.ranks]
        meets = {"world_size": 16, "init_method": "tcp://10.0.0.0:29000"}
        ranks = (replace(r, rank=n, **meets) for r, n in zip(log.ranks, places, strict=True))
        lines = (replace(w, rank=n) for w, n in zip(log.weights, places, strict=True))
        met = replace(log, ranks=tuple(ranks), weights=tuple(lines))
        evidence = with_look(evidence, node, vllm=met)
    assert says(check, evidence).outcome == "pass", says(check, evidence).says


def test_memory_cannot_tell_a_small_model_and_its_log_can() -> None:
    truth = one(LLAMA_8B, Layout(8), nodes=1)
    alone = weights(evidence_of(truth, (*NO_LOGS, "http")))
    assert alone.outcome == "unknown"
    assert "1/1 or 1/2 or 1/4 or 1/8 of the model" in alone.says
    assert weights(evidence_of(truth)).outcome == "pass"


def test_a_whole_world_settles_what_memory_leaves_open() -> None:
    verdict = weights(evidence_of(one(LLAMA_8B), ("weights",)))
    assert verdict.outcome == "pass", verdict.says
    assert "the engine's ranks form one world of 16" in verdict.says
    assert "which settles it" in verdict.says


def test_an_uneven_pipeline_is_judged_stage_by_stage() -> None:
    truth = one(LLAMA, Layout(8, 2), partition="30,50")
    evidence = evidence_of(truth)
    assert weights(evidence).outcome == "pass", weights(evidence).says
    assert says(balanced_memory, evidence).outcome == "pass"
    processes = evidence.nodes[0].pods[0].processes
    assert isinstance(processes, Processes)
    plain = with_look(evidence, 0, processes=replace(processes, environ={}))
    assert weights(plain).outcome != "pass"


def test_eight_of_sixteen_gpus_in_use_are_no_two_copies() -> None:
    truth = Truth(model=LLAMA, asked=Layout(16), engines=(Running(layout=Layout(8)),))
    verdict = weights(evidence_of(truth))
    assert (verdict.outcome, verdict.cause) == ("fail", "wrong_degree")
    assert "nothing runs on the GPUs of vllm-1" in verdict.says
    unused = says(one_rank_a_gpu, evidence_of(truth))
    assert (unused.outcome, unused.cause) == ("fail", "gpu_unused")
    assert "8 of 16 GPUs used: no rank is on 8 of vllm-1" in unused.says


@pytest.mark.parametrize("check", [share_of_weights, one_world, balanced_memory, one_rank_a_gpu])
def test_one_node_that_was_not_seen_is_unknown_and_named(check: Check) -> None:
    verdict = says(check, evidence_of(one(), ("last-node",)))
    assert verdict.outcome == "unknown"
    assert "node-1" in verdict.says or "vllm-1" in verdict.says


def old_log(evidence: Evidence, node: int) -> VllmLog:
    """The log of another group, by processes of other numbers."""
    log = evidence.nodes[node].pods[0].vllm
    assert isinstance(log, VllmLog)
    return replace(
        log,
        ranks=tuple(replace(r, pid=(r.pid or 0) + 70) for r in log.ranks),
        weights=tuple(replace(w, pid=(w.pid or 0) + 70) for w in log.weights),
    )


@pytest.mark.parametrize("check", [share_of_weights, one_world])
def test_lines_of_processes_that_no_longer_run_prove_nothing(check: Check) -> None:
    old, now = evidence_of(one()), evidence_of(two(), ("nccl",))
    for node in range(2):
        now = with_look(now, node, vllm=old_log(old, node))
    verdict = says(check, now)
    assert verdict.outcome == "unknown"
    assert "of processes that no longer run" in verdict.says


def test_a_line_that_is_older_than_the_process_of_its_number_proves_nothing() -> None:
    evidence = evidence_of(one(), ("http", "nccl"))
    log = evidence.nodes[0].pods[0].vllm
    assert isinstance(log, VllmLog)
    for stamp, outcome in (("2025-09-11T12:00:40Z", "unknown"), ("2025-09-18T12:00:40Z", "pass")):
        stamped = tuple(replace(w, seen_at=stamp) for w in log.weights)
        ranks = tuple(replace(r, seen_at=stamp) for r in log.ranks)
        old = with_look(evidence, 0, vllm=replace(log, weights=stamped, ranks=ranks))
        assert weights(old).outcome == outcome, weights(old).says


def test_a_second_tenant_is_said_and_does_not_count_as_weights() -> None:
    evidence = evidence_of(one())
    mine = gpus_of(evidence, 0).processes
    other = GpuProcess("GPU-00", 77, 6 * GIB, "lab/notebook-0", "python3", "pod")
    shared = with_processes(evidence, 0, *mine, other)
    assert weights(shared).outcome == "pass"
    verdict = says(one_rank_a_gpu, shared)
    assert (verdict.outcome, verdict.cause) == ("warn", "gpu_shared")
    assert "lab/notebook-0" in verdict.says


def test_a_process_that_nobody_could_attribute_hides_nothing() -> None:
    evidence = evidence_of(one())
    some = gpus_of(evidence, 0).processes[:7]
    stray = GpuProcess("GPU-07", 77, 60 * GIB, None, "", "unseen")
    verdict = says(one_rank_a_gpu, with_processes(evidence, 0, *some, stray))
    assert verdict.outcome == "unknown"


def test_the_order_of_cuda_visible_devices_changes_no_verdict() -> None:
    evidence = evidence_of(one())
    mine = gpus_of(evidence, 0).processes
    turned = (replace(p, uuid=q.uuid) for p, q in zip(mine, reversed(mine), strict=True))
    evidence = with_processes(evidence, 0, *turned)
    assert weights(evidence).outcome == "pass"
    assert says(one_rank_a_gpu, evidence).outcome == "pass"


def test_two_ranks_on_one_gpu_are_a_fault() -> None:
    evidence = evidence_of(one())
    first, second, *rest = gpus_of(evidence, 0).processes
    moved = replace(second, uuid=first.uuid)
    verdict = says(one_rank_a_gpu, with_processes(evidence, 0, first, moved, *rest))
    assert (verdict.outcome, verdict.cause) == ("fail", "gpu_shared")
    assert verdict.subjects == ("GPU-00",)


def test_contexts_that_ranks_leave_on_the_first_gpu_are_no_ranks() -> None:
    evidence = evidence_of(one())
    mine = gpus_of(evidence, 0).processes
    contexts = (replace(p, uuid="GPU-00", memory_used=GIB // 2) for p in mine[1:])
    evidence = with_processes(evidence, 0, *mine, *contexts)
    for check in (share_of_weights, balanced_memory, one_rank_a_gpu):
        assert says(check, evidence).outcome == "pass", says(check, evidence).says


def test_what_contexts_do_not_explain_on_the_first_gpu_is_odd() -> None:
    """Nobody else is on it, so that the room for contexts is not its rank's."""
    evidence = evidence_of(one())
    first, *rest = gpus_of(evidence, 0).processes
    fuller = replace(first, memory_used=(first.memory_used or 0) + 6 * GIB)
    verdict = says(balanced_memory, with_processes(evidence, 0, fuller, *rest))
    assert (verdict.outcome, verdict.cause) == ("warn", "unbalanced")


@pytest.mark.parametrize(("given", "outcome"), [("GPU-01,GPU-02", "fail"), ("all", "pass")])
def test_a_rank_on_a_gpu_that_its_container_was_not_given_is_a_fault(
    given: str, outcome: str
) -> None:
    evidence = evidence_of(one())
    seen = evidence.nodes[0].pods[0].processes
    assert isinstance(seen, Processes)
    first, *rest = seen.processes
    told = replace(first, visible={"NVIDIA_VISIBLE_DEVICES": given})
    evidence = with_look(evidence, 0, processes=replace(seen, processes=(told, *rest)))
    verdict = says(one_rank_a_gpu, evidence)
    assert verdict.outcome == outcome
    assert verdict.cause == ("gpu_not_allocated" if outcome == "fail" else None)


def test_mig_slices_are_the_gpus_of_their_pod() -> None:
    truth = one(LLAMA_8B, Layout(1), nodes=1, gpu_gib=40.0)
    evidence = evidence_of(truth)
    gpus = gpus_of(evidence, 0)
    (rank,) = gpus.processes
    slices = tuple(MigSlice(f"MIG-{i}", "GPU-00", i, 0, 40 * GIB, 36 * GIB) for i in range(2))
    process = replace(rank, uuid="MIG-0", memory_used=None, untold="MIG")
    cut = replace(gpus, devices=gpus.devices[:1], slices=slices, processes=(process,))
    pod = replace(evidence.pods[0], gpus=1)
    evidence = replace(with_node(evidence, 0, gpus=cut), pods=(pod,))
    intent = replace(evidence.intent, gpus=1)
    evidence = replace(evidence, intent=intent)
    for check in (share_of_weights, one_rank_a_gpu):
        verdict = says(check, evidence)
        assert verdict.outcome == "pass", verdict.says
        assert verdict.subjects == ("MIG-0",)


def test_a_draft_model_is_allowed_for_and_said() -> None:
    extra = 0.9989
    draft = ModelConfig("/draft/config.json", config(LLAMA_8B))
    evidence = evidence_of(one(extra=extra), draft_model="/draft", draft_method="draft_model")
    told = weights(with_look(evidence, 0, draft=draft))
    assert told.outcome == "pass", told.says
    assert "allowed for: a draft model /draft/config.json" in told.says
    assert "of a size that was not seen" in weights(evidence).says


def test_a_draft_of_unknown_size_leaves_a_larger_share_open() -> None:
    told = weights(evidence_of(two(), ("ranks", "nccl"), draft_method="eagle"))
    assert told.outcome == "unknown"
    assert "fits 1/8 or 1/16" in told.says


def test_lora_buffers_are_allowed_for_and_said() -> None:
    told = weights(evidence_of(one(extra=0.3), lora=True))
    assert told.outcome == "pass", told.says
    assert "allowed for: LoRA adapters" in told.says
    assert weights(evidence_of(one(extra=0.3))).outcome == "unknown"


def test_cpu_offload_is_allowed_for_and_said() -> None:
    told = weights(evidence_of(one(offload=2.0)))
    assert told.outcome == "pass", told.says
    assert "allowed for: CPU offload of up to 2 GiB" in told.says


def test_an_offload_that_makes_a_copy_look_like_its_share_is_not_a_pass() -> None:
    engines = tuple(Running(layout=Layout(8), first=f, offload=16.4607 - 8.4051) for f in (0, 8))
    truth = Truth(model=LLAMA, asked=Layout(16), engines=engines)
    for hidden in ((), ("ranks", "nccl"), ("ranks", "nccl", "arguments")):
        assert weights(evidence_of(truth, hidden)).outcome != "pass"


@pytest.mark.parametrize("sleep", [None, "weights_offloaded"])
def test_memory_says_nothing_of_an_engine_that_may_sleep(sleep: str | None) -> None:
    evidence = evidence_of(one(LLAMA_405B), NO_LOGS, sleep_mode=True)
    http = evidence.nodes[0].pods[0].engine_http
    assert isinstance(http, EngineHttp)
    caches = tuple(replace(c, sleep=sleep) for c in http.caches)
    asleep = with_look(evidence, 0, engine_http=replace(http, caches=caches))
    assert weights(evidence).outcome == "pass"
    assert weights(asleep).outcome == "unknown"
    assert "sleep mode takes the weights off the GPUs" in weights(asleep).says


def test_a_line_and_memory_that_no_layout_explains_disagree_and_are_both_named() -> None:
    evidence = evidence_of(one(LLAMA_405B), ("ranks", "nccl"))
    heavy = evidence_of(two(LLAMA_405B))
    evidence = with_look(evidence, 0, engine_http=heavy.nodes[0].pods[0].engine_http)
    verdict = weights(evidence)
    assert (verdict.outcome, verdict.cause) == ("fail", "witnesses_disagree")
    assert "line says 28.90 GiB, which is 1/16 of the model, but NVML lets" in verdict.says
    assert {c.source.split()[0] for c in verdict.cites} >= {"NVML"}


def test_memory_that_stands_alone_is_named_and_is_no_proof() -> None:
    evidence = evidence_of(one(LLAMA_405B))
    heavy = evidence_of(two(LLAMA_405B))
    verdict = weights(with_look(evidence, 0, engine_http=heavy.nodes[0].pods[0].engine_http))
    assert (verdict.outcome, verdict.cause) == ("unknown", "witnesses_disagree")
    assert verdict.says.endswith("NVML stands alone")


def test_what_an_engine_says_of_its_memory_narrows_the_interval() -> None:
    evidence = evidence_of(one(layout=Layout(8, 1, 2)), ("ranks", "nccl"))
    use = MemoryUse("0.log:90", non_torch_gib=0.1, activation_gib=1.0, graphs_gib=0.4)
    for memory, outcome in (((), "unknown"), ((use,), "pass")):
        for node in range(2):
            log = evidence.nodes[node].pods[0].vllm
            assert isinstance(log, VllmLog)
            log = replace(log, weights=log.weights[:1], memory=memory)
            evidence = with_look(evidence, node, vllm=log)
        assert weights(evidence).outcome == outcome, weights(evidence).says


def test_a_rank_that_holds_more_than_its_place_explains_is_named() -> None:
    evidence = evidence_of(one())
    mine = [
        replace(p, memory_used=(p.memory_used or 0) - 20 * GIB)
        for p in gpus_of(evidence, 0).processes
    ]
    mine[5] = replace(mine[5], memory_used=(mine[5].memory_used or 0) + 15 * GIB)
    evidence = with_processes(evidence, 0, *mine)
    verdict = says(balanced_memory, evidence)
    assert (verdict.outcome, verdict.cause) == ("warn", "unbalanced")
    assert "GPU-05" in verdict.subjects


@pytest.mark.parametrize(("titles", "outcome"), [("Worker_TP", "pass"), ("Worker_EP", "unknown")])
def test_titles_name_the_ranks_for_which_one_line_speaks(titles: str, outcome: str) -> None:
    evidence = evidence_of(one(), ("ranks", "nccl", "http", "cache-line"))
    for node in range(2):
        log = evidence.nodes[node].pods[0].vllm
        assert isinstance(log, VllmLog)
        line = replace(log.weights[0], label=f"{titles}{8 * node}")
        new = replace(log, version="0.19.0", weights=(line,))
        evidence = with_look(evidence, node, vllm=new)
        mine = gpus_of(evidence, node).processes
        titled = (replace(p, title=f"VLLM::{titles}{8 * node + i}") for i, p in enumerate(mine))
        evidence = with_processes(evidence, node, *titled)
    assert weights(evidence).outcome == outcome, weights(evidence).says


@given(
    used=st.lists(st.none() | st.integers(-1, 1 << 62), min_size=8, max_size=8),
    gib=st.floats(-1e300, 1e300),
    tokens=st.integers(-5, 1 << 62),
    words=st.lists(st.text(max_size=30), max_size=4),
    offload=st.none() | st.floats(-1e300, 1e300),
)
@settings(max_examples=60, deadline=None)
def test_no_numbers_break_a_check(
    used: list[int | None], gib: float, tokens: int, words: list[str], offload: float | None
) -> None:
    evidence = evidence_of(one(), words=tuple(words), cpu_offload_gib=offload)
    look = evidence.nodes[0].pods[0]
    assert isinstance(look.vllm, VllmLog)
    assert isinstance(look.engine_http, EngineHttp)
    lines = tuple(replace(w, gib=gib) for w in look.vllm.weights[:3])
    caches = tuple(replace(c, num_gpu_blocks=tokens) for c in look.engine_http.caches)
    evidence = with_look(
        evidence,
        0,
        vllm=replace(look.vllm, weights=lines),
        engine_http=replace(look.engine_http, caches=caches),
    )
    mine = gpus_of(evidence, 0).processes
    held = (replace(p, memory_used=u) for p, u in zip(mine, used, strict=True))
    evidence = with_processes(evidence, 0, *held)
    assert weights(evidence).outcome != "pass" or abs(gib - 8.4) < 0.1
    for check in (one_world, balanced_memory, one_rank_a_gpu):
        assert says(check, evidence).says


def test_a_group_that_loads_is_unknown_and_no_fault() -> None:
    evidence = evidence_of(one(LLAMA_405B), (*NO_LOGS, "http"))
    for node in range(2):
        little = (replace(p, memory_used=20 * GIB) for p in gpus_of(evidence, node).processes)
        evidence = with_processes(evidence, node, *little)
    assert weights(evidence).outcome == "unknown"


def test_all_that_is_missing_is_unknown_everywhere() -> None:
    evidence = evidence_of(one())
    nodes = tuple(NodeLook.unseen(n.node, n.observed_at, "nobody looked") for n in evidence.nodes)
    for check in (share_of_weights, one_world, balanced_memory, one_rank_a_gpu):
        assert says(check, replace(evidence, nodes=nodes)).outcome == "unknown"
    assert len(evidence.pods) * PER_NODE == 16
