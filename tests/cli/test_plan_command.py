"""`distcheck plan` as a process and as a reader of files."""

import json
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.checks.weights_models import MODELS, config
from tests.cli.process import Run

from distcheck.agent.cli import plan_values as values
from distcheck.agent.cli.exit import Stop
from distcheck.agent.cli.plan_model import read_plan_model
from distcheck.agent.cli.schema import schema_text
from distcheck.checks.knowledge.plan_fabric import Fabric

LLAMA_70B = str(MODELS / "llama-3.1-70b.json")
TWO_NODES = ("--gpus", "16", "--gpu-memory", "80GiB", "--gpus-per-node", "8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "a-model"
    path.mkdir()
    (path / "config.json").write_text(json.dumps(config("llama-3.1-8b")))
    return path


def tensors(path: Path, size: int, dtype: str = "BF16", said: int | None = None) -> None:
    header = json.dumps({"w": {"dtype": dtype, "shape": [1], "data_offsets": [0, said or size]}})
    with path.open("wb") as stream:
        stream.write(struct.pack("<Q", len(header)) + header.encode())
        stream.truncate(8 + len(header) + size)


def told(distcheck: Run, *words: str) -> dict[str, Any]:
    done = distcheck("plan", *words, "-o", "json")
    assert done.stderr == b""
    found: dict[str, Any] = json.loads(done.stdout)
    jsonschema.validate(found, json.loads(schema_text("plan")))
    return found


def test_a_fixed_layout_has_every_rank_with_exact_bytes(distcheck: Run) -> None:
    found = told(distcheck, "--model", LLAMA_70B, "--tp", "8", "--pp", "2")
    (layout,) = found["layouts"]
    assert found["schema"] == "distcheck.plan/v1"
    assert {k: layout[k] for k in ("tp", "pp", "ep", "dp")} == {"tp": 8, "pp": 2, "ep": 1, "dp": 1}
    ranks = [(r["rank"], r["tp_rank"], r["pp_rank"]) for r in layout["ranks"]]
    assert ranks == [(r, r % 8, r // 8) for r in range(16)]
    assert all(r["weights_bytes"] == r["weights_bytes_low"] for r in layout["ranks"])


def test_gpus_give_layouts_best_first(distcheck: Run) -> None:
    words = ("--model", LLAMA_70B, *TWO_NODES, "--interconnect")
    assert told(distcheck, *words, "400gbps")["layouts"][0]["tp"] == 16
    slow = told(distcheck, *words, "100gbps")["layouts"]
    assert (slow[0]["tp"], slow[0]["pp"], slow[0]["fits"]) == (8, 2, True)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (TWO_NODES, 0),
        (("--tp", "16"), 0),
        ((), 0),
        (("--gpus", "1", "--gpu-memory", "80GiB"), 1),
        (("--tp", "12"), 1),
        (("--tp", "8", "--ep", "8"), 1),
        (("--gpus", "2", "--gpu-memory", "80GiB"), 1),
        (("--tp", "16", "--gpu-memory", "80GiB"), 0),
        (("--tp", "16", "--gpu-memory", "80GiB", "--interconnect", "ethernet-25"), 1),
        (("--tp", "8", "--gpu-memory", "80GiB", "--max-model-len", "200000"), 1),
        (("--gpus", "12"), 2),
        (("--tp", "0"), 2),
        (("--ep", "3", "--tp", "2"), 2),
        (("--tp", "4096", "--pp", "4096"), 2),
        (("--gpu-memory", "80"), 2),
        (("--interconnect", "fast"), 2),
        (("--vllm-version", "new"), 2),
        (("--dtype", "int3"), 2),
        (("-q", "banana"), 2),
        (("-q", "FP8"), 2),
        (("--tp", "8", "-q", "fp8"), 0),
        (("--tp", "8", "--max-num-seqs", "512", "--max-num-batched-tokens", "256"), 1),
        (("--tp", "8", "--kv-cache-dtype", "fp8_ds_mla"), 1),
        (("-o", "xml"), 2),
    ],
)
def test_exit_codes(distcheck: Run, words: tuple[str, ...], code: int) -> None:
    done = distcheck("plan", "--model", LLAMA_70B, *words)
    assert done.returncode == code
    assert bool(done.stdout) == (code != 2)
    assert done.stderr.count(b"\n") == int(code == 2)


def test_an_unknown_method_is_named_with_those_near_it(distcheck: Run) -> None:
    done = distcheck("plan", "--model", LLAMA_70B, "--tp", "8", "-q", "fp9")
    assert b"'fp9' is no method of vLLM 0.33.0 or before; near it: fp8" in done.stderr


def test_the_answer_is_at_the_top_of_the_json(distcheck: Run) -> None:
    found = told(distcheck, "--model", LLAMA_70B, *TWO_NODES, "--interconnect", "100gbps")
    assert (found["verdict"], found["best"]["tp"], found["best"]["pp"]) == ("fits", 8, 2)
    assert found["best"]["flags"] == found["layouts"][0]["flags"]
    assert found["order"].startswith("best first")
    refused = told(distcheck, "--model", LLAMA_70B, "--tp", "12")
    assert (refused["verdict"], refused["best"]) == ("refused", None)


def test_a_model_is_required(distcheck: Run) -> None:
    done = distcheck("plan", "--tp", "8")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"--model" in done.stderr


def test_vllm_refuses_in_its_own_words(distcheck: Run) -> None:
    (layout,) = told(distcheck, "--model", LLAMA_70B, "--tp", "12")["layouts"]
    assert layout["fits"] is False
    (why,) = layout["why"]
    assert why == (
        "vLLM refuses: Total number of attention heads (64)"
        " must be divisible by tensor parallel size (12)."
    )


def test_experts_are_shared_by_all_ranks(distcheck: Run) -> None:
    model = str(MODELS / "deepseek-v3.json")
    spread = told(distcheck, "--model", model, "--tp", "8", "--dp", "2", "--ep", "16")
    flag = told(distcheck, "--model", model, "--tp", "8", "--dp", "2", "--enable-expert-parallel")
    assert spread == flag
    assert spread["layouts"][0]["ep"] == 16


def test_text_goes_to_a_pipe_without_colour(distcheck: Run) -> None:
    done = distcheck("plan", "--model", LLAMA_70B, *TWO_NODES)
    assert b"\x1b" not in done.stdout
    assert b"vllm serve" in done.stdout


def test_a_bare_file_is_named_by_its_architecture(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = json.loads((folder / "config.json").read_text())
    told.pop("_name_or_path", None)
    (folder / "config.json").write_text(json.dumps(told | {"architectures": ["LlamaForCausalLM"]}))
    monkeypatch.chdir(folder)
    assert read_plan_model("config.json").name == "LlamaForCausalLM"


def test_a_folder_is_read_with_its_index(folder: Path) -> None:
    index = {"metadata": {"total_size": 16_060_522_496}, "weight_map": {"w": "model-1.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    found = read_plan_model(str(folder))
    assert found.checkpoint is not None
    assert found.checkpoint.total_bytes == 16_060_522_496


def test_the_command_names_the_folder_that_was_given(distcheck: Run, folder: Path) -> None:
    done = distcheck("plan", "--model", str(folder), "--tp", "2")
    assert f"vllm serve {folder}" in done.stdout.decode()


def test_a_folder_of_several_configurations_says_which_there_are(tmp_path: Path) -> None:
    for name in "abcdef":
        (tmp_path / f"{name}.json").write_text("{}")
    with pytest.raises(Stop, match=r"no such file; give one of a\.json, .*d\.json and 2 more"):
        read_plan_model(str(tmp_path))


def test_without_an_index_headers_are_read_and_duplicates_left_out(folder: Path) -> None:
    tensors(folder / "model-00001.safetensors", 1000)
    tensors(folder / "consolidated.safetensors", 1000)
    found = read_plan_model(str(folder / "config.json"))
    assert found.checkpoint is not None
    assert (found.checkpoint.total_bytes, found.checkpoint.by_dtype) == (1000, {"BF16": 1000})


def test_a_checkpoint_that_is_cut_short_is_a_note_not_a_size(folder: Path) -> None:
    tensors(folder / "model.safetensors", 1000, said=2000)
    found = read_plan_model(str(folder))
    assert found.checkpoint is None
    assert "header says" in found.notes[0]


def test_a_folder_without_weights_has_no_size(folder: Path) -> None:
    found = read_plan_model(str(folder))
    assert (found.checkpoint, found.notes) == (None, ())


def test_modelopt_s_own_file_says_how_it_quantised(folder: Path) -> None:
    said = {"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "FP8"}}
    (folder / "hf_quant_config.json").write_text(json.dumps(said))
    quantised = read_plan_model(str(folder)).config["quantization_config"]
    assert quantised == {**said, "quant_method": "modelopt"}


def test_modelopt_s_file_changes_the_weights_of_a_folder(distcheck: Run, folder: Path) -> None:
    plain = told(distcheck, "--model", str(folder), "--tp", "1")["layouts"][0]["ranks"][0]
    said = {"quantization": {"quant_algo": "NVFP4", "exclude_modules": ["lm_head"]}}
    (folder / "hf_quant_config.json").write_text(json.dumps(said))
    found = told(distcheck, "--model", str(folder), "--tp", "1")
    assert found["model"]["weights"] == "NVFP4"
    less = found["layouts"][0]["ranks"][0]["weights_bytes"]
    assert less < plain["weights_bytes"] * 0.4


@pytest.mark.parametrize("around", ["config", "model_config", "hf_config"])
def test_a_recorded_configuration_may_stand_inside_an_answer(tmp_path: Path, around: str) -> None:
    answer = {"id": "meta-llama/Llama-3.1-8B", around: config("llama-3.1-8b")}
    (tmp_path / "recorded.json").write_text(json.dumps(answer))
    found = read_plan_model(str(tmp_path / "recorded.json"))
    assert found.name == "meta-llama/Llama-3.1-8B"
    assert found.config["hidden_size"] == 4096


def test_the_hub_s_count_of_parameters_is_a_size(tmp_path: Path) -> None:
    counts = {"parameters": {"BF16": 1_000_000, "F8_E4M3": 500}, "total": 1_000_500}
    answer = {"config": {"architectures": ["NewForCausalLM"]}, "safetensors": counts}
    (tmp_path / "recorded.json").write_text(json.dumps(answer))
    found = read_plan_model(str(tmp_path / "recorded.json"))
    assert found.checkpoint is not None
    assert found.checkpoint.total_bytes == 2_000_500


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[1]", "not a JSON object"),
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"weight_map": {}}', "index of a checkpoint"),
        ('{"a": 1}', "not a model's configuration"),
        ("{" + " " * (4 << 20) + "}", "longer than 4 MiB"),
    ],
)
def test_a_file_that_is_no_model_is_named_with_the_reason(
    tmp_path: Path, text: str, says: str
) -> None:
    path = tmp_path / "model.json"
    path.write_text(text)
    with pytest.raises(Stop, match=says) as stop:
        read_plan_model(str(path))
    assert (stop.value.code, str(path) in stop.value.says) == (2, True)


@pytest.mark.parametrize("text", ["", "meta-llama/Llama-3.1-8B", "a\0b", "/dev/zero"])
def test_a_path_that_cannot_be_read_is_named(text: str) -> None:
    with pytest.raises(Stop, match="--model"):
        read_plan_model(text)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=200), st.just(b'{"model_type": 1}')))
def test_any_bytes_are_a_model_or_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(data)
    with suppress(Stop):
        assert read_plan_model(str(path)).config


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("80GiB", 80 << 30),
        ("80GB", 80 * 10**9),
        ("81559MiB", 81_559 << 20),
        ("79.18 GiB", int(79.18 * (1 << 30))),
        ("0.5TiB", 1 << 39),
    ],
)
def test_gpu_memory_is_read_in_its_unit(text: str, size: int) -> None:
    assert values.gpu_memory(text) == size


@pytest.mark.parametrize("text", ["80", "80G", "80gib", "-1GiB", "1MiB", "2TiB", "٨GiB", "1e2GiB"])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(Stop, match="--gpu-memory"):
        values.gpu_memory(text)


@pytest.mark.parametrize(
    ("text", "fabric"),
    [
        ("400gbps", Fabric(400)),
        ("400", Fabric(400)),
        ("200Gb/s", Fabric(200)),
        ("ib-ndr", Fabric(400, "ib")),
        ("IB-HDR", Fabric(200, "ib")),
        ("hdr", Fabric(200, "ib")),
        ("ib-400", Fabric(400, "ib")),
        ("infiniband-400gbps", Fabric(400, "ib")),
        ("roce-100", Fabric(100, "roce")),
        ("eth-25", Fabric(25, "ethernet")),
        ("tcp-25gbps", Fabric(25, "ethernet")),
    ],
)
def test_interconnects_are_read_by_speed_and_name(text: str, fabric: Fabric) -> None:
    assert values.interconnect(text) == fabric


@pytest.mark.parametrize("text", ["", "0", "fast", "400GB", "roce", "99999", "-25", "myri-10"])
def test_other_interconnects_are_refused(text: str) -> None:
    with pytest.raises(Stop, match="--interconnect"):
        values.interconnect(text)


@pytest.mark.parametrize(("text", "tokens"), [("32768", 32768), ("32K", 32768), ("32k", 32000)])
def test_lengths_are_read_as_vllm_reads_them(text: str, tokens: int) -> None:
    assert values.length(text) == tokens


@given(st.text(max_size=12))
def test_any_value_is_read_or_refused(text: str) -> None:
    for read in (values.gpu_memory, values.interconnect, values.length, values.share):
        with suppress(Stop):
            assert read(text)


def test_a_model_with_characters_that_no_text_can_have_is_refused(
    distcheck: Run, folder: Path
) -> None:
    odd = config("llama-3.1-8b") | {"architectures": ["\ud800"]}
    (folder / "config.json").write_text(json.dumps(odd))
    done = distcheck("plan", "--model", str(folder), "--tp", "8", "-o", "json")
    assert done.returncode == 2
    assert b"config.json: it holds characters that no text can have" in done.stderr
