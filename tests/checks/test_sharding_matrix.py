"""No combination of model, layout, fault and hidden evidence makes a wrong group pass."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from tests.checks import sharding_circumstances as beside
from tests.checks.sharding_groups import Running, Truth, config, evidence_of, ranks_of, weigh
from tests.thoroughness import some

from distcheck.checks.evidence import Evidence
from distcheck.checks.knowledge.weights import Exact, Layout
from distcheck.checks.sharding.balanced_memory import balanced_memory
from distcheck.checks.sharding.one_rank_a_gpu import one_rank_a_gpu
from distcheck.checks.sharding.one_world import one_world
from distcheck.checks.sharding.share_of_weights import share_of_weights
from distcheck.checks.verdict import Verdict, worst

MODELS = {
    "llama-3.1-70b": 80.0,
    "llama-3.1-405b-fp8": 80.0,
    "llama-3.1-8b": 80.0,
    "qwen3-30b-a3b": 80.0,
    "mixtral-8x7b": 80.0,
    "deepseek-v3": 141.0,
}
ASKED = (
    Layout(16),
    Layout(8, 2),
    Layout(4, 4),
    Layout(8, 1, 2),
    Layout(8, 1, 2, expert_parallel=True),
    Layout(1, 1, 16, expert_parallel=True),
)
NO_LINES = ("weights", "ranks", "config-line", "cache-line", "nccl")
HIDDEN = (
    (),
    ("weights",),
    ("ranks", "nccl"),
    ("weights", "ranks"),
    ("weights", "nccl"),
    ("config-line",),
    ("config-line", "arguments"),
    ("config-line", "arguments", "ranks", "nccl"),
    ("weights", "http", "cache-line"),
    ("weights", "arguments"),
    ("arguments", "http"),
    ("nvml",),
    ("numbers",),
    ("numbers", "weights"),
    ("model",),
    ("last-node",),
    ("last-node", "weights"),
    NO_LINES,
    (*NO_LINES, "http"),
    (*NO_LINES, "arguments"),
    (*NO_LINES, "http", "arguments", "nvml"),
)


def copies(model: str, asked: Layout, **how: Any) -> tuple[Running, ...]:
    """Two engines, each on half of the GPUs."""
    half = _halved(asked)
    starts = (0, asked.world // 2)
    return tuple(Running(layout=half, first=s, **how) for s in starts) if half else ()


def half(model: str, asked: Layout) -> tuple[Running, ...]:
    return copies(model, asked)[:1]


def elsewhere(model: str, asked: Layout) -> tuple[Running, ...]:
    return copies(model, asked)[1:]


def quarters(_: str, asked: Layout) -> tuple[Running, ...]:
    return tuple(Running(layout=Layout(4), first=4 * i) for i in range(4)) * (asked.dp == 1)


def swapped(_: str, asked: Layout) -> tuple[Running, ...]:
    """As many parts, cut otherwise."""
    other = Layout(asked.tp * asked.pp) if asked.pp > 1 else Layout(asked.tp // 2, 2)
    return (Running(layout=other),) * (asked.dp == 1)


def offloaded(model: str, asked: Layout) -> tuple[Running, ...]:
    """Two copies, of which so much is offloaded that each rank prints what was asked for."""
    other = _halved(asked)
    if other is None or asked.expert_parallel:
        return ()
    return copies(model, asked, offload=_gib(model, other) - _gib(model, asked))


def fp8(model: str, asked: Layout) -> tuple[Running, ...]:
    """Two copies at half the size, near what was asked for."""
    return copies(model, asked, quantisation="fp8") if asked.dp == 1 else ()


def apart(model: str, asked: Layout) -> tuple[Running, ...]:
    """Every rank of data parallel serves all experts alone, as without --data-parallel-size."""
    counts = ("num_experts", "num_local_experts", "n_routed_experts")
    if asked.dp == 1 or not any(name in config(model) for name in counts):
        return ()
    one = Layout(asked.tp, asked.pp)
    return tuple(Running(layout=one, first=i * one.world) for i in range(asked.dp))


def none(_: str, asked: Layout) -> tuple[Running, ...]:
    return (Running(layout=asked),)


ENOUGH = (
    (),
    ("weights",),
    ("weights", "nccl"),
    ("config-line",),
    ("config-line", "arguments"),
    ("arguments", "http"),
    ("nvml",),
    ("numbers",),
)
"""Hidden without harm: other witnesses see as much."""
WHY = (
    "nobody looked",
    "no agent answered on node-1",
    "no line gives the weights of",
    "no rank line in the logs of",
    "command line was not read",
    "nothing tells the pipeline stage",
    "(if loaded as ",
    "fits 1/8 or 1/16 of the model",
    "whether its copies share experts is not known",
)
FAULTS = (none, copies, half, elsewhere, quarters, swapped, offloaded, fp8, apart)


def _halved(asked: Layout) -> Layout | None:
    """One engine on half of the GPUs."""
    tp, pp, dp, ep = asked.tp, asked.pp, asked.dp, asked.expert_parallel
    if ep:
        return Layout(tp, pp, dp // 2, ep) if dp > 2 else None
    if dp > 1:
        return Layout(tp // 2, pp, dp)
    return Layout(tp, pp // 2) if pp > 1 else Layout(tp // 2)


def _gib(model: str, layout: Layout) -> float:
    found = weigh(model, layout, None, None)
    return max(r.weights_bytes for r in found.ranks) / 2**30 if isinstance(found, Exact) else 0.0


def cases() -> Iterator[tuple[str, Truth, tuple[str, ...]]]:
    every = ((m, g, a, f) for m, g in MODELS.items() for a in ASKED for f in FAULTS)
    for model, gib, asked, fault in every:
        engines = fault(model, asked)
        truth = Truth(model=model, asked=asked, engines=engines, gpu_gib=gib)
        if ranks_of(truth):
            yield from ((fault.__name__, truth, hidden) for hidden in HIDDEN)


def judged(evidence: Evidence) -> dict[str, Verdict]:
    every = (share_of_weights, one_world, balanced_memory, one_rank_a_gpu)
    return {one.id: one.judge_evidence(evidence) for one in every}


@pytest.mark.usefixtures("once")
def test_no_wrong_group_passes_and_no_right_one_fails_or_is_unknown_without_a_reason() -> None:
    seen: Counter[tuple[str, str]] = Counter()
    for fault, truth, hidden in some(cases(), 5):
        told = judged(evidence_of(truth, hidden))
        verdict = worst([told["SHARD001"].outcome, told["SHARD002"].outcome])
        where = f"{truth.model} {truth.asked} {fault} without {hidden}: {told}"
        if fault == "none":
            assert verdict != "fail", where
            assert verdict == "pass" or hidden not in ENOUGH, where
            unknown = (v.says for v in told.values() if v.outcome == "unknown")
            assert all(any(why in text for why in WHY) for text in unknown), where
            assert told["SHARD003"].outcome in ("pass", "unknown"), where
            assert told["SHARD004"].outcome in ("pass", "unknown"), where
        else:
            assert verdict != "pass", where
            assert told["SHARD001"].outcome != "pass" or fault == "swapped", where
        seen[fault, verdict] += 1
    assert sum(seen.values()) > 700, seen
    assert seen["copies", "fail"] > seen["copies", "unknown"], seen


BESIDE: dict[str, beside.Circumstance] = {
    "draft": beside.draft,
    "unseen draft": beside.unseen_draft,
    "lora": beside.lora,
    "offload": beside.offload,
    "asleep": beside.asleep,
    "tenants": beside.tenants,
    "slices": beside.slices,
    "reordered": beside.reordered,
    "contexts": beside.contexts,
    "other pids": beside.stale(beside.OTHER, None),
    "same pids last week": beside.stale(0, beside.LAST_WEEK),
}
SOME_HIDDEN = (
    (),
    ("weights",),
    ("ranks", "nccl"),
    ("config-line", "arguments", "ranks", "nccl"),
    ("weights", "http", "cache-line"),
    ("nvml",),
    ("last-node",),
    NO_LINES,
)
MORE_WHY = (
    *WHY,
    "of a size that was not seen",
    "sleep mode takes the weights off the GPUs",
    "of processes that no longer run",
    "no line gives the weights of",
    " fits 1/",
    "adapters or a draft model look the same",
    "fits no share of the model",
    "it has not loaded them",
    "of the model (",
    " of the model; allowed for:",
)


def beside_cases() -> Iterator[tuple[str, str, Truth, tuple[str, ...]]]:
    models = ("llama-3.1-70b", "mixtral-8x7b", "deepseek-v3")
    faults = (none, copies, half, quarters, swapped, apart)
    for model, asked, fault in ((m, a, f) for m in models for a in ASKED for f in faults):
        truth = Truth(model=model, asked=asked, engines=fault(model, asked), gpu_gib=MODELS[model])
        if ranks_of(truth):
            yield from (
                (name, fault.__name__, truth, hidden) for name in BESIDE for hidden in SOME_HIDDEN
            )


@pytest.mark.usefixtures("once")
def test_nothing_that_is_beside_the_ranks_makes_a_wrong_group_pass_or_a_right_one_fail() -> None:
    seen: Counter[tuple[str, str, str]] = Counter()
    for name, fault, truth, hidden in some(beside_cases(), 5):
        told = judged(BESIDE[name](truth, hidden))
        verdict = worst([told["SHARD001"].outcome, told["SHARD002"].outcome])
        where = f"{truth.model} {truth.asked} {fault} with {name} without {hidden}: {told}"
        seen[name, fault, verdict] += 1
        if fault != "none":
            assert verdict != "pass", where
            continue
        assert verdict != "fail", where
        reasons = [v.says for v in told.values() if v.outcome == "unknown"]
        odd = [text for text in reasons if not any(why in text for why in MORE_WHY)]
        assert not odd, f"{odd} {where}"
        assert told["SHARD004"].outcome != "fail", where
    assert sum(seen.values()) > 700, seen
    for name in ("lora", "tenants", "slices", "reordered", "contexts", "offload"):
        assert seen[name, "none", "pass"] > 6, seen
