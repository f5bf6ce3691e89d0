"""The engine's part of `distcheck logs` against labelled real logs of vLLM."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.logs.vllm_lines import REAL_LOGS

from distcheck.agent.logs.describe import describe

FIELDS = (
    *("engine", "model", "tp", "pp", "dp", "ep", "world_size", "weights_gib_by_rank"),
    *("kv_cache_tokens", "gpu_blocks", "block_size", "started"),
)
WRONG: dict[tuple[str, str], object] = {
    # The log names the model in the engine's own line (line 58); its label says that it does not.
    ("llama-tp4-pp2-ray-hang", "model"): "meta-llama/Llama-3.1-8B-Instruct",
}


def label_of(path: Path) -> dict[str, Any]:
    label: dict[str, Any] = json.loads(path.with_suffix(".json").read_text())
    return label | {n: v for (stem, n), v in WRONG.items() if stem == path.stem}


def engine_part(path: Path) -> dict[str, Any]:
    part = describe([str(path)])["vllm"]
    assert isinstance(part, dict)
    return part


def test_labelled_logs_are_there_or_it_is_said() -> None:
    if not REAL_LOGS:
        assert os.environ.get("CI") != "true", "labelled logs are required in CI"
        pytest.skip("no labelled logs beside this checkout")
    assert len(REAL_LOGS) >= 27


@pytest.mark.parametrize("path", REAL_LOGS, ids=lambda p: p.stem)
def test_every_field_of_a_label_is_met(path: Path) -> None:
    label, part = label_of(path), engine_part(path)
    asked = [field for field in FIELDS if field in label]
    assert {f: part[f] for f in asked} == {f: label[f] for f in asked}
    assert part["version"] == label["vllm_version"]
    # Labels add in words what kind of it: "mp (--nnodes, no Ray)".
    assert (part["executor"] or "") == (label["executor"] or "").partition(" ")[0]


@pytest.mark.parametrize("path", REAL_LOGS, ids=lambda p: p.stem)
def test_the_failures_of_a_label_are_found_and_no_other_downs_the_engine(path: Path) -> None:
    wanted = [f for f in label_of(path)["failures"] if not f.startswith("hang:")]
    found = engine_part(path)["failures"]
    for words in wanted:
        assert any(words in one["says"] for one in found), words
    assert bool(wanted) >= any(one["fatal"] for one in found)


@pytest.mark.parametrize("path", REAL_LOGS, ids=lambda p: p.stem)
def test_every_failure_is_in_the_line_that_it_cites(path: Path) -> None:
    lines = path.read_text(errors="replace").split("\n")
    for one in engine_part(path)["failures"]:
        assert one["says"][:40] in lines[one["line"] - 1]


ROOTS: dict[str, tuple[str, int]] = {
    "deepseek-r1-tp16-ray-2node": ("ray_channel_timeout", 375),
    "fail-heads-not-divisible": ("heads_not_divisible", 52),
    "fail-kv-too-small": ("kv_too_small", 76),
    "fail-port-in-use": ("port_in_use", 38),
    "fail-ray-on-cpu": ("ray_unsupported", 51),
    "gemma3-27b-tp4-mp-v0": ("exception", 203),
    "llama405b-awq-tp4-ray-crash": ("exception", 399),
    "llama8b-dp2-externallb-pod": ("dp_coordinator_died", 8),
    "moe-dp2-ep": ("exception", 333),
    "moe-tp2-ep": ("process_crashed", 123),
    "powermoe-dp2-rayactors": ("exception", 182),
    "pp2": ("exception", 150),
    "qwen3-32b-awq-tp1": ("exception", 230),
    "tp16-mp-2node-v026-zmq": ("bind_failed", 8),
}
"""What a person finds to be the first cause, and its line; the other logs hold no failure."""


@pytest.mark.parametrize("path", REAL_LOGS, ids=lambda p: p.stem)
def test_the_first_cause_is_the_one_that_a_reader_finds(path: Path) -> None:
    root = engine_part(path)["root"]
    found = None if root is None else (root["id"], root["line"])
    assert found == ROOTS.get(path.stem)


@pytest.mark.parametrize("path", REAL_LOGS, ids=lambda p: p.stem)
def test_only_the_log_that_hangs_has_a_rank_that_waits(path: Path) -> None:
    waits = [f for f in engine_part(path)["failures"] if f["id"] == "waiting_for_ranks"]
    assert bool(waits) == (path.stem == "hang-waiting-for-node1")
