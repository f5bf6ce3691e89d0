"""A model's own files, in a container that is not trusted: its shape and size, nothing else."""

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.probes.node_folder import Node

from distcheck.agent.checkpoint import CheckpointError, tensor_bytes
from distcheck.agent.model_keys import shown
from distcheck.agent.probes import model
from distcheck.agent.probes.container_files import Container
from distcheck.agent.probes.probe import ProbeError
from distcheck.agent.redact import HIDDEN
from distcheck.checks.evidence import ModelConfig
from distcheck.checks.knowledge.weights import Layout, rank_weights
from distcheck.checks.knowledge.weights.kv_cache import kv_bytes_per_token

HUB = "/root/.cache/huggingface/hub/models--org--m"


@pytest.fixture
def node(tmp_path: Path) -> Node:
    node = Node(tmp_path).start()
    node.process(7, ["vllm"])
    node.inside("/models/m/config.json", '{"model_type": "llama"}')
    return node


def seen(node: Node, name: str = "/models/m", folder: str | None = None) -> ModelConfig:
    files = Container(node.settings.host_proc, 7)
    return model.look(files, name, model.caches_of(None, None), folder)


def safetensors(path: Path, sizes: list[int], *, size: int | None = None) -> Path:
    """A file of tensors of these sizes; only as large as it says, and sparse."""
    tensors: dict[str, object] = {"__metadata__": {"format": "pt"}}
    at = 0
    for number, length in enumerate(sizes):
        tensors[f"t{number}"] = {
            "dtype": "U8",
            "shape": [length],
            "data_offsets": [at, at + length],
        }
        at += length
    header = json.dumps(tensors).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + at if size is None else size)
    return path


def folder(node: Node) -> Path:
    return node.root / "container" / "models" / "m"


def test_without_an_index_the_headers_give_the_size(node: Node) -> None:
    safetensors(folder(node) / "model-00001-of-00002.safetensors", [3 << 30, 5])
    safetensors(folder(node) / "model-00002-of-00002.safetensors", [7])
    found = seen(node)
    assert found.checkpoint_bytes == (3 << 30) + 12
    assert found.checkpoint_types == {"U8": (3 << 30) + 12}
    assert found.checkpoint_from == "headers of 2 files in /models/m"


def test_an_index_without_a_size_names_the_files_whose_headers_give_it(node: Node) -> None:
    safetensors(folder(node) / "model-a.safetensors", [10])
    safetensors(folder(node) / "model-b.safetensors", [20])
    index = {"weight_map": {"x": "model-a.safetensors", "y": "model-a.safetensors"}}
    node.inside("/models/m/model.safetensors.index.json", json.dumps(index))
    assert seen(node).checkpoint_bytes == 10


def test_the_same_weights_in_two_forms_are_counted_once(node: Node) -> None:
    safetensors(folder(node) / "model.safetensors", [10])
    safetensors(folder(node) / "consolidated.safetensors", [10])
    assert seen(node).checkpoint_bytes == 10


def test_the_size_of_an_index_is_cited(node: Node) -> None:
    node.inside("/models/m/model.safetensors.index.json", '{"metadata": {"total_size": 7}}')
    found = seen(node)
    assert found.checkpoint_bytes == 7
    assert found.checkpoint_from == "/models/m/model.safetensors.index.json"


@pytest.mark.parametrize("size", ["true", "-1", "NaN", "1e30", '"7"', str(1 << 64)])
def test_an_absurd_size_of_an_index_is_not_taken_over(node: Node, size: str) -> None:
    node.inside(
        "/models/m/model.safetensors.index.json", f'{{"metadata": {{"total_size": {size}}}}}'
    )
    found = seen(node)
    assert found.checkpoint_bytes is None
    assert found.checkpoint_from == "/models/m has no safetensors files"


def test_an_index_that_cannot_be_read_is_the_reason_and_no_guess_is_made(node: Node) -> None:
    safetensors(folder(node) / "model.safetensors", [10])
    node.inside("/models/m/model.safetensors.index.json", "{")
    found = seen(node)
    assert found.checkpoint_bytes is None
    assert "index.json is not JSON" in found.checkpoint_from


def test_a_file_that_is_cut_short_gives_no_size(node: Node) -> None:
    safetensors(folder(node) / "model.safetensors", [1000], size=500)
    found = seen(node)
    assert found.checkpoint_bytes is None
    assert "has 500 bytes, and its header says" in found.checkpoint_from


def test_headers_without_end_are_not_all_read(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "_MAX_HEADERS", 150)
    for number in range(3):
        safetensors(folder(node) / f"model-{number}.safetensors", [1])
    assert "have more than 150 bytes" in seen(node).checkpoint_from


def test_a_pointer_in_place_of_a_file_gives_no_size(node: Node) -> None:
    node.inside("/models/m/model.safetensors", "version https://git-lfs.github.com/spec/v1\n")
    assert "no safetensors file" in seen(node).checkpoint_from


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _outside(path: Path) -> None:
    secret = safetensors(path.parents[3] / "secret.safetensors", [10])
    path.symlink_to(secret)


def _endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [_fifo, _outside, _endless])
def test_a_file_that_is_none_of_the_containers_gives_no_size(
    node: Node, make: Callable[[Path], None]
) -> None:
    make(folder(node) / "model.safetensors")
    found = seen(node)
    assert found.checkpoint_bytes is None
    assert found.checkpoint_from


def test_an_index_does_not_lead_out_of_its_folder(node: Node) -> None:
    safetensors(node.root / "container" / "x.safetensors", [10])
    index = {"weight_map": {"x": "../../x.safetensors"}}
    node.inside("/models/m/model.safetensors.index.json", json.dumps(index))
    assert seen(node).checkpoint_bytes is None


@settings(deadline=None)
@given(
    st.binary(max_size=200) | st.binary(max_size=200).map(lambda b: struct.pack("<Q", len(b)) + b)
)
def test_any_header_is_survived(data: bytes) -> None:
    handle = os.memfd_create("header")
    try:
        os.write(handle, data)
        with pytest.raises(CheckpointError, match="x "):
            tensor_bytes(handle, len(data) + 1, "x")
    finally:
        os.close(handle)


@pytest.mark.parametrize("offsets", ["[0]", "[0, 1, 2]", '["0", 1]', "[-1, 0]", "[true, 1]", "{}"])
def test_a_tensor_without_a_place_is_none(tmp_path: Path, offsets: str) -> None:
    header = f'{{"t": {{"dtype": "U8", "data_offsets": {offsets}}}}}'.encode()
    path = tmp_path / "x"
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    handle = os.open(path, os.O_RDONLY)
    try:
        with pytest.raises(CheckpointError, match="without a type or a place"):
            tensor_bytes(handle, path.stat().st_size, "x")
    finally:
        os.close(handle)


def test_of_several_revisions_the_branch_main_is_the_one(node: Node) -> None:
    for revision in ("aaa", "bbb"):
        node.inside(f"{HUB}/snapshots/{revision}/config.json", f'{{"model_type": "{revision}"}}')
    with pytest.raises(ProbeError, match="2 revisions: which one"):
        seen(node, "org/m")
    node.inside(f"{HUB}/refs/main", "aaa\n")
    assert seen(node, "org/m").config == {"model_type": "aaa"}


def test_the_files_of_a_cache_are_links_to_its_blobs(node: Node) -> None:
    node.inside(f"{HUB}/blobs/1", '{"model_type": "linked"}')
    there = node.root / f"container{HUB}/snapshots/aaa"
    there.mkdir(parents=True)
    (there / "config.json").symlink_to("../../blobs/1")
    assert seen(node, "org/m").config == {"model_type": "linked"}


def test_a_folder_of_that_name_comes_before_a_cache(node: Node) -> None:
    node.inside(f"{HUB}/snapshots/aaa/config.json", '{"model_type": "cached"}')
    node.inside("/app/org/m/config.json", '{"model_type": "local"}')
    assert seen(node, "org/m", "/app").config == {"model_type": "local"}
    assert seen(node, "org/m", "/other").config == {"model_type": "cached"}


def test_the_named_caches_come_before_roots_own() -> None:
    assert model.caches_of("/hf", "/hub")[:2] == ["/hub", "/hf/hub"]


def test_a_model_in_no_cache_says_so(node: Node) -> None:
    with pytest.raises(ProbeError, match="org/none is in no model cache"):
        seen(node, "org/none")


def test_modelopts_own_file_is_read_beside_the_config(node: Node) -> None:
    told = {
        "producer": {"name": "modelopt"},
        "quantization": {"quant_algo": "NVFP4", "group_size": 16, "exclude_modules": ["lm_head"]},
    }
    node.inside("/models/m/hf_quant_config.json", json.dumps(told))
    assert seen(node).quant_file == {"quantization": told["quantization"]}


SCHEME = {"num_bits": 4, "type": "int", "group_size": 128, "strategy": "group", "actorder": None}
QUANTISED = {
    "compressed-tensors": {
        "quant_method": "compressed-tensors",
        "format": "pack-quantized",
        "ignore": ["lm_head"],
        "config_groups": {
            "group_0": {"targets": ["Linear"], "weights": SCHEME, "input_activations": None}
        },
        "kv_cache_scheme": None,
    },
    "mxfp4": {"quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn"]},
    "bitsandbytes": {
        "quant_method": "bitsandbytes",
        "load_in_4bit": True,
        "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_use_double_quant": True,
        "llm_int8_skip_modules": ["lm_head"],
    },
    "modelopt": {"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["lm_head"]},
    "gptq": {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": True, "sym": True},
    "fp8": {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [128, 128]},
}


@pytest.mark.parametrize("name", QUANTISED)
def test_a_quantisation_is_shown_whole(name: str) -> None:
    config = {"quantization_config": QUANTISED[name]}
    assert shown(config) == config


MODELS = sorted((Path(__file__).parents[1] / "checks" / "models").glob("*.json"))


@pytest.mark.parametrize("path", MODELS, ids=lambda p: p.stem)
def test_no_size_of_a_known_model_is_lost(path: Path) -> None:
    config = json.loads(path.read_text())
    for layout in (Layout(1, 1), Layout(2, 2), Layout(8, 1)):
        assert rank_weights(shown(config), layout) == rank_weights(config, layout)
        assert kv_bytes_per_token(shown(config), layout) == kv_bytes_per_token(config, layout)


def test_an_object_that_is_on_no_list_is_hidden_or_dropped() -> None:
    config = {"audio_config": {"x": "s3cr3t"}, "other": {"x": "s3cr3t"}, "dtype": {"x": "s3cr3t"}}
    assert shown(config) == {"audio_config": HIDDEN, "dtype": HIDDEN}


def test_what_evidence_cannot_hold_is_hidden() -> None:
    config = json.loads(f'{{"hidden_size": {1 << 70}, "model_type": "\\ud800", "dtype": NaN}}')
    kept = shown(config)
    assert kept["hidden_size"] == HIDDEN
    assert msgspec.json.decode(msgspec.json.encode(kept))["model_type"] == "?"


def test_a_deep_nest_ends() -> None:
    config: dict[str, object] = {}
    for _ in range(500):
        config = {"text_config": config}
    assert str(shown(config)).count("text_config") == 7


NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda one: (
        st.lists(one) | st.dictionaries(st.text() | st.sampled_from(["text_config", "ignore"]), one)
    ),
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["quantization_config", "config_groups", "dtype"]), NESTED))
def test_any_config_is_survived_and_can_be_evidence(config: dict[str, object]) -> None:
    kept = shown(config)
    assert kept.keys() <= config.keys()
    assert msgspec.json.encode(kept)


def test_a_config_that_is_no_object_is_the_reason(node: Node) -> None:
    node.inside("/models/m/config.json", "[]")
    with pytest.raises(ProbeError, match="is not a JSON object"):
        seen(node)
    node.inside("/models/m/config.json", "[" * 100000)
    with pytest.raises(ProbeError, match="is not JSON"):
        seen(node)
