"""Computed weights against what vLLM reported in public issues."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distcheck.checks.evidence import Missing
from distcheck.checks.knowledge.layer_split import layer_split
from distcheck.checks.knowledge.weights import GIB, Layout, allocated, stage_weights

CORPUS = Path(__file__).parents[2] / "../shared/corpus/weights.json"
WORST = 0.001
"""The largest relative error that any row below may have."""


def dense(name: str, sizes: tuple[int, ...], **more: object) -> dict[str, object]:
    """`sizes`: hidden, intermediate, heads, KV heads, layers, vocabulary, positions."""
    keys = (
        *("hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads"),
        *("num_hidden_layers", "vocab_size", "max_position_embeddings"),
    )
    base = {"architectures": [f"{name}ForCausalLM"], "torch_dtype": "bfloat16"}
    return base | dict(zip(keys, sizes, strict=True)) | more


LLAMA_70B = dense("Llama", (8192, 28672, 64, 8, 80, 128256, 131072))
AWQ = {"quant_method": "awq", "bits": 4, "group_size": 128}
IN_16_BIT = [
    *(f"model.layers.{i}.self_attn.{p}_proj" for i in range(126) for p in "qkvo"),
    *(f"model.layers.{i}.mlp.{p}_proj" for i in (0, 125) for p in ("gate", "up", "down")),
]
DEEPSEEK_V3 = dense(
    "DeepseekV3",
    (7168, 18432, 128, 128, 61, 129280, 163840),
    moe_intermediate_size=2048,
    n_routed_experts=256,
    n_shared_experts=1,
    first_k_dense_replace=3,
    topk_method="noaux_tc",
    q_lora_rank=1536,
    kv_lora_rank=512,
    qk_nope_head_dim=128,
    qk_rope_head_dim=64,
    v_head_dim=128,
    quantization_config={"quant_method": "fp8", "weight_block_size": [128, 128]},
    rope_scaling={"type": "yarn", "factor": 40, "original_max_position_embeddings": 4096},
)
MODELS: Mapping[str, dict[str, object]] = {
    "sophosympatheia/Midnight-Miqu-70B-v1.0": dense(
        "Llama", (8192, 28672, 64, 8, 80, 32000, 32764)
    ),
    "mistralai/Mistral-Nemo-Instruct-2407": dense(
        "Mistral", (5120, 14336, 32, 8, 40, 131072, 1024000), head_dim=128
    ),
    "mistralai/Mistral-7B-Instruct-v0.2": dense("Mistral", (4096, 14336, 32, 8, 32, 32000, 32768)),
    "Qwen/Qwen2.5-7B-Instruct": dense("Qwen2", (3584, 18944, 28, 4, 28, 152064, 32768)),
    "deepseek-ai/DeepSeek-V3": DEEPSEEK_V3,
    "Qwen/Qwen3-32B-AWQ": dense(
        "Qwen3", (5120, 25600, 64, 8, 64, 151936, 40960), head_dim=128, quantization_config=AWQ
    ),
    "meta-llama/Meta-Llama-3.1-405B-Instruct-FP8": dense(
        "Llama",
        (16384, 53248, 128, 8, 126, 128256, 131072),
        quantization_config={"quant_method": "fbgemm_fp8", "modules_to_not_convert": IN_16_BIT},
    ),
    "Qwen/Qwen3-30B-A3B": dense(
        "Qwen3Moe",
        (2048, 6144, 32, 4, 48, 151936, 40960),
        head_dim=128,
        num_experts=128,
        moe_intermediate_size=768,
    ),
    "meta-llama/Meta-Llama-3-8B": dense("Llama", (4096, 14336, 32, 8, 32, 128256, 8192)),
}


def gib(found: tuple[int, ...] | Missing) -> list[float]:
    assert not isinstance(found, Missing), found.reason
    return [size / GIB for size in found]


def test_reported_weights_are_computed_to_a_tenth_of_a_percent() -> None:
    if not CORPUS.exists():
        assert os.environ.get("CI") != "true", "reported weights are required in CI"
        pytest.skip("no reported weights beside this checkout")
    points = json.loads(CORPUS.read_text())["points"]
    covered = [p for p in points if p["model"] in MODELS]
    assert len(covered) == len(MODELS)
    for point in covered:
        online = "fp8" if "online" in (point["quantization"] or "") else None
        layout = Layout(point["tp"], point["pp"], point["dp"])
        found = gib(stage_weights(MODELS[point["model"]], layout, quantisation=online))
        reported = point["reported_gib"]
        errors = [g / reported - 1 for g in found]
        print(f"{point['model']}: {found} against {reported}, {errors}")  # noqa: T201 - the table
        assert all(abs(e) <= WORST for e in errors), point["model"]


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        (Layout(8), ["16.4605"]),
        (Layout(16), ["8.4048"]),
        (Layout(8, 2), ["8.2458", "8.2459"]),
    ],
)
def test_llama_3_1_70b(layout: Layout, expected: list[str]) -> None:
    assert [f"{g:.4f}" for g in gib(stage_weights(LLAMA_70B, layout))] == expected


def test_kv_heads_are_held_by_several_ranks_beyond_their_number() -> None:
    whole, cut = (gib(stage_weights(LLAMA_70B, Layout(tp)))[0] for tp in (8, 16))
    assert cut > whole / 2


def test_tied_embeddings_are_held_once_and_by_both_ends_of_a_pipeline() -> None:
    tied = LLAMA_70B | {"tie_word_embeddings": True}
    table = 128256 * 8192 * 2
    one, loose = (stage_weights(c, Layout(1)) for c in (tied, LLAMA_70B))
    two = stage_weights(tied, Layout(1, 2))
    assert isinstance(one, tuple)
    assert isinstance(loose, tuple)
    assert isinstance(two, tuple)
    assert loose[0] - one[0] == allocated(table)
    assert two[1] - two[0] == allocated(8192 * 2)


def test_expert_parallel_keeps_attention_whole_over_data_parallel_ranks() -> None:
    apart = gib(stage_weights(DEEPSEEK_V3, Layout(1, 1, 16, expert_parallel=True)))[0]
    cut = gib(stage_weights(DEEPSEEK_V3, Layout(16)))[0]
    assert apart > 1.3 * cut


@pytest.mark.parametrize(
    ("layers", "pp", "version", "split"),
    [
        (80, 2, None, (40, 40)),
        (61, 2, "0.6.4.post1", (30, 31)),
        (61, 2, "0.10.2", (31, 30)),
        (61, 3, "0.8.5", (20, 21, 20)),
        (61, 4, "0.33.0", (15, 15, 16, 15)),
    ],
)
def test_layers_are_cut_as_each_version_cuts_them(
    layers: int, pp: int, version: str | None, split: tuple[int, ...]
) -> None:
    assert layer_split(layers, pp, version) == split


@pytest.mark.parametrize("version", [None, "0.7.3", "0.8.4"])
def test_an_uneven_cut_by_a_version_that_is_not_known_is_missing(version: str | None) -> None:
    assert isinstance(layer_split(61, 2, version), Missing)


@pytest.mark.parametrize(
    ("config", "layout", "reason"),
    [
        ({}, Layout(1), "architecture None"),
        ({"architectures": ["Gemma3ForConditionalGeneration"]}, Layout(1), "Gemma3"),
        (LLAMA_70B, Layout(3), "64 attention heads"),
        (LLAMA_70B, Layout(0), "below 1"),
        (LLAMA_70B, Layout(1, 81), "81 stages"),
        (LLAMA_70B | {"quantization_config": {"quant_method": "gptq"}}, Layout(8), "'gptq'"),
        (LLAMA_70B | {"torch_dtype": "float32"}, Layout(8), "float32"),
        (LLAMA_70B | {"hidden_size": "wide"}, Layout(8), "hidden_size"),
    ],
)
def test_what_is_not_modelled_is_missing_with_a_reason(
    config: dict[str, object], layout: Layout, reason: str
) -> None:
    found = stage_weights(config, layout)
    assert isinstance(found, Missing)
    assert reason in found.reason


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@given(
    st.sampled_from([LLAMA_70B, DEEPSEEK_V3, *MODELS.values()]),
    st.data(),
    st.sampled_from([1, 2, 3, 8, 16]),
)
def test_any_config_gives_bytes_or_a_reason(
    config: dict[str, object], data: st.DataObject, tp: int
) -> None:
    key = data.draw(st.sampled_from([*config, "head_dim", "quantization_config", "rope_scaling"]))
    found = stage_weights(config | {key: data.draw(_JSON)}, Layout(tp))
    assert isinstance(found, Missing | tuple)
