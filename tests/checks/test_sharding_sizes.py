"""What a layout's ranks should hold: from all that the checkpoint says of itself."""

from typing import Any

import pytest
from tests.checks.weights_models import config

from distcheck.checks.evidence import ModelConfig
from distcheck.checks.facts.sharding_allowances import Allowances
from distcheck.checks.facts.sharding_layouts import PLAIN, Expected, expected
from distcheck.checks.facts.sharding_sizes import sized
from distcheck.checks.knowledge.weights import Checkpoint, Engine, Exact, Layout, plan, rank_weights

LLAMA = "llama-3.1-8b"


def _whole() -> int:
    found = rank_weights(config(LLAMA), Layout(1))
    assert isinstance(found, Exact)
    return found.ranks[0].weights_bytes


def _sized(types: dict[str, int]) -> Any:
    """A checkpoint with twice the bytes that its config.json implies, of these types."""
    model = ModelConfig(
        "/m/config.json",
        config(LLAMA),
        checkpoint_bytes=sum(types.values()) or 2 * _whole(),
        checkpoint_types=types,
    )
    return sized(model, Layout(8), Engine(), Allowances())


def test_the_types_of_the_tensors_tell_a_checkpoint_in_32_bit_from_another_model() -> None:
    assert isinstance(_sized({"F32": 2 * _whole()}), Expected)
    assert not isinstance(_sized({"BF16": 2 * _whole()}), Expected)


@pytest.mark.parametrize("key", ["quantization_config", "compression_config"])
@pytest.mark.parametrize("inner", [True, False])
def test_a_quantised_model_has_slack_wherever_its_config_says_so(key: str, inner: bool) -> None:
    stored = {
        "quant_method": "fp8",
        "activation_scheme": "dynamic",
        "weight_block_size": [128, 128],
    }
    shape = dict(config(LLAMA))
    shape |= {"text_config": {key: stored}} if inner else {key: stored}
    found = expected(shape, Layout(8), Engine(version="0.19.0"), None)
    assert not isinstance(found, Expected) or found.slack > PLAIN
    assert isinstance(found, Expected) or inner


def test_one_copy_is_weighed_once_for_all_layouts() -> None:
    stored = Checkpoint(_whole())
    plan._whole.cache_clear()
    for layout in (Layout(1), Layout(2), Layout(8), Layout(4, 2)):
        assert isinstance(rank_weights(dict(config(LLAMA)), layout, None, stored), Exact)
    assert plan._whole.cache_info().misses == 1


def test_another_config_is_weighed_again() -> None:
    stored = Checkpoint(_whole())
    shape = dict(config(LLAMA))
    assert isinstance(rank_weights(shape, Layout(1), None, stored), Exact)
    shape["num_hidden_layers"] = 16
    assert not isinstance(rank_weights(shape, Layout(1), None, stored), Exact)
