"""Words of a command line as flags, and what they are given."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from msgspec import Struct


class Given(Struct, frozen=True):
    """A word, and what a flag there is given: behind its `=`, else the next word, if any."""

    word: str
    value: str | None

    @property
    def inline(self) -> bool:
        """Whether the value is a part of the word."""
        return "=" in self.word

    @property
    def name(self) -> str:
        """The flag as it is written."""
        return self.word.partition("=")[0]

    @property
    def flag(self) -> str:
        """The flag as the engines call it."""
        return flag_of(self.word)


def given(words: Sequence[str]) -> Iterator[Given]:
    """Each word as if it were a flag."""
    for word, after in zip_longest(words, words[1:]):
        _, same, value = word.partition("=")
        yield Given(word, value if same else after)


def flag_of(word: str) -> str:
    """The flag in a word, in one spelling: both engines have argparse take `_` for `-`."""
    return word.partition("=")[0].replace("_", "-")
