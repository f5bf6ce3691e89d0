"""Models that are known by their names: attention heads, and the size of their weights.

Heads are `num_attention_heads` of the public config.json, sizes those of the checkpoints.
"""

import re
from collections.abc import Iterator

from msgspec import Struct

from distcheck.pattern import pattern

_Row = tuple[str, int, float]
_GB = 1_000_000_000
_SMALLER = pattern(r"awq|gptq|int[48]|w[48]a|[48]-?bit|bnb|gguf|nf4|fp4|quant|marlin|exl2")
_QWEN2 = r"qwen2(?:\.5)?-(?:coder-|math-|vl-)?"
_TABLE: tuple[_Row, ...] = (
    (r"(?:llama-?3(?:[._-]1)?|distill-llama)-8b", 32, 8.0),
    (r"(?:llama-?3(?:[._-][13])?|distill-llama|llama-3\.1-nemotron)-70b", 64, 70.5),
    (r"llama-?3[._-]1-405b", 128, 405.8),
    (r"llama-?3[._-]2-1b", 32, 1.2),
    (r"llama-?3[._-]2-3b", 24, 3.2),
    (r"llama-2-7b", 32, 6.7),
    (r"llama-2-13b", 40, 13.0),
    (r"llama-2-70b", 64, 68.9),
    (r"llama-4-scout", 40, 108.0),
    (r"llama-4-maverick", 40, 400.0),
    (r"mistral-7b", 32, 7.2),
    (r"mixtral-8x7b", 32, 46.7),
    (r"mixtral-8x22b", 48, 140.6),
    (r"mistral-large-(?:instruct-)?24(?:07|11)", 96, 122.6),
    (r"distill-qwen-1\.5b", 12, 1.7),
    (r"distill-qwen-7b", 28, 7.6),
    (r"distill-qwen-(?:14b)", 40, 14.7),
    (r"distill-qwen-(?:32b)", 40, 32.7),
    (r"qwen-?1\.5-32b", 40, 32.5),
    (_QWEN2 + r"0\.5b", 14, 0.4),
    (_QWEN2 + r"1\.5b", 12, 1.5),
    (_QWEN2 + r"3b", 16, 3.0),
    (_QWEN2 + r"7b", 28, 7.6),
    (_QWEN2 + r"14b", 40, 14.7),
    (_QWEN2 + r"32b", 40, 32.7),
    (_QWEN2 + r"72b", 64, 72.7),
    (r"qwen3-0\.6b", 16, 0.6),
    (r"qwen3-1\.7b", 16, 1.7),
    (r"qwen3-4b", 32, 4.0),
    (r"qwen3-8b", 32, 8.1),
    (r"qwen3-14b", 40, 14.7),
    (r"qwen3-32b", 64, 32.7),
    (r"qwen3-(?:coder-)?30b-a3b", 32, 30.5),
    (r"qwen3-235b-a22b", 64, 235.0),
    (r"qwen3-coder-480b", 96, 480.0),
    (r"deepseek-v2-lite", 16, 15.7),
    (r"deepseek-v2(?:-chat)?\Z", 128, 235.7),
    (r"gemma-2-2b", 8, 2.6),
    (r"gemma-2-9b", 16, 9.2),
    (r"gemma-2-27b", 32, 27.2),
    (r"gemma-3-1b", 4, 1.0),
    (r"gemma-3-4b", 8, 4.3),
    (r"gemma-3-12b", 16, 12.1),
    (r"gemma-3-27b", 32, 27.4),
    (r"phi-4\Z", 40, 14.6),
    (r"falcon-7b", 71, 6.9),
    (r"falcon-40b", 128, 41.0),
    (r"qwq-32b", 40, 32.7),
    (r"opt-125m", 12, 0.1),
    (r"glm-4\.5-air", 96, 106.0),
    (r"glm-4\.5\Z", 96, 355.0),
    (r"codellama-34b", 64, 33.7),
    (r"yi-34b", 56, 34.4),
    (r"command-r-plus", 96, 103.8),
)
"""Pattern, attention heads, billions of parameters (rounded down), stored in two bytes each."""
_STORED: tuple[_Row, ...] = (
    (r"deepseek-(?:v3(?:\.1)?|r1)(?:-0528|-0324|-base|-zero)?\Z", 128, 680.0),
    (r"kimi-k2(?:-instruct|-base|-thinking)?(?:-\d+)?\Z", 64, 0.0),
    (r"gpt-oss-20b\Z", 64, 13.0),
    (r"gpt-oss-120b\Z", 64, 60.0),
)
"""The same with gigabytes of a checkpoint that is stored in fewer bytes; 0 where not known."""
FAMILIES = (
    "llama", "mistral", "mixtral", "qwen", "deepseek", "gemma", "phi", "falcon", "opt", "glm", "yi",
    "command-r", "kimi", "gpt-oss", "qwq",
)  # fmt: skip
"""Each pattern has one of these words in it: those of other families need not be compiled."""


class KnownModel(Struct, frozen=True):
    """What its name tells; `least_bytes` of weights at least, None where the name says less."""

    heads: int
    least_bytes: int | None


def known_model(name: str) -> KnownModel | None:
    """The model that `name`, as an engine is given it, means; None for any other."""
    last = name.rstrip("/").rpartition("/")[2].lower().replace("_", "-")
    for form, heads, size in _of_family(_STORED, last):
        if re.search(rf"(?:\A|-){form}", last):
            return KnownModel(heads, int(size * _GB) or None)
    for form, heads, size in _of_family(_TABLE, last):
        if re.search(rf"(?:\A|-){form}(?![\da-z])", last):
            each = None if _SMALLER.search(last) else 1 if "fp8" in last else 2
            return KnownModel(heads, int(size * _GB) * each if each else None)
    return None


def _of_family(table: tuple[_Row, ...], name: str) -> Iterator[_Row]:
    told = [family for family in FAMILIES if family in name]
    return (row for row in table if any(family in row[0] for family in told))
