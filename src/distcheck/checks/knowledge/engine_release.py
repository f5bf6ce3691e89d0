"""Which release of vLLM an image holds, where its name says so."""

from distcheck.pattern import pattern

_OFFICIAL = pattern(r"(?:\A|/)vllm/vllm-openai:v?(\d+)\.(\d+)\.(\d+)\b")


def vllm_release(image: str) -> tuple[int, ...] | None:
    """Such as (0, 11, 1), of vLLM's own images for CUDA; None for all others."""
    found = _OFFICIAL.search(image)
    return tuple(int(n) for n in found.groups()) if found else None
