"""Regular expressions that are compiled when they are first used.

What understands command lines and manifests has a hundred of them at hand, of which one file
needs a third: compiling all was a fifth of a start.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

_compiled = re.compile


def pattern(text: str, flags: int = 0, near: tuple[str, ...] = ()) -> re.Pattern[str]:
    """As `re.compile`, later: what is wrong with `text` is raised at its first use.

    Every match must hold a word of `near`, where some are named: it is sought only in texts that
    have one, by `search`, `finditer`, `findall` and `sub`.
    """
    late = Late(text, flags)
    return cast("re.Pattern[str]", Near(late, near) if near else late)


@contextmanager
def late_patterns() -> Iterator[None]:
    """Whoever is imported meanwhile compiles its patterns when it first uses them, too.

    For libraries that compile far more than is used here, while no other thread runs.
    """
    re.compile = Late  # type: ignore[assignment]
    try:
        yield
    finally:
        re.compile = _compiled


class Late:
    """Stands in for a pattern: each attribute is the pattern's own from its first use on."""

    def __init__(self, pattern: str, flags: int = 0) -> None:
        self._given = (pattern, flags)

    def __getattr__(self, name: str) -> Any:
        found = getattr(_compiled(*self._given), name)
        setattr(self, name, found)
        return found


class Near:
    """It is compiled once a text has one of its words: most are about what few manifests do."""

    def __init__(self, whole: Late, near: tuple[str, ...]) -> None:
        self._whole, self.near = whole, near

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole, name)

    def search(self, text: str) -> re.Match[str] | None:
        """As of a pattern."""
        return self._whole.search(text) if self._is_near(text) else None

    def finditer(self, text: str) -> Iterator[re.Match[str]]:
        """As of a pattern."""
        return self._whole.finditer(text) if self._is_near(text) else iter(())

    def findall(self, text: str) -> list[Any]:
        """As of a pattern."""
        return self._whole.findall(text) if self._is_near(text) else []

    def sub(self, instead: str | Callable[[re.Match[str]], str], text: str) -> str:
        """As of a pattern."""
        return self._whole.sub(instead, text) if self._is_near(text) else text

    def _is_near(self, text: str) -> bool:
        return any(word in text for word in self.near)
