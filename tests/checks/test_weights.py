"""Computed weights against what vLLM reported, and against what its own classes allocate."""

import json
import os
import statistics
from typing import Any

import pytest
from tests.checks.weights_models import config, exact
from tools import weights as page

from distcheck.checks.evidence import Missing
from distcheck.checks.knowledge.layer_split import layer_split
from distcheck.checks.knowledge.weights import (
    GIB,
    Engine,
    Estimate,
    Layout,
    allocated,
    rank_weights,
    stage_weights,
)
from distcheck.checks.knowledge.weights.cut import Slice, tensors
from distcheck.checks.knowledge.weights.families import model_of
from distcheck.checks.knowledge.weights.scheme import scheme_of
from distcheck.checks.knowledge.weights.tensors import Derived, Experts

LLAMA_70B = config("llama-3.1-70b")
MEDIAN, WORST = 0.0001, 0.005

# Bytes of all parameters and buffers of one rank: vLLM 0.11.0's own classes, built on PyTorch's
# "meta" device for this TP, before the allocator and before anything is derived after loading
# (for DeepSeek-V3 without the scales of an fp8 cache, which are dropped then).
BUILT_BY_VLLM = {
    ("deepseek-v2-lite", 4): 7_927_291_636,
    ("deepseek-v3", 4): 169_162_601_356,
    ("gemma-2-9b", 4): 4_625_957_018,
    ("gemma-3-27b-it", 4): 14_030_852_098,
    ("glm-4-9b-0414", 4): 4_747_175_008,
    ("glm-4-9b-chat-hf", 4): 4_759_204_960,
    ("gpt-oss-120b", 4): 18_486_855_920,
    ("llama-3.1-405b-fp8", 4): 121_853_186_472,
    ("llama-3.2-1b", 4): 634_786_240,
    ("llama-4-scout", 4): 57_013_777_440,
    ("mixtral-8x7b", 4): 23_361_758_080,
    ("phi-3-mini-4k", 4): 1_911_626_624,
    ("phi-4", 2): 14_664_117_344,
    ("qwen2-vl-7b", 4): 4_182_185_312,
    ("qwen2.5-7b", 4): 3_816_504_080,
    ("qwen2.5-vl-7b", 4): 4_279_973_600,
    ("qwen3-30b-a3b", 4): 15_295_739_200,
    ("qwen3-32b-awq", 4): 4_842_827_520,
    ("qwen3-8b", 4): 4_106_316_784,
}


def points() -> list[Any]:
    if not page.REPORTED.exists():
        assert os.environ.get("CI") != "true", "reported weights are required in CI"
        pytest.skip("no reported weights beside this checkout")
    found: list[Any] = json.loads(page.REPORTED.read_text())["points"]
    return found


def tensor_bytes(found: dict[str, Any], layout: Layout, stage: int = 0) -> int:
    model = model_of(found)
    rows = (row for i in range(model.layers) for row in model.layer(i))
    split = layer_split(model.layers, layout.pp, "0.11.0")
    assert isinstance(split, tuple)
    start = sum(split[:stage])
    piece = Slice(
        layout=layout,
        stage=stage,
        layers=range(start, start + split[stage]),
        experts=next((row.count for row in rows if isinstance(row, Experts)), 0),
        engine=Engine(mxfp4_kernel="marlin"),
        version=(0, 11, 0),
        element_bytes=2,
        scheme=scheme_of(found, None),
    )
    return sum(size for row, (_, size) in tensors(model, piece) if not isinstance(row, Derived))


@pytest.mark.parametrize(("name", "tp"), BUILT_BY_VLLM)
def test_every_family_has_the_bytes_of_vllms_own_classes(name: str, tp: int) -> None:
    assert tensor_bytes(config(name), Layout(tp)) == BUILT_BY_VLLM[name, tp]


@pytest.mark.parametrize(
    ("name", "layout", "stage", "built"),
    [
        ("llama-3.1-8b", Layout(2, 2), 0, 4_048_814_528),
        ("llama-3.1-8b", Layout(2, 2), 1, 4_048_822_720),
        ("llama-3.2-1b", Layout(1, 2), 1, 1_515_262_176),
        ("gemma-2-9b", Layout(1, 2), 1, 10_163_408_462),
        ("glm-4-9b-0414", Layout(1, 2), 0, 9_404_285_488),
        ("qwen2.5-vl-7b", Layout(1, 2), 1, 9_099_792_856),
        ("llama-4-scout", Layout(1, 2), 1, 112_198_298_624),
        ("gpt-oss-120b", Layout(1, 2), 1, 36_570_120_824),
        ("mixtral-8x7b", Layout(2, 2), 0, 23_491_518_912),
        ("mixtral-8x7b", Layout(2, 1, 2), 0, 24_163_918_720),
    ],
)
def test_a_stage_has_the_bytes_of_vllms_own_classes(
    name: str, layout: Layout, stage: int, built: int
) -> None:
    assert tensor_bytes(config(name), layout, stage) == built


def test_every_reported_weight_is_computed_within_half_a_percent() -> None:
    every = list(page.errors(points()))
    for point, wanted, error in every:
        print(f"{point['model']}: {wanted:.4f}, {point['reported_gib']}: {error:+.4%}")  # noqa: T201
    found = [abs(error) for _, _, error in every]
    assert statistics.median(found) < MEDIAN
    assert max(found) < WORST


def test_the_page_shows_these_errors() -> None:
    assert page.PAGE.read_text() == page.page(points()), "run tools/weights.py --write"


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        (Layout(8), ["16.4605"]),
        (Layout(16), ["8.4048"]),
        (Layout(8, 2), ["8.2458", "8.2459"]),
    ],
)
def test_llama_3_1_70b(layout: Layout, expected: list[str]) -> None:
    found = stage_weights(LLAMA_70B, layout, version="0.6.3")
    assert isinstance(found, tuple)
    assert [f"{size / GIB:.4f}" for size in found] == expected


def test_kv_heads_are_held_by_several_ranks_beyond_their_number() -> None:
    cut, whole = (exact(LLAMA_70B, Layout(tp))[0].parts["attention"] for tp in (16, 8))
    assert cut > whole / 2


def test_tied_embeddings_are_held_once_and_by_both_ends_of_a_pipeline() -> None:
    tied = LLAMA_70B | {"tie_word_embeddings": True}
    table = 128256 * 8192 * 2
    one, loose = exact(tied, Layout(1)), exact(LLAMA_70B, Layout(1))
    first, last = exact(tied, Layout(1, 2))
    assert one[0].parts["embedding"] == allocated(table)
    assert loose[0].parts["head"] == allocated(table)
    assert "head" not in one[0].parts
    assert first.parts["embedding"] == last.parts["embedding"]


def test_a_vocabulary_is_padded_to_64_before_it_is_cut() -> None:
    odd = config("llama-3.2-1b", vocab_size=128257)
    assert exact(odd, Layout(4))[0].parts["embedding"] == allocated(128320 // 4 * 2048 * 2)


def test_mixtures_hold_both_ends_on_every_stage() -> None:
    stages = exact(config("mixtral-8x7b"), Layout(1, 4))
    assert {rank.parts["embedding"] + rank.parts["head"] for rank in stages} == {
        2 * 32000 * 4096 * 2
    }


def test_a_vision_tower_is_on_every_stage() -> None:
    ranks = exact(config("qwen2.5-vl-72b"), Layout(4, 2))
    first, last = ranks[0], ranks[-1]
    assert first.parts["vision"] == last.parts["vision"] > 300 << 20


def test_a_vision_tower_may_be_kept_whole_on_every_rank() -> None:
    cut = exact(config("qwen2.5-vl-7b"), Layout(4))[0].parts["vision"]
    whole = exact(config("qwen2.5-vl-7b"), Layout(4), Engine(whole_vision=True))[0].parts["vision"]
    assert whole > 3 * cut


def test_expert_parallel_keeps_attention_whole_over_data_parallel_ranks() -> None:
    deepseek = config("deepseek-v3")
    apart = exact(deepseek, Layout(1, 1, 16, expert_parallel=True))
    cut = exact(deepseek, Layout(16))
    assert len(apart) == 16
    assert apart[0].weights_bytes > 1.3 * cut[0].weights_bytes
    assert abs(apart[0].parts["experts"] / cut[0].parts["experts"] - 1) < 0.001


def test_0_7_absorbs_latent_attention_into_more_bytes() -> None:
    early, later = (
        exact(config("deepseek-v3"), Layout(8), Engine(version=version))[0].weights_bytes
        for version in ("0.7.3", "0.8.5")
    )
    assert 1.05 < early / later < 1.065


def test_data_parallel_without_whole_experts_cuts_them_by_both() -> None:
    flat = exact(config("mixtral-8x7b"), Layout(2, 1, 4))[0].parts["experts"]
    assert abs(flat / exact(config("mixtral-8x7b"), Layout(8))[0].parts["experts"] - 1) < 0.001


@pytest.mark.parametrize(
    ("version", "most"), [("0.8.5", [15]), ("0.11.0", [0, 1])], ids=["old", "new"]
)
def test_experts_that_are_left_over_go_where_each_version_puts_them(
    version: str, most: list[int]
) -> None:
    odd = config("qwen3-30b-a3b", num_experts=130)
    engine = Engine(version=version)
    ranks = exact(odd, Layout(1, 1, 16, expert_parallel=True), engine)
    fullest = max(rank.weights_bytes for rank in ranks)
    assert [r.place.rank for r in ranks if r.weights_bytes == fullest] == most


def test_the_parts_add_up() -> None:
    for rank in exact(config("deepseek-v3"), Layout(8, 2), Engine(version="0.10.0")):
        assert sum(rank.parts.values()) == rank.weights_bytes


def test_mxfp4_without_its_kernel_is_bounded_by_both() -> None:
    found = rank_weights(config("gpt-oss-120b"), Layout(1))
    assert isinstance(found, Estimate)
    assert 1.01 < found.high / found.low < 1.04
    assert "kernel" in found.reason


@pytest.mark.parametrize(
    ("layers", "pp", "version", "split"),
    [
        (80, 2, None, (40, 40)),
        (61, 2, "0.6.4.post1", (30, 31)),
        (61, 2, "0.7.3", (30, 31)),
        (61, 2, "0.8.0", (31, 30)),
        (61, 3, "0.8.5", (20, 21, 20)),
        (61, 4, "0.33.0", (15, 15, 16, 15)),
    ],
)
def test_layers_are_cut_as_each_version_cuts_them(
    layers: int, pp: int, version: str | None, split: tuple[int, ...]
) -> None:
    assert layer_split(layers, pp, version) == split


@pytest.mark.parametrize("version", [None, "0.7.4.dev1", "nightly"])
def test_an_uneven_cut_by_a_version_that_is_not_known_is_missing(version: str | None) -> None:
    assert isinstance(layer_split(61, 2, version), Missing)


@pytest.mark.parametrize(
    ("partition", "found"),
    [
        ("31,30", (31, 30)),
        ("31, 30", (31, 30)),
        ("20,21,20", "len(partitions)=3 does not match pp_size=2."),
        ("31,31", "sum(partitions)=62 does not match num_hidden_layers=61."),
        ("a,b", "Invalid partition string: a,b"),
        ("61,0", "without a layer"),
    ],
)
def test_a_partition_that_is_told_is_taken_or_refused(
    partition: str, found: tuple[int, ...] | str
) -> None:
    split = layer_split(61, 2, None, partition)
    assert split == found if isinstance(found, tuple) else found in getattr(split, "reason", "")
