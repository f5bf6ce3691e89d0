"""What ModelOpt says in `hf_quant_config.json` counts where `config.json` says nothing."""

from typing import Any

import pytest
from tests.checks.sharding_groups import evidence_of, with_look
from tests.checks.test_sharding_cases import one
from tests.checks.weights_models import config, exact

from distcheck.checks.evidence import Evidence, ModelConfig
from distcheck.checks.facts.weights_plan import WeightsPlan
from distcheck.checks.knowledge.weights import GIB, Layout, with_quant_file

NVFP4 = {"quantization": {"quant_algo": "NVFP4", "group_size": 16, "exclude_modules": ["lm_head"]}}
PLAIN = config("llama-3.1-70b")


def expected(evidence: Evidence) -> float:
    found = WeightsPlan.fold(evidence)
    assert isinstance(found, WeightsPlan)
    return found.wanted.stages[0][0][0]


def with_file(told: dict[str, Any] | None, **changed: Any) -> Evidence:
    evidence = evidence_of(one(layout=Layout(8), nodes=1), ("weights", "config-line"))
    model = ModelConfig("/m/config.json", PLAIN | changed, quant_file=told)
    return with_look(evidence, 0, model=model)


@pytest.mark.parametrize("algorithm", ["NVFP4", "FP8", "nvfp4"])
def test_a_live_group_is_weighed_as_its_quant_file_says(algorithm: str) -> None:
    told = {"quantization": {**NVFP4["quantization"], "quant_algo": algorithm}}
    stored = PLAIN | {"quantization_config": {**told, "quant_method": "modelopt"}}
    wanted = exact(stored, Layout(8))[0].weights_bytes / GIB
    assert expected(with_file(told)) == pytest.approx(wanted)
    assert wanted < expected(with_file(None)) * 0.6


def test_what_config_json_says_itself_comes_first() -> None:
    fp8 = {"quant_method": "fp8"}
    found = with_quant_file(PLAIN | {"quantization_config": fp8}, NVFP4)
    assert found["quantization_config"] == fp8


@pytest.mark.parametrize("told", [None, {}, {"quantization": None}, {"quantization": {}}])
def test_a_quant_file_without_an_algorithm_changes_nothing(told: dict[str, Any] | None) -> None:
    assert with_quant_file(PLAIN, told) == PLAIN


def test_a_null_in_config_json_is_no_quantisation_of_its_own() -> None:
    found = with_quant_file(PLAIN | {"quantization_config": None}, NVFP4)
    assert found["quantization_config"] == {**NVFP4, "quant_method": "modelopt"}


@pytest.mark.parametrize("where", ["compression_config", "text_config"])
def test_a_quantisation_is_found_in_each_of_its_places(where: str) -> None:
    how = {"quant_method": "fp8"}
    odd = {where: how if where == "compression_config" else {"quantization_config": how}}
    shape = PLAIN | {"quantization_config": None} | odd
    assert (
        exact(shape, Layout(8))[0].weights_bytes
        == exact(PLAIN | {"quantization_config": how}, Layout(8))[0].weights_bytes
    )
