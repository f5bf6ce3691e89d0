"""A long line of a log is cut between words, and says that it is."""

import pytest

from distcheck.agent.logs.cutting import shortened
from distcheck.agent.logs.vllm_failures import failure


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("short", "short"),
        ("exactly ten", "exactly…"),
        ("one, two three", "one, two…"),
        ("x" * 20, "xxxxxxxxx…"),
        ("", ""),
    ],
)
def test_it_is_cut_between_words_and_marked(text: str, cut: str) -> None:
    """To ten characters; a word longer than half of that is cut itself."""
    assert shortened(text, 10) == cut
    assert len(shortened(text, 10)) <= 10


def test_an_engines_long_exception_ends_at_a_word() -> None:
    """VLLM's advice on the length of the cache is longer than what is kept."""
    words = "word " * 200
    found = failure(
        f"ValueError: To serve at least one request with the models's {words}", "a:1", ""
    )
    assert found is not None
    assert found.says.endswith(" word…")
    assert len(found.says) <= 300
