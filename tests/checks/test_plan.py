"""Layouts as an engineer would choose them, and what they rest on."""

import json
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.checks.weights_models import config
from tools import weights as page

from distcheck.checks.knowledge.plan import Ask, Plan, PlannedLayout
from distcheck.checks.knowledge.plan_fabric import Fabric, carries
from distcheck.checks.knowledge.plan_layouts import plan
from distcheck.checks.knowledge.plan_length import beyond_length, longest_allowed
from distcheck.checks.knowledge.plan_room import Batch, activations, longest, request_bytes
from distcheck.checks.knowledge.weights import (
    GIB,
    Checkpoint,
    Engine,
    Exact,
    KvPerToken,
    Layout,
    rank_weights,
)

NEW = Engine(version="0.33.0")
IB_400, IB_200 = Fabric(400, "ib"), Fabric(200, "ib")
ROCE_100, ETHERNET_25 = Fabric(100, "roce"), Fabric(25, "ethernet")


def planned(name: str | dict[str, Any], **asked: Any) -> Plan:
    found = config(name) if isinstance(name, str) else name
    return plan(Ask(config=found, **({"engine": NEW} | asked)), "a-model", "config.json")


def on(name: str | dict[str, Any], gpus: int, gib: int, **asked: Any) -> Plan:
    return planned(name, gpus=gpus, gpu_bytes=gib * GIB, **asked)


def best(found: Plan) -> tuple[int, int, int]:
    return found.layouts[0].tp, found.layouts[0].pp, found.layouts[0].dp


def of(found: Plan, tp: int, pp: int = 1) -> PlannedLayout:
    return next(one for one in found.layouts if (one.tp, one.pp, one.ep) == (tp, pp, 1))


@pytest.mark.parametrize(
    ("name", "fabric", "wanted"),
    [
        (name, *row)
        for name in ("llama-3.1-70b", "llama-3.1-405b-fp8", "deepseek-v3", "mixtral-8x7b")
        for row in (
            (IB_400, (16, 1, 1)),
            (Fabric(800, "ib"), (16, 1, 1)),
            (Fabric(400, "roce"), (16, 1, 1)),
            (IB_200, (8, 2, 1)),
            (ROCE_100, (8, 2, 1)),
            (ETHERNET_25, (8, 2, 1)),
            (Fabric(400, "ethernet"), (8, 2, 1)),
            (None, (8, 2, 1)),
        )
    ],
)
def test_two_nodes_are_cut_as_their_network_can_carry(
    name: str, fabric: Fabric | None, wanted: tuple[int, int, int]
) -> None:
    found = on(name, 16, 80, fabric=fabric)
    assert best(found) == wanted
    assert found.layouts[0].fits


def test_tensor_parallelism_is_never_proposed_across_25_gigabits() -> None:
    found = on("llama-3.1-70b", 16, 80, fabric=ETHERNET_25)
    assert all(one.tp <= 8 for one in found.layouts)


def test_tensor_parallelism_across_100_gigabits_comes_last_and_says_avoid() -> None:
    found = on("llama-3.1-70b", 16, 80, fabric=ROCE_100)
    across = of(found, 16)
    assert across.advice.startswith("Avoid this: 100 Gb/s RoCE is too slow")
    assert all(one.tp <= 8 for one in found.layouts if one.fits and one != across)


def test_200_gigabits_offer_tensor_parallelism_second() -> None:
    found = on("llama-3.1-405b-fp8", 16, 80, fabric=IB_200)
    assert [(one.tp, one.pp) for one in found.layouts[:2]] == [(8, 2), (16, 1)]
    assert "safer" in found.layouts[0].advice
    assert "possible" in found.layouts[1].advice


def test_one_tensor_parallel_group_spans_two_nodes_at_most() -> None:
    assert best(on("llama-3.1-405b-fp8", 64, 80, fabric=IB_400)) == (16, 4, 1)


def test_sockets_carry_no_tensor_parallelism_at_any_speed() -> None:
    assert carries(Fabric(400, "ethernet")) == "pp"


@pytest.mark.parametrize("name", ["llama-3.1-70b", "llama-3.1-405b-fp8", "mixtral-8x7b"])
def test_one_node_is_one_tensor_parallel_group(name: str) -> None:
    assert best(on(name, 8, 80)) == (8, 1, 1)


@pytest.mark.parametrize("gpus", [8, 16])
def test_a_model_that_one_gpu_holds_is_copied_not_cut(gpus: int) -> None:
    assert best(on("llama-3.1-8b", gpus, 80, fabric=IB_400)) == (1, 1, gpus)


def test_fewer_gpus_that_would_do_are_said() -> None:
    (note,) = on("llama-3.1-70b", 16, 80, fabric=ROCE_100).notes
    assert "One copy fits on 4 GPUs of one node (TP=4): 4 such servers" in note


def test_a_model_that_is_too_large_says_how_many_gpus_it_takes() -> None:
    found = on("deepseek-v3", 8, 80)
    assert found.layouts[0].fits is False
    assert "fits on 16 such GPUs" in found.notes[0]


def test_deepseek_fits_on_one_node_of_larger_gpus() -> None:
    found = on("deepseek-v3", 8, 141)
    assert best(found) == (8, 1, 1)
    assert any("MLA" in why for why in found.layouts[0].why)


def test_without_gpus_the_fewest_that_fit_come_first() -> None:
    found = planned("llama-3.1-70b", gpu_bytes=80 * GIB)
    assert [one.gpus for one in found.layouts] == [4, 8, 16, 32, 2, 1]
    assert [one.fits for one in found.layouts] == [True, True, True, True, False, False]


def test_a_length_that_nobody_asked_for_is_cut_to_what_fits() -> None:
    first = on("llama-3.1-405b-fp8", 8, 80).layouts[0]
    assert (first.tp, first.pp, first.fits, first.shortened) == (8, 1, True, True)
    assert 65_536 <= (first.max_model_len or 0) < 131_072
    assert f"--max-model-len {first.max_model_len}" in " ".join(first.flags)


def test_a_length_that_was_asked_for_is_never_cut() -> None:
    found = on("llama-3.1-405b-fp8", 8, 80, max_model_len=131_072)
    one = of(found, 8)
    assert (one.fits, one.max_model_len, one.shortened) == (None, 131_072, False)


def test_a_length_that_cannot_fit_is_refused_in_vllm_s_words() -> None:
    (one,) = planned("llama-3.1-70b", tp=2, gpu_bytes=80 * GIB, max_model_len=131_072).layouts
    assert one.fits is False
    assert (one.refused or "").startswith("To serve at least one request with the model's max seq")
    assert one.flags == ()


def test_the_model_s_own_length_that_cannot_fit_gives_way_to_one_that_may() -> None:
    (one,) = planned("llama-3.1-70b", tp=2, gpu_bytes=80 * GIB).layouts
    assert (one.fits, one.shortened, one.max_model_len) == (False, True, 18_432)
    assert one.advice == "Not for 131,072 tokens; it may fit with --max-model-len 18432."
    assert "max seq len (131072)" in (one.refused or "")
    assert "--max-model-len 18432" in " ".join(one.flags)


def test_a_length_beyond_the_model_s_is_refused_in_vllm_s_words() -> None:
    (one,) = planned("llama-3.1-70b", tp=8, gpu_bytes=80 * GIB, max_model_len=200_000).layouts
    assert (one.fits, one.memory, one.flags) == (False, (), ())
    assert (one.refused or "").startswith(
        "User-specified max_model_len (200000) is greater than the derived max_model_len"
        " (max_position_embeddings=131072 "
    )


@pytest.mark.parametrize(
    ("scaling", "most"),
    [
        (None, 32_768),
        ({"rope_type": "default"}, 32_768),
        ({"rope_type": "llama3", "factor": 8.0}, 32_768),
        ({"type": "longrope", "factor": 8.0}, 32_768),
        ({"type": "linear", "factor": 2.0}, 65_536),
        (
            {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32_768},
            131_072,
        ),
        ({"rope_type": "yarn", "factor": 4.0}, None),
        ({"rope_type": "linear", "factor": "2"}, None),
        ({"full_attention": {"rope_type": "yarn"}}, None),
        ("dynamic", None),
    ],
)
def test_the_longest_request_follows_the_rope_s_scaling(scaling: object, most: int | None) -> None:
    shape = {"max_position_embeddings": 32_768, "rope_scaling": scaling}
    assert longest_allowed(shape) == most
    assert beyond_length(shape, 1 << 29 if most is None else most) is None
    assert (beyond_length(shape, 1 << 29) is None) == (most is None)


def test_a_layout_to_avoid_names_the_one_to_use() -> None:
    (one,) = planned("llama-3.1-70b", tp=16, gpu_bytes=80 * GIB, fabric=ETHERNET_25).layouts
    assert one.avoided
    assert one.advice.endswith("never TP. Use TP=8 x PP=2 instead.")


def test_tp_across_nodes_of_an_unknown_network_is_advised_on_a_condition() -> None:
    (one,) = planned("llama-3.1-70b", tp=16, gpu_bytes=80 * GIB).layouts
    assert not one.avoided
    assert one.advice == "Fits. Deploy only if the interconnect carries RDMA of 400 Gb/s a GPU."


def test_without_gpus_or_memory_nothing_is_recommended() -> None:
    found = planned("llama-3.1-70b").layouts
    assert found[0].advice == (
        "131.4 GiB of weights; give --gpu-memory. It takes 4 GPUs of 80 GiB."
        " It takes 2 GPUs of 141 GiB."
    )
    assert all(one.flags == () for one in found)


def test_stages_inside_a_node_are_explained_by_the_heads() -> None:
    first = on("llama-3.1-70b", 12, 80, gpus_per_node=12).layouts[0]
    assert first.advice == (
        "Deploy it: PP inside the node, because TP=12 does not divide 64 heads."
    )


def test_heads_that_tp_does_not_divide_are_refused_in_vllm_s_words() -> None:
    (one,) = planned("llama-3.1-70b", tp=12).layouts
    assert (one.fits, one.ranks) == (False, ())
    assert one.refused == (
        "Total number of attention heads (64) must be divisible by tensor parallel size (12)."
    )


def test_more_stages_than_layers_are_refused() -> None:
    (one,) = planned("llama-3.1-70b", tp=1, pp=81).layouts
    assert "without an empty one" in (one.refused or "")


def test_more_ranks_than_gpus_are_refused_in_vllm_s_words() -> None:
    (one,) = on("llama-3.1-70b", 8, 80, tp=8, pp=2).layouts
    assert "Required number of devices: 16. Total number of devices: 8." in (one.refused or "")


def test_a_dense_model_has_no_experts_to_share() -> None:
    (one,) = planned("llama-3.1-70b", tp=8, expert_parallel=True).layouts
    assert "Number of experts in the model must be greater than 0" in (one.refused or "")


def test_weights_alone_that_exceed_a_gpu_do_not_fit() -> None:
    one = planned("llama-3.1-70b", tp=1, gpu_bytes=80 * GIB).layouts[0]
    assert one.fits is False
    assert one.short == "the weights alone do not fit"


def test_without_gpu_memory_nothing_is_said_to_fit() -> None:
    (one,) = planned("llama-3.1-70b", tp=16).layouts
    assert one.fits is None
    assert one.memory == ()
    assert one.ranks[15].weights_bytes == one.ranks[0].weights_bytes


def test_ranks_are_the_predictor_s_in_its_order() -> None:
    layout = Layout(4, 2)
    exact = rank_weights(config("llama-3.1-8b"), layout, NEW)
    assert isinstance(exact, Exact)
    (one,) = planned("llama-3.1-8b", tp=4, pp=2).layouts
    assert [(r.rank, r.tp_rank, r.pp_rank) for r in one.ranks] == [
        (p.rank, p.tp_rank, p.pp_rank) for p in layout.places()
    ]
    assert [r.weights_bytes for r in one.ranks] == [r.weights_bytes for r in exact.ranks]


def test_an_open_kernel_bounds_each_rank_and_claims_nothing_exact() -> None:
    (one,) = planned("gpt-oss-120b", tp=1).layouts
    (rank,) = one.ranks
    assert rank.weights_bytes is None
    assert rank.weights_bytes_low is not None
    assert rank.weights_bytes_low / GIB == pytest.approx(64.69, abs=0.01)
    assert any("an estimate" in why for why in one.why)


UNKNOWN: dict[str, Any] = {
    "architectures": ["NewForCausalLM"],
    "num_attention_heads": 64,
    "num_hidden_layers": 60,
    "torch_dtype": "bfloat16",
}


def test_a_model_that_is_not_known_is_bounded_by_its_checkpoint() -> None:
    found = on(UNKNOWN, 16, 80, checkpoint=Checkpoint(200 * GIB), fabric=IB_400)
    one = of(found, 16)
    rank = one.ranks[0]
    assert (one.fits, rank.weights_bytes, one.kv_tokens) == (None, None, None)
    assert (rank.weights_bytes_low or 0) <= 200 * GIB / 16 <= (rank.weights_bytes_high or 0)
    assert any("an estimate" in why and "not modelled" in why for why in one.why)


def test_a_model_that_is_not_known_and_too_large_does_not_fit() -> None:
    found = on(UNKNOWN, 16, 80, checkpoint=Checkpoint(4000 * GIB))
    assert {one.fits for one in found.layouts} == {False}


def test_a_model_without_any_size_is_unknown_not_zero() -> None:
    (one,) = planned(UNKNOWN, tp=8, gpu_bytes=80 * GIB).layouts
    assert one.fits is None
    assert one.ranks[0].weights_bytes_low is None
    assert one.why[0].startswith("weights unknown")


def test_a_float32_checkpoint_is_loaded_in_16_bit() -> None:
    shape = config("llama-3.1-8b", torch_dtype="float32")
    (plain,) = planned("llama-3.1-8b", tp=1).layouts
    twice = Checkpoint(2 * 8_030_261_248 * 2)
    (one,) = planned(shape, tp=1, checkpoint=twice).layouts
    assert one.exact
    assert one.ranks[0].weights_bytes == plain.ranks[0].weights_bytes


def test_online_quantisation_of_an_unknown_model_is_bounded_by_half_of_its_file() -> None:
    engine = Engine(version="0.33.0", quantisation="fp8")
    (one,) = planned(UNKNOWN, tp=8, engine=engine, checkpoint=Checkpoint(200 * GIB)).layouts
    low, high = one.ranks[0].weights_bytes_low, one.ranks[0].weights_bytes_high
    assert low is not None
    assert high is not None
    assert 11 * GIB < low <= 100 * GIB / 8
    assert high >= 200 * GIB


def test_a_checkpoint_of_another_size_makes_an_estimate_of_what_was_exact() -> None:
    (one,) = planned("llama-3.1-8b", tp=2, checkpoint=Checkpoint(30 * GIB)).layouts
    assert not one.exact
    assert any("config.json implies" in why for why in one.why)


def test_shared_memory_grows_with_nodes() -> None:
    found = on("llama-3.1-70b", 16, 80, fabric=IB_400).layouts[0]
    alone = on("llama-3.1-70b", 8, 80).layouts[0]
    assert found.shm_bytes > alone.shm_bytes == 160 << 20
    assert any(why.startswith("/dev/shm of a pod: 8 ranks x 4") for why in found.why)


def test_copied_kv_heads_are_said() -> None:
    (one,) = planned("llama-3.1-70b", tp=16).layouts
    assert "8 KV heads on 16 ranks: each is held 2 times" in one.why


def test_kv_tokens_are_those_of_the_fullest_stage() -> None:
    (one,) = planned("gemma-2-9b", tp=1, pp=4, gpu_bytes=24 * GIB).layouts
    assert one.kv_tokens is not None
    stages = [gpu.kv_likely or 0 for gpu in one.memory]
    per_token = 11 * 2 * 8 * 256 * 2
    assert one.kv_tokens.likely <= max(stages) // per_token


def test_the_bounds_of_kv_tokens_are_in_order() -> None:
    room = on("llama-3.1-70b", 8, 80).layouts[0].kv_tokens
    assert room is not None
    assert 0 < room.low < room.likely < room.high


def test_kv_tokens_hold_what_a_real_server_reported() -> None:
    """DeepSeek-R1, which has V3's shape, on 16 GPUs of 79.2 GiB: vLLM 0.8.4, as its log says."""
    (one,) = planned(
        "deepseek-v3",
        tp=16,
        gpu_bytes=int(79.2 * GIB),
        engine=Engine(version="0.8.4"),
        max_model_len=32_768,
        max_num_batched_tokens=32_768,
    ).layouts
    assert one.fits
    assert one.kv_tokens is not None
    assert one.kv_tokens.low <= 304_704 <= one.kv_tokens.high


def test_activations_hold_what_a_real_server_reported() -> None:
    """One H100 at vLLM's defaults, 14.99 GiB of weights, as Llama-3.1-8B has: 4.76 GiB."""
    found = activations(config("llama-3.1-8b"), Layout(1), Batch(1024, 8192))
    assert found is not None
    assert found / 2 < 4.76 < found * 1.5


def test_experts_are_not_shared_by_more_ranks_than_there_are() -> None:
    found = on("mixtral-8x7b", 16, 80, fabric=IB_400)
    assert all(one.ep <= 8 for one in found.layouts)


def test_flags_ask_for_the_layout_and_what_the_plan_assumes() -> None:
    one = on("llama-3.1-70b", 16, 80, fabric=ROCE_100, kv_cache_dtype="fp8").layouts[0]
    flags = " ".join(one.flags)
    assert "--tensor-parallel-size 8 --pipeline-parallel-size 2" in flags
    assert "--kv-cache-dtype fp8" in flags
    assert "--distributed-executor-backend ray" in flags


def test_every_reported_weight_is_planned_exactly() -> None:
    if not page.REPORTED.exists():
        assert os.environ.get("CI") != "true", "reported weights are required in CI"
        pytest.skip("no reported weights beside this checkout")
    shapes = page.shapes()
    points = [p for p in json.loads(page.REPORTED.read_text())["points"] if p["dp"] == 1]
    for point in points:
        online = "fp8" if "online" in (point["quantization"] or "") else None
        engine = Engine(version=point["vllm_version"], quantisation=online, mxfp4_kernel="marlin")
        (one,) = planned(
            shapes[point["model"]], tp=point["tp"], pp=point["pp"], engine=engine
        ).layouts
        near = [abs((r.weights_bytes or 0) / GIB - point["reported_gib"]) for r in one.ranks]
        assert min(near) <= 0.002 * point["reported_gib"], point["model"]


@given(
    st.integers(0, 1 << 40),
    st.integers(0, 1 << 16),
    st.integers(0, 1 << 16),
    st.integers(1, 1 << 17),
)
def test_the_longest_request_fits_and_one_token_more_does_not(
    room: int, kept: int, windowed: int, window: int
) -> None:
    each = KvPerToken(kept, windowed, window)
    batch = Batch(256, 8192)
    length = longest(each, room, batch)
    assert length == 0 or request_bytes(each, length, batch) <= room
    if kept and length > batch.tokens:
        assert request_bytes(each, length + 1, batch) > room


SIZES = st.one_of(st.integers(-1, 1 << 40), st.none(), st.booleans(), st.text(max_size=3))


@given(
    st.sampled_from(["llama-3.1-8b", "deepseek-v3", "gpt-oss-120b", "gemma-3-27b-it"]),
    st.dictionaries(st.sampled_from(sorted(config("deepseek-v3"))), SIZES, max_size=4),
    st.integers(1, 32),
)
def test_any_configuration_gives_a_plan(name: str, odd: dict[str, object], gpus: int) -> None:
    found = planned(config(name) | odd, gpus=gpus, gpus_per_node=gpus, gpu_bytes=80 * GIB)
    assert found.layouts
    for one in found.layouts:
        assert one.advice
        assert one.why
        assert (one.fits is not True) or (one.flags and one.refused is None)
