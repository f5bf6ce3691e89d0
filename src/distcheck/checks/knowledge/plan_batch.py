"""`--max-num-batched-tokens`: what vLLM takes where it is not given, and what it must carry."""

from distcheck.checks.knowledge.layer_split import version_of
from distcheck.checks.knowledge.plan import Ask
from distcheck.checks.knowledge.plan_room import text_sizes

_LARGE = 70 << 30
_SMALL_BATCH, _LARGE_BATCH = 2048, 8192
_CHUNKED = (0, 8, 0)
"""From here on (V1) a long prompt is always prefilled in chunks."""
_CHUNKED_BEYOND = 32_768
"""V0 did so by itself for models longer than this (vllm/engine/arg_utils.py)."""


def step_tokens(ask: Ask) -> int:
    """As given; else vLLM's default, and no less than the requests at once, which it refuses.

    The default goes by the GPU's memory; V0's is the whole length where that is not chunked.
    """
    return ask.max_num_batched_tokens or max(_default(ask), ask.max_num_seqs)


def _default(ask: Ask) -> int:
    if not _early(ask.engine.version):
        small = ask.gpu_bytes is not None and ask.gpu_bytes < _LARGE
        return _SMALL_BATCH if small else _LARGE_BATCH
    own = length_of(ask) or _SMALL_BATCH
    return max(own, _SMALL_BATCH) if own <= _CHUNKED_BEYOND else _SMALL_BATCH


def length_of(ask: Ask) -> int | None:
    """Tokens of the longest request: those asked for, else the model's own."""
    return ask.max_model_len or text_sizes(ask.config)("max_position_embeddings")


def chunks_prefill(ask: Ask, length: int) -> bool:
    """Whether vLLM cuts a prompt of `length` tokens into steps without being told to."""
    return not _early(ask.engine.version) or length > _CHUNKED_BEYOND


def _early(version: str | None) -> bool:
    found = version_of(version)
    return found is not None and found < _CHUNKED
