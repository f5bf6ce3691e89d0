"""Names of objects in what a shell reads."""

from distcheck.pattern import pattern

_SHELLS = pattern(r"[\s<>|&;\"'`*?#\[\]]")


def one_word(name: str) -> str:
    """A name as a shell takes it for one word: `<name>` is filled in before it is applied."""
    return _SHELLS.sub("-", name)
