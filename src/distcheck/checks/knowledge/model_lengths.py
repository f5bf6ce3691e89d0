"""How long a context well-known models were made for."""

import re

_LENGTHS: tuple[tuple[str, int], ...] = (
    (r"(?:meta-)?llama-3\.[123]-\d+b(?:-instruct)?", 131072),
    (r"(?:meta-)?llama-3-(?:8|70)b(?:-instruct)?", 8192),
    (r"llama-2-\d+b(?:-chat)?(?:-hf)?", 4096),
    (r"qwen2\.5-(?:0\.5|1\.5|3|7|14|32|72)b-instruct", 32768),
    (r"qwen3-(?:0\.6|1\.7|4|8|14|32)b|qwen3-(?:30b-a3b|235b-a22b)", 40960),
    (r"deepseek-(?:r1(?:-0528)?|v3(?:-0324)?)", 163840),
    (r"deepseek-r1-distill-(?:llama|qwen)-\d+b", 131072),
    (r"mistral-7b-instruct-v0\.[23]", 32768),
    (r"gemma-2-\d+b(?:-it)?", 8192),
    (r"phi-4", 16384),
)
"""Name, and `max_position_embeddings` of its public config.json.

Compared with copies of that file elsewhere: Llama-3.1 and 3.2, DeepSeek-R1 and V3, Qwen2.5-72B.
"""
_FORMS = r"(?:-(?:fp8|awq|gptq-int[48]))?\Z"


def length_of(model: str) -> int | None:
    """The length that a model of this public name has; None of any other."""
    name = model.rstrip("/").rpartition("/")[2].lower()
    return next((n for form, n in _LENGTHS if re.match(rf"(?:{form}){_FORMS}", name)), None)
