"""A model's name tells its heads, and of whole checkpoints the size; a near miss tells nothing."""

import pytest

from distcheck.checks.knowledge.known_models import known_model

GB = 1_000_000_000


@pytest.mark.parametrize(
    ("name", "heads", "least"),
    [
        ("Qwen/Qwen1.5-32B-Chat", 40, 65 * GB),
        ("/models/qwen1.5-32b", 40, 65 * GB),
        ("Qwen/Qwen1.5-32B-Chat-GPTQ-Int4", 40, None),
        ("Qwen/Qwen2.5-32B-Instruct", 40, 65_400_000_000),
    ],
)
def test_a_name_tells_heads_and_size(name: str, heads: int, least: int | None) -> None:
    known = known_model(name)
    assert known is not None
    assert (known.heads, known.least_bytes) == (heads, least)


@pytest.mark.parametrize("name", ["Qwen/Qwen1.5-320B", "/models/llm", "ours/qwen1.5-32bit"])
def test_other_names_tell_nothing(name: str) -> None:
    assert known_model(name) is None
