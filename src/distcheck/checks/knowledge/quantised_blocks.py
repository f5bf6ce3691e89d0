"""Widths of quantised models that tensor parallelism cuts: `(moe_)intermediate_size`.

Each rank must hold whole blocks: groups of 128 of AWQ's and GPTQ's official checkpoints, blocks
of 128 x 128 of block-wise FP8. Widths are those of the public config.json; compared with copies of
it, or with launch scripts that hold its numbers: Qwen3-30B-A3B and 235B-A22B, DeepSeek-V3,
MiniMax-M2, Llama-2, Qwen2.5-1.5B, 3B and 14B; InternVL3-78B with the language model in it,
Qwen2.5-72B, whose own width is 29568. Not compared: 29696, to which that model's quantised
checkpoints are filled up, and the widths of Qwen3-Coder-480B, Qwen3-Next and Qwen3-4B.
"""

import re

from msgspec import Struct

from distcheck.pattern import pattern

BLOCK = 128
_GROUPED = pattern(r"-(?:awq|gptq-int[48])(?:\Z|-)")
_FP8 = pattern(r"-fp8\Z")
_EXPERTS: tuple[tuple[str, int, bool], ...] = (
    (r"qwen3-(?:coder-|vl-)?30b-a3b", 768, False),
    (r"qwen3-(?:vl-)?235b-a22b", 1536, False),
    (r"qwen3-coder-480b-a35b", 2560, False),
    (r"qwen3-next-80b-a3b", 512, False),
    (r"minimax-m2(?:\.[157])?\Z", 1536, True),
    (r"deepseek-(?:v3(?:\.1)?|r1)(?:-0528|-0324|-base|-zero)?\Z", 2048, True),
)
"""Pattern of the name, width of an expert, whether the checkpoint is FP8 without saying so."""
_DENSE: tuple[tuple[str, int], ...] = (
    (r"qwen2\.5-14b-instruct", 13824),
    (r"qwen2\.5-3b-instruct", 11008),
    (r"qwen2\.5-1\.5b-instruct", 8960),
    (r"qwen2(?:\.5)?-72b-instruct", 29696),
    (r"qwen3-4b", 9728),
    (r"llama-2-7b", 11008),
    (r"llama-2-13b", 13824),
    (r"internvl3-78b", 29568),
)


class Cut(Struct, frozen=True):
    """What tensor parallelism cuts: `width` of `what`; `experts`, which may stay whole instead."""

    width: int
    what: str
    experts: bool


def cut_of(model: str) -> Cut | None:
    """The width that has to stay whole blocks; None of a model that is not known to have any."""
    name = model.rstrip("/").rpartition("/")[2].lower().replace("_", "-")
    for form, width, always in _EXPERTS:
        if re.search(rf"(?:\A|-){form}", name) and (always or _FP8.search(name)):
            return Cut(width, "an expert", experts=True)
    for form, width in _DENSE:
        if re.search(rf"(?:\A|-){form}(?![\da-z])", name) and _GROUPED.search(name):
            return Cut(width, "a layer", experts=False)
    return None
