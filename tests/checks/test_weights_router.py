"""Whether a router is quantised with the rest, by model, method and version of vLLM."""

from typing import Any

import pytest
from tests.checks.weights_models import config, exact

from distcheck.checks.knowledge.weights import Engine, Layout

LAYERS, EXPERTS, HIDDEN = 48, 128, 2048
GATES = [f"model.layers.{layer}.mlp.gate" for layer in range(LAYERS)]
BLOCK = {"quant_method": "fp8", "weight_block_size": [128, 128]}
FP8 = {"quant_method": "fp8"}


def whole(version: str | None, **how: Any) -> int:
    shape = config("qwen3-30b-a3b", quantization_config=how)
    (rank,) = exact(shape, Layout(1), Engine(version=version))
    return rank.weights_bytes


@pytest.mark.parametrize("version", ["0.10.1", "0.10.2", "0.33.0", None])
def test_qwen3_s_router_is_quantised_from_0_10_1_on(version: str | None) -> None:
    saved = LAYERS * EXPERTS * HIDDEN
    less = whole("0.10.0", **BLOCK) - whole(version, **BLOCK)
    # One block scale for each 128 x 128, in an allocation of its own.
    assert saved - LAYERS * 1024 <= less <= saved


@pytest.mark.parametrize("how", [BLOCK, FP8])
def test_a_router_that_the_checkpoint_names_stays_in_16_bit(how: dict[str, Any]) -> None:
    named = {**how, "modules_to_not_convert": GATES}
    assert whole("0.33.0", **named) == whole("0.8.5", **how)


@pytest.mark.parametrize("method", ["awq", "gptq"])
def test_awq_and_gptq_leave_the_router_as_the_checkpoint_has_it(method: str) -> None:
    how = {"quant_method": method, "bits": 4, "group_size": 128}
    assert whole("0.33.0", **how) == whole("0.8.5", **how)


@pytest.mark.parametrize("name", ["mixtral-8x7b", "deepseek-v3"])
def test_routers_of_other_families_are_never_quantised(name: str) -> None:
    shape = config(name, quantization_config=BLOCK)
    old, new = (
        exact(shape, Layout(8), Engine(version=version))[0].weights_bytes
        for version in ("0.9.2", "0.33.0")
    )
    assert old == new
