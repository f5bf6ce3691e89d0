"""Flags that vLLM refuses whatever the layout, in its own words, and what to give instead."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.checks.weights_models import config, quantised

from distcheck.checks.knowledge.layer_split import version_of
from distcheck.checks.knowledge.plan import Ask, Plan
from distcheck.checks.knowledge.plan_layouts import plan
from distcheck.checks.knowledge.plan_methods import METHODS, agrees, known_to
from distcheck.checks.knowledge.plan_refused import refused
from distcheck.checks.knowledge.weights import GIB, Engine

AWQ = {"quant_method": "awq", "bits": 4, "group_size": 128}
MODELOPT = {"quant_method": "modelopt", "quantization": {"quant_algo": "FP8"}}


def ask(name: str | dict[str, Any], version: str = "0.33.0", **asked: Any) -> Ask:
    engine = {key: asked.pop(key) for key in ("dtype", "quantisation") if key in asked}
    found = config(name) if isinstance(name, str) else name
    return Ask(config=found, engine=Engine(version=version, **engine), **asked)


def reason(found: Ask) -> str | None:
    said = refused(found)
    return said.reason if said else None


def planned(found: Ask) -> Plan:
    return plan(found, "a-model", "config.json")


def test_a_batch_smaller_than_the_requests_at_once_is_refused() -> None:
    found = ask("llama-3.1-8b", tp=1, max_num_seqs=512, max_num_batched_tokens=256)
    assert reason(found) == (
        "max_num_batched_tokens (256) must be greater than or equal to max_num_seqs (512)."
    )
    assert "Give --max-num-batched-tokens 512" in planned(found).layouts[0].advice


def test_more_requests_at_once_than_the_default_batch_make_the_batch_larger() -> None:
    found = ask("llama-3.1-8b", tp=1, max_num_seqs=9000)
    assert reason(found) is None
    assert "--max-num-batched-tokens 9000" in " ".join(planned(found).layouts[0].flags)


@pytest.mark.parametrize(
    ("version", "asked", "refuses"),
    [
        ("0.7.3", {"max_num_batched_tokens": 4096}, True),
        ("0.7.3", {"max_num_batched_tokens": 4096, "max_model_len": 4096}, False),
        ("0.7.3", {}, False),
        ("0.8.0", {"max_num_batched_tokens": 4096}, False),
        ("0.33.0", {"max_num_batched_tokens": 4096}, False),
    ],
)
def test_before_0_8_a_batch_must_hold_the_longest_request(
    version: str, asked: dict[str, int], *, refuses: bool
) -> None:
    found = reason(ask("mistral-7b-v0.2", version, tp=1, **asked))
    assert (found is not None and "is smaller than max_model_len (32768)" in found) is refuses


def test_before_0_8_a_length_that_was_cut_asks_for_chunks() -> None:
    found = ask("llama-3.1-70b", "0.7.3", tp=4, gpu_bytes=48 * GIB)
    (one,) = planned(found).layouts
    assert one.shortened
    assert (one.max_model_len or 0) <= 32_768
    assert "--enable-chunked-prefill" in one.flags


@pytest.mark.parametrize(
    ("name", "version", "refuses"),
    [
        ("gemma-2-9b", "0.33.0", True),
        ("gemma-3-27b-it", "0.33.0", True),
        ("glm-4-9b-0414", "0.33.0", True),
        ("gemma-2-9b", "0.8.5", False),
        ("glm-4-9b-chat-hf", "0.33.0", False),
        ("llama-3.1-8b", "0.33.0", False),
    ],
)
def test_models_that_are_not_stable_in_float16_are_refused_in_it(
    name: str, version: str, *, refuses: bool
) -> None:
    found = reason(ask(name, version, tp=1, dtype="float16"))
    assert (found is not None and "does not support float16" in found) is refuses
    assert reason(ask(name, version, tp=1)) is None


@pytest.mark.parametrize(
    ("name", "named", "version", "refuses"),
    [
        ("llama-3.1-405b-fp8", "awq", "0.33.0", True),
        ("llama-3.1-405b-fp8", "fp8", "0.33.0", True),
        ("llama-3.1-405b-fp8", "fbgemm_fp8", "0.33.0", False),
        ("deepseek-v3", "fp8", "0.33.0", False),
        ("deepseek-v3", "fp8_per_tensor", "0.33.0", True),
        ("gpt-oss-120b", "fp8", "0.14.1", True),
        ("gpt-oss-120b", "fp8", "0.33.0", False),
        (quantised("llama-3.1-8b", **AWQ), "awq_marlin", "0.33.0", False),
        (quantised("llama-3.1-8b", **AWQ), "gptq", "0.33.0", True),
        (quantised("llama-3.1-8b", **MODELOPT), "awq", "0.33.0", False),
        ("llama-3.1-8b", "fp8", "0.33.0", False),
    ],
)
def test_a_method_that_contradicts_the_checkpoint_is_refused(
    name: str | dict[str, Any], named: str, version: str, *, refuses: bool
) -> None:
    found = reason(ask(name, version, tp=1, quantisation=named))
    says = (
        f"does not match the quantization method specified in the `quantization` argument ({named})"
    )
    assert (found is not None and says in found) is refuses


def test_a_method_of_another_version_is_refused_a_plugin_s_is_a_note() -> None:
    gone = ask("llama-3.1-8b", tp=1, quantisation="aqlm")
    assert reason(gone) == "Unknown quantization method: aqlm."
    found = planned(ask("llama-3.1-8b", tp=1, quantisation="bitsandbytes"))
    assert found.verdict == "weights_only"
    assert "vLLM 0.33.0 itself has no bitsandbytes" in found.notes[0]
    assert not planned(ask("llama-3.1-8b", "0.14.1", tp=1, quantisation="bitsandbytes")).notes


@pytest.mark.parametrize(
    ("name", "asked", "takes"),
    [
        ("gpt-oss-120b", {"dtype": "float16"}, "[torch.bfloat16]"),
        ("deepseek-v3", {"dtype": "float32"}, "[torch.bfloat16, torch.float16]"),
        (
            quantised("llama-3.1-8b", **AWQ),
            {"quantisation": "awq", "version": "0.10.2"},
            "[torch.float16]",
        ),
    ],
)
def test_a_type_that_a_method_does_not_take_is_refused(
    name: str | dict[str, Any], asked: dict[str, Any], takes: str
) -> None:
    found = reason(ask(name, asked.pop("version", "0.33.0"), tp=1, **asked))
    assert found is not None
    assert found.endswith(f"Supported dtypes: {takes}")


def test_an_awq_checkpoint_takes_bfloat16_where_its_kernel_is_not_forced() -> None:
    assert reason(ask(quantised("llama-3.1-8b", **AWQ), "0.10.2", tp=1, dtype="bfloat16")) is None


@pytest.mark.parametrize("name", ["llama-3.1-8b", "gpt-oss-120b", "deepseek-v3"])
def test_the_cache_of_sparse_mla_is_refused_for_others(name: str) -> None:
    found = ask(name, tp=1, kv_cache_dtype="fp8_ds_mla")
    assert "sparse MLA" in (reason(found) or "")
    assert (
        reason(ask(config(name, kv_lora_rank=512, index_topk=2048), kv_cache_dtype="fp8_ds_mla"))
        is None
    )


def test_what_is_refused_whatever_the_layout_is_said_once() -> None:
    found = planned(ask("gemma-2-9b", dtype="float16", gpus=8, gpu_bytes=80 * GIB))
    assert len(found.layouts) == 1
    assert (found.verdict, found.best) == ("refused", None)


def test_a_deprecated_method_is_asked_for_as_vllm_wants_it() -> None:
    def flags(version: str) -> tuple[str, ...]:
        return planned(ask("llama-3.1-405b-fp8", version, tp=16)).layouts[0].flags

    assert "--allow-deprecated-quantization" in flags("0.33.0")
    assert "--allow-deprecated-quantization" not in flags("0.10.2")


@given(st.sampled_from(sorted(METHODS)), st.sampled_from(["0.6.6", "0.9.2", "0.20.0", "0.33.0"]))
def test_a_checkpoint_s_own_method_always_agrees(method: str, version: str) -> None:
    assert agrees(method, method, version_of(version))
    assert known_to(version_of(version)) <= METHODS
