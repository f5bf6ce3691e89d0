"""Bounds from a checkpoint's size always hold what vLLM allocates, in whatever type it loads."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.checks.weights_models import config, exact

from distcheck.checks.knowledge.weights import (
    Checkpoint,
    Engine,
    Estimate,
    Exact,
    Layout,
    as_loaded,
    rank_weights,
)

ONLINE = ("fp8", "fp8_per_tensor", "bitsandbytes")
MODELS = ("llama-3.1-8b", "qwen2.5-7b", "mixtral-8x7b", "qwen3-30b-a3b", "deepseek-v2-lite")


def plain_bytes(shape: dict[str, Any]) -> int:
    (rank,) = exact(shape, Layout(1))
    return rank.weights_bytes - rank.parts.get("buffers", 0)


def nameless(shape: dict[str, Any]) -> dict[str, Any]:
    return shape | {"architectures": ["NewForCausalLM"]}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("online", [None, *ONLINE])
@pytest.mark.parametrize("stored", ["float32", "float32, headers", "bfloat16"])
@pytest.mark.parametrize("cut", [(1, 1, 1), (2, 1, 1), (4, 2, 1), (1, 4, 1), (2, 1, 2)])
def test_bounds_of_a_model_as_if_unknown_hold_its_exact_weights(
    name: str, online: str | None, stored: str, cut: tuple[int, int, int]
) -> None:
    shape = config(name, torch_dtype=stored.partition(",")[0])
    engine = Engine(version="0.33.0", quantisation=online)
    size = plain_bytes(config(name)) * (1 if stored == "bfloat16" else 2)
    checkpoint = Checkpoint(size, {"F32": size} if "headers" in stored else {})
    found = rank_weights(nameless(shape), Layout(*cut), engine, checkpoint)
    truth = rank_weights(shape, Layout(*cut), engine)
    assert isinstance(found, Estimate)
    assert isinstance(truth, Exact)
    assert all(found.low <= rank.weights_bytes <= found.high for rank in truth.ranks)


@pytest.mark.parametrize("count", [8, 10, 12])
def test_experts_that_do_not_share_out_evenly_stay_in_the_bounds(count: int) -> None:
    shape = config("mixtral-8x7b", num_local_experts=count)
    layout, size = Layout(2, 1, 2, expert_parallel=True), plain_bytes(shape)
    found = rank_weights(nameless(shape), layout, None, Checkpoint(size, {"BF16": size}))
    assert isinstance(found, Estimate)
    assert all(found.low <= rank.weights_bytes <= found.high for rank in exact(shape, layout))


def test_a_known_float32_checkpoint_is_exact_in_16_bit() -> None:
    shape = config("llama-3.1-8b", torch_dtype="float32")
    size = 2 * plain_bytes(config("llama-3.1-8b"))
    for checkpoint in (Checkpoint(size), Checkpoint(size, {"F32": size})):
        assert isinstance(rank_weights(shape, Layout(2), None, checkpoint), Exact)


def test_float32_asked_for_doubles_a_16_bit_checkpoint() -> None:
    engine = Engine(dtype="float32")
    assert as_loaded(config("llama-3.1-8b"), engine, Checkpoint(100)) == (100, 200)


def test_float32_scales_of_a_quantised_checkpoint_may_stay_as_they_are() -> None:
    stored = Checkpoint(110, {"F8_E4M3": 100, "F32": 10})
    assert as_loaded(config("deepseek-v3"), Engine(), stored) == (105, 110)


@given(
    st.dictionaries(st.sampled_from(["F32", "BF16", "F8_E4M3", "U8"]), st.integers(0, 1 << 40)),
    st.sampled_from([None, "fp8", "awq", "nvfp4_per_token"]),
    st.sampled_from([None, "float16", "float32"]),
)
def test_any_checkpoint_is_bounded(sizes: dict[str, int], method: str, dtype: str) -> None:
    engine = Engine(quantisation=method, dtype=dtype)
    low, high = as_loaded({}, engine, Checkpoint(sum(sizes.values()), sizes))
    assert 0 <= low <= high <= 2 * sum(sizes.values())
