"""What vLLM would refuse is refused in its words; anything else odd is a reason, never a number."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.checks.weights_models import MODELS, config, quantised

from distcheck.checks.evidence import Missing
from distcheck.checks.knowledge.weights import (
    Engine,
    Estimate,
    Exact,
    Layout,
    Refusal,
    Unknown,
    kv_bytes_per_token,
    rank_weights,
    stage_weights,
)
from distcheck.checks.knowledge.weights.allocator import MIB, Allocator, allocated

LLAMA_70B = config("llama-3.1-70b")
BLOCKS = {"quant_method": "fp8", "weight_block_size": [128, 128]}


@pytest.mark.parametrize(
    ("found", "layout", "reason"),
    [
        (
            LLAMA_70B,
            Layout(3),
            "Total number of attention heads (64) must be divisible by tensor parallel size (3).",
        ),
        (config("phi-4"), Layout(4), "10 is not divisible by 4"),
        (config("qwen2.5-7b"), Layout(7), "4 is not divisible by 7"),
        (LLAMA_70B, Layout(1, 81), "80 layers cannot be cut into 81 stages without an empty one"),
        (LLAMA_70B, Layout(0), "a parallel size below 1"),
        (
            LLAMA_70B,
            Layout(8, expert_parallel=True),
            (
                "Number of experts in the model must be greater than 0 "
                "when expert parallelism is enabled."
            ),
        ),
        (
            config("qwen3-30b-a3b", num_experts=16),
            Layout(32),
            "Tensor parallel size 32 is greater than the number of experts 16.",
        ),
        (
            config("qwen1.5-7b", quantization_config=BLOCKS),
            Layout(4),
            (
                "Weight output_partition_size = 2752 is not divisible by "
                "weight quantization block_n = 128."
            ),
        ),
    ],
)
def test_what_vllm_refuses_is_refused_in_its_words(
    found: dict[str, Any], layout: Layout, reason: str
) -> None:
    refused = rank_weights(found, layout)
    assert isinstance(refused, Refusal)
    assert reason in refused.reason


def test_groups_of_int4_must_not_be_cut_through() -> None:
    awq = quantised("qwen1.5-7b", quant_method="awq", bits=4, group_size=128)
    refused = rank_weights(awq, Layout(8))
    assert isinstance(refused, Refusal)
    assert "The input size is not aligned with the quantized weight shape." in refused.reason


@pytest.mark.parametrize(
    ("found", "layout", "reason"),
    [
        ({}, Layout(1), "architecture None"),
        ({"architectures": ["MambaForCausalLM"]}, Layout(1), "Mamba"),
        (LLAMA_70B | {"quantization_config": {"quant_method": "aqlm"}}, Layout(8), "'aqlm'"),
        (LLAMA_70B | {"torch_dtype": "int8"}, Layout(8), "int8"),
        (LLAMA_70B | {"hidden_size": "wide"}, Layout(8), "hidden_size"),
        (LLAMA_70B | {"num_hidden_layers": 10**9}, Layout(8), "num_hidden_layers"),
        (LLAMA_70B | {"num_hidden_layers": 61}, Layout(1, 2), "of unknown version"),
    ],
)
def test_what_is_not_modelled_is_unknown_with_a_reason(
    found: dict[str, Any], layout: Layout, reason: str
) -> None:
    unknown = rank_weights(found, layout)
    assert isinstance(unknown, Unknown)
    assert reason in unknown.reason
    assert isinstance(stage_weights(found, layout), Missing)


def test_the_allocator_rounds_as_pytorch_does() -> None:
    assert [allocated(size) for size in (1, 513, 11 * MIB, 10 * MIB + 1)] == [
        512,
        1024,
        12 * MIB,
        10 * MIB + 512,
    ]


def test_a_freed_block_is_given_again_whole_where_little_would_be_left() -> None:
    memory = Allocator()
    memory.give(memory.take(10 * MIB))
    assert [memory.take(size * MIB).size for size in (5, 4)] == [5 * MIB, 5 * MIB]


@given(st.lists(st.tuples(st.integers(1, 40 * MIB), st.booleans()), max_size=40))
def test_no_block_is_smaller_than_its_tensor_or_much_larger(asked: list[tuple[int, bool]]) -> None:
    memory = Allocator()
    for size, kept in asked:
        block = memory.take(size)
        assert size <= block.size <= size + MIB + 512
        if not kept:
            memory.give(block)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
_SMALL = [config(path.stem) for path in sorted(MODELS.glob("*.json")) if path.stat().st_size < 2000]
_QUANTISED = [c for c in _SMALL if "quantization_config" in c]


@settings(deadline=None)
@given(st.sampled_from(_SMALL), st.data(), st.sampled_from([1, 2, 3, 8]))
def test_any_config_gives_bytes_or_a_reason(
    found: dict[str, Any], data: st.DataObject, tp: int
) -> None:
    key = data.draw(st.sampled_from([*found, "head_dim", "quantization_config", "rope_scaling"]))
    odd = found | {key: data.draw(_JSON)}
    engine = Engine(version="0.11.0", mxfp4_kernel="marlin")
    weights = rank_weights(odd, Layout(tp), engine)
    assert isinstance(weights, Exact | Estimate | Refusal | Unknown)
    assert kv_bytes_per_token(odd, Layout(tp)) is not None


@settings(deadline=None)
@given(st.sampled_from(_QUANTISED), st.data())
def test_any_quantisation_gives_bytes_or_a_reason(
    found: dict[str, Any], data: st.DataObject
) -> None:
    how = dict(found["quantization_config"])
    how[data.draw(st.sampled_from([*how, "group_size", "bits"]))] = data.draw(_JSON)
    odd = found | {"quantization_config": how}
    assert isinstance(rank_weights(odd, Layout(1)), Exact | Estimate | Refusal | Unknown)
