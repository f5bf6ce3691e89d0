"""How each way of quantising stores one matrix: computed by hand."""

from typing import Any

import pytest
from tests.checks.weights_models import config, exact, quantised

from distcheck.checks.knowledge.weights import (
    Checkpoint,
    Estimate,
    Layout,
    Unknown,
    from_headers,
    from_index,
    kv_bytes_per_token,
    rank_weights,
)
from distcheck.checks.knowledge.weights.scheme import Scheme, scheme_of
from distcheck.checks.knowledge.weights.storage import stored
from distcheck.checks.knowledge.weights.tensors import Shard

ROWS, COLUMNS = 256, 1024
SHARD = Shard((ROWS,), COLUMNS, COLUMNS)
WEIGHTS = ROWS * COLUMNS


def compressed(**weights: object) -> dict[str, object]:
    group = {"targets": ["Linear"], "weights": weights, "input_activations": None}
    return {"quant_method": "compressed-tensors", "config_groups": {"group_0": group}}


@pytest.mark.parametrize(
    ("how", "sizes"),
    [
        ({"quant_method": "fp8"}, [WEIGHTS, 4]),
        ({"quant_method": "fp8", "activation_scheme": "static"}, [WEIGHTS, 4, 4]),
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, [WEIGHTS, 4 * 2 * 8]),
        ({"quant_method": "fbgemm_fp8"}, [WEIGHTS, 4 * ROWS, 4]),
        (compressed(type="float", num_bits=8, strategy="channel"), [WEIGHTS, 4 * ROWS]),
        (compressed(type="int", num_bits=8, strategy="channel"), [WEIGHTS, 4 * ROWS]),
        (
            compressed(type="int", num_bits=4, strategy="group", group_size=128, symmetric=True),
            [WEIGHTS // 2, ROWS * 8 * 2],
        ),
        (
            {"quant_method": "awq", "bits": 4, "group_size": 128},
            [WEIGHTS // 2, ROWS * 8 * 2, ROWS * 8 // 2],
        ),
        (
            {"quant_method": "gptq", "bits": 4, "group_size": 128, "sym": True},
            [WEIGHTS // 2, ROWS * 8 * 2],
        ),
        (
            {"quant_method": "gptq", "bits": 4, "group_size": -1, "sym": True, "desc_act": True},
            [WEIGHTS // 2, ROWS * 2, 4 * COLUMNS, 4 * COLUMNS],
        ),
        (
            {"quant_method": "modelopt", "quantization": {"quant_algo": "NVFP4"}},
            [WEIGHTS // 2, ROWS * COLUMNS // 16, 4, 4, 4],
        ),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, [WEIGHTS // 2, WEIGHTS // 64 * 4]),
        ({"quant_method": "bitsandbytes", "load_in_8bit": True}, [WEIGHTS, 4 * ROWS]),
        ({"quant_method": "mxfp4"}, [WEIGHTS // 2, WEIGHTS // 32]),
    ],
)
def test_one_matrix_is_stored_so(how: dict[str, Any], sizes: list[int]) -> None:
    scheme = scheme_of({"quantization_config": how}, None)
    assert [size for _, size in stored(scheme, SHARD, 2)] == sizes


def test_sixteen_bits_have_no_scales() -> None:
    assert list(stored(Scheme(), SHARD, 2)) == [(False, WEIGHTS * 2)]


@pytest.mark.parametrize(
    ("pattern", "layer", "kept"),
    [
        ("re:.*self_attn.*", "model.layers.0.self_attn.o_proj", True),
        ("re:.*self_attn.*", "model.layers.0.mlp.down_proj", False),
        ("model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.qkv_proj", True),
        ("model.layers.0.self_attn.q_proj", "model.layers.10.self_attn.qkv_proj", False),
    ],
)
def test_layers_that_stay_in_16_bit(pattern: str, layer: str, kept: bool) -> None:
    how = compressed(type="float", num_bits=8, strategy="channel") | {"ignore": [pattern]}
    assert scheme_of({"quantization_config": how}, None).keeps(layer) is kept


@pytest.mark.parametrize(
    "how",
    [
        {"quant_method": "aqlm"},
        {"quant_method": ["awq"]},
        {"quant_method": "gptq", "bits": 4, "lm_head": True},
        {"quant_method": "awq", "bits": 4, "group_size": 0.5},
        compressed(type="float", num_bits=8, strategy="channel") | {"ignore": ["re:(a|b)+c"]},
    ],
)
def test_a_way_that_is_not_known_is_not_guessed(how: dict[str, Any]) -> None:
    found = rank_weights(quantised("llama-3.1-8b", **how), Layout(2))
    assert isinstance(found, Unknown)
    assert found.reason


def test_a_quantised_model_with_a_tower_is_exact_only_if_the_tower_is_named() -> None:
    awq = {"quant_method": "awq", "bits": 4, "group_size": 128}
    assert isinstance(rank_weights(quantised("qwen2.5-vl-7b", **awq), Layout(1)), Unknown)
    named = quantised("qwen2.5-vl-7b", **awq, modules_to_not_convert=["visual"])
    assert exact(named, Layout(1))[0].parts["vision"] > 1 << 30


def test_an_unknown_model_is_bounded_by_its_checkpoint() -> None:
    strange = config("llama-3.1-8b", architectures=["NewForCausalLM"])
    found = rank_weights(strange, Layout(4), None, Checkpoint(16 << 30))
    assert isinstance(found, Estimate)
    assert found.low < 4 << 30 < found.high
    assert "an estimate from the checkpoint's size" in found.reason
    assert "NewForCausalLM" in found.reason


def test_a_checkpoint_of_another_size_than_its_config_is_never_exact() -> None:
    shape = config("llama-3.1-8b")
    assert exact(shape, Layout(2))
    found = rank_weights(shape, Layout(2), None, Checkpoint(32 << 30))
    assert isinstance(found, Estimate)
    assert "config.json implies" in found.reason


@pytest.mark.parametrize(
    ("name", "total"),
    [
        ("llama-3.1-8b", 16_060_522_496),
        ("llama-3.1-70b", 141_107_412_992),
        ("qwen2.5-7b", 15_231_233_024),
        ("deepseek-v3", 688_586_727_753),
    ],
)
def test_public_checkpoints_have_the_size_that_their_config_implies(name: str, total: int) -> None:
    checkpoint = from_index({"metadata": {"total_size": total}})
    assert not isinstance(rank_weights(config(name), Layout(2), None, checkpoint), Estimate)


def test_a_checkpoint_is_read_from_its_headers() -> None:
    header = {
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "BF16", "shape": [4, 2], "data_offsets": [0, 16]},
        "b": {"dtype": "F8_E4M3", "shape": [8], "data_offsets": [16, 24]},
    }
    assert from_headers([header, header]) == Checkpoint(48, {"BF16": 32, "F8_E4M3": 16})
    assert from_headers([{"a": {"dtype": "BF16", "data_offsets": [9, 1]}}]) is None
    assert from_index({"metadata": {"total_size": True}}) is None


@pytest.mark.parametrize(
    ("name", "layout", "dtype", "bytes_"),
    [
        ("llama-3.1-70b", Layout(8), "auto", 80 * 2 * 1 * 128 * 2),
        ("llama-3.1-70b", Layout(16), "auto", 80 * 2 * 1 * 128 * 2),
        ("llama-3.1-70b", Layout(4, 2), "fp8", 40 * 2 * 2 * 128),
        ("deepseek-v3", Layout(16), "auto", 61 * (512 + 64) * 2),
        ("deepseek-v3", Layout(16), "fp8_ds_mla", 61 * 656),
    ],
)
def test_kv_cache_of_a_token(name: str, layout: Layout, dtype: str, bytes_: int) -> None:
    found = kv_bytes_per_token(config(name), layout, kv_cache_dtype=dtype)
    assert getattr(found, "total", None) == bytes_


def test_half_of_gpt_oss_keeps_a_window_only() -> None:
    found = kv_bytes_per_token(config("gpt-oss-120b"), Layout(1))
    assert getattr(found, "kept", None) == getattr(found, "windowed", None) == 18 * 2 * 8 * 64 * 2
    assert getattr(found, "window", None) == 128
