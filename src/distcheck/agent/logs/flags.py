"""Reading flags as argparse and click do, from a table of those that matter."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from distcheck.pattern import pattern

TEXT, INT, FLOAT, BOOL = "text", "int", "float", "bool"
_LONGEST_REASON = 200
_PATTERNS = {
    INT: pattern(r"\d{1,9}", re.ASCII),
    FLOAT: pattern(r"\d{0,6}\.?\d{1,6}", re.ASCII),
}
Kinds = Mapping[str, tuple[str, str]]


class Grammar(Struct, frozen=True):
    """The flags of one program.

    `flags` maps long names to a field and a kind, `short` maps aliases to long names, and
    `neighbours` are long flags that share a prefix with one of those: an abbreviation that
    fits both is ambiguous. `switches` are other flags that take no value.
    """

    flags: Kinds
    short: Mapping[str, str] = {}
    neighbours: frozenset[str] = frozenset()
    switches: frozenset[str] = frozenset()

    def named(self, name: str) -> str | None:
        """The flag that `name` stands for: itself, an alias, or a prefix of only one."""
        if name in self.short:
            return self.short[name]
        long = name.replace("_", "-")
        if long in self.flags:
            return long
        if not long.startswith("--") or long in self.neighbours or len(long) < 4:
            return None
        fits = [f for f in (*self.flags, *self.neighbours) if f.startswith(long)]
        return fits[0] if len(fits) == 1 and fits[0] in self.flags else None


class Read(Struct, frozen=True):
    """Values by field; the words that belong to no flag; flags whose value cannot be read.

    `open` is a word that a shell has yet to fill in, and may become any flags (`$EXTRA_ARGS`).
    """

    values: dict[str, Any]
    positional: str | None = None
    unread: dict[str, str] = {}
    open: str | None = None


def read_flags(arguments: Sequence[str], grammar: Grammar) -> Read:
    """What `arguments` ask for; of one flag the last wins, also where it cannot be read.

    `positional` is the first word, or the first behind flags whose arity is known.
    """
    reader, words = _Reader(grammar), iter(arguments)
    for word in words:
        if word.startswith("-"):
            reader.flag(word, words)
        else:
            reader.word(word)
    return reader.read


class _Reader:
    """Word after word; `_valued`: the last one was a flag that may take the next for its value."""

    def __init__(self, grammar: Grammar) -> None:
        self._grammar = grammar
        self._values: dict[str, object] = {}
        self._unread: dict[str, str] = {}
        self._positional: str | None = None
        self._open: str | None = None
        self._certain, self._valued = True, False

    @property
    def read(self) -> Read:
        """What was read so far."""
        values = {k: v for k, v in self._values.items() if v is not None}
        return Read(values, self._positional, self._unread, self._open)

    def word(self, word: str) -> None:
        """One that begins without a dash: the model, a value, or what a shell has yet to fill."""
        filled = bool(set("$`") & set(word))
        is_model = self._certain and self._positional is None
        is_model = is_model and not (filled and "model" in self._values)
        is_one = is_model and not word.endswith(("@]}", "$@"))
        if filled and not self._valued and not is_one:
            self._open = word[:_LONGEST_REASON]
        self._valued = False
        if is_model:
            self._positional = word
        self._certain = self._certain and self._positional is not None

    def flag(self, word: str, rest: Iterator[str]) -> None:
        """A flag, with its value, which may be the next word of `rest`."""
        name, equals, inline = word.partition("=")
        self._valued = False
        off = self._grammar.named(f"--{name[5:]}") if name.startswith("--no-") else None
        if off is not None and self._grammar.flags[off][1] == BOOL:
            self._values[self._grammar.flags[off][0]] = False
            return
        flag = self._grammar.named(name)
        if flag is None and word[2:].isdecimal() and word[:2] in self._grammar.short:
            flag, equals, inline = self._grammar.named(word[:2]), "=", word[2:]
        if flag is None:
            self._valued = not equals and name.replace("_", "-") not in self._grammar.switches
            self._certain = self._certain and not self._valued
            return
        kind = self._grammar.flags[flag][1]
        self._keep(flag, inline if equals else ("" if kind == BOOL else next(rest, "")))

    def _keep(self, flag: str, text: str) -> None:
        """Of one flag the last wins, also where it cannot be read."""
        field, kind = self._grammar.flags[flag]
        value = _value(kind, text)
        self._unread.pop(field, None)
        self._values[field] = value
        if value is None:
            self._unread[field] = f"{flag} {text}"[:_LONGEST_REASON]


def _value(kind: str, text: str) -> object:
    if kind == BOOL:
        return text.lower() not in ("false", "0")
    if kind == TEXT:
        return text or None
    if _PATTERNS[kind].fullmatch(text) is None:
        return None
    return int(text) if kind == INT else float(text)
