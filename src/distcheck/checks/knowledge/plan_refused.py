"""What vLLM refuses whatever the layout: flags that contradict each other or the model."""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from distcheck.checks.knowledge.layer_split import version_of
from distcheck.checks.knowledge.plan import Ask
from distcheck.checks.knowledge.plan_batch import chunks_prefill, length_of, step_tokens
from distcheck.checks.knowledge.plan_length import beyond_length, longest_allowed
from distcheck.checks.knowledge.plan_methods import PLUGINS, agrees, dtypes_of, known_to
from distcheck.checks.knowledge.weights import method_of, stored_in

_NO_FLOAT16 = {
    "gemma2": (0, 9, 1),
    "gemma3": (0, 9, 1),
    "glm4": (0, 9, 1),
    "gemma3_text": (0, 10, 2),
}
"""Since when; "plamo2" was among them until some version after 0.14."""


class Refused(Struct, frozen=True):
    """VLLM's own reason, and the smallest change of the flags that takes it away."""

    reason: str
    instead: str


def refused(ask: Ask) -> Refused | None:
    """The first that vLLM would refuse; None where these flags let it start."""
    return next((found for rule in _RULES for found in rule(ask)), None)


def _length(ask: Ask) -> Iterator[Refused]:
    if beyond := beyond_length(ask.config, ask.max_model_len):
        yield Refused(beyond, f"--max-model-len may be {longest_allowed(ask.config)} at most.")


def _batch(ask: Ask) -> Iterator[Refused]:
    """vllm/config/scheduler.py, in every version from 0.4 to 0.33."""
    tokens, length = step_tokens(ask), length_of(ask)
    if length is not None and tokens < length and not chunks_prefill(ask, length):
        yield Refused(
            f"max_num_batched_tokens ({tokens}) is smaller than max_model_len ({length}). This"
            " effectively limits the maximum sequence length to max_num_batched_tokens and makes"
            " vLLM reject longer sequences. Please increase max_num_batched_tokens or decrease"
            " max_model_len.",
            f"Give --max-num-batched-tokens {length}, or --max-model-len {tokens}.",
        )
    if tokens < ask.max_num_seqs:
        yield Refused(
            f"max_num_batched_tokens ({tokens}) must be greater than or equal to max_num_seqs"
            f" ({ask.max_num_seqs}).",
            f"Give --max-num-batched-tokens {ask.max_num_seqs}, or --max-num-seqs {tokens}.",
        )


def _float16(ask: Ask) -> Iterator[Refused]:
    """vllm/config/model.py, _FLOAT16_NOT_SUPPORTED_MODELS."""
    version, kind = version_of(ask.engine.version), ask.config.get("model_type")
    since = _NO_FLOAT16.get(kind) if isinstance(kind, str) else None
    late = since is not None and (version is None or version >= since)
    if ask.engine.dtype == "float16" and late:
        yield Refused(
            f"The model type {kind!r} does not support float16. Reason: Numerical instability."
            " Please use bfloat16 or float32 instead.",
            "Give --dtype bfloat16.",
        )


def _method(ask: Ask) -> Iterator[Refused]:
    """vllm/config/model.py, _verify_quantization."""
    named, stored = ask.engine.quantisation, stored_in(ask.config)
    own = method_of(stored) if stored is not None else ""
    if named is None:
        return
    if stored is not None and not agrees(own, named, version_of(ask.engine.version)):
        yield Refused(
            f"Quantization method specified in the model config ({own}) does not match the"
            f" quantization method specified in the `quantization` argument ({named}).",
            "Leave out --quantization: the checkpoint says how it is quantised.",
        )
    known = known_to(version_of(ask.engine.version))
    if named not in known and named not in PLUGINS:
        yield Refused(
            f"Unknown quantization method: {named}.",
            f"vLLM {ask.engine.version} has no such method, another version has.",
        )


def _activations(ask: Ask) -> Iterator[Refused]:
    """vllm/config/vllm.py, _get_quantization_config: the method limits the type."""
    stored, named = stored_in(ask.config), ask.engine.quantisation
    method = named or (method_of(stored) if stored is not None else "")
    dtype = ask.engine.dtype or (_written(ask.config) if named else "")
    takes = dtypes_of(method, version_of(ask.engine.version) if named else None)
    if takes and dtype and dtype not in takes:
        names = ", ".join(f"torch.{name}" for name in takes)
        yield Refused(
            f"torch.{dtype} is not supported for quantization method {method}. Supported dtypes:"
            f" [{names}]",
            f"Give --dtype {takes[0]}.",
        )


def _written(config: Mapping[str, object]) -> str:
    """The 16 bit type that `config.json` names; empty for others, which vLLM may change."""
    named = config.get("torch_dtype", config.get("dtype"))
    return named if isinstance(named, str) and named in ("bfloat16", "float16") else ""


def _cache(ask: Ask) -> Iterator[Refused]:
    """The layout of sparse MLA only (vllm/v1/attention/backends, supported_kv_cache_dtypes)."""
    inner = ask.config.get("text_config")
    parts = (ask.config, inner if isinstance(inner, dict) else {})
    sparse = any(part.get("kv_lora_rank") and part.get("index_topk") for part in parts)
    if ask.kv_cache_dtype == "fp8_ds_mla" and not sparse:
        yield Refused(
            "No valid attention backend found: kv_cache_dtype fp8_ds_mla is supported by those of"
            " sparse MLA (DeepSeek-V3.2) only.",
            "Give --kv-cache-dtype fp8.",
        )


_RULES = (_length, _batch, _float16, _method, _activations, _cache)
