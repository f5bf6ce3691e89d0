"""Reading flags as argparse and click do, from a table of those that matter."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

TEXT, INT, FLOAT, BOOL = "text", "int", "float", "bool"
_LONGEST_REASON = 200
_PATTERNS = {
    INT: re.compile(r"\d{1,9}", re.ASCII),
    FLOAT: re.compile(r"\d{0,6}\.?\d{1,6}", re.ASCII),
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
    values: dict[str, object] = {}
    unread: dict[str, str] = {}
    positional: str | None = None
    filled_in: str | None = None
    certain, words, valued = True, iter(arguments), False
    for word in words:
        if not word.startswith("-"):
            is_model = certain and positional is None
            is_one = is_model and not word.endswith(("@]}", "$@"))
            if set("$`") & set(word) and not valued and not is_one:
                filled_in = word[:_LONGEST_REASON]
            valued = False
            positional = word if is_model else positional
            certain = certain and positional is not None
            continue
        name, equals, inline = word.partition("=")
        valued = False
        off = grammar.named(f"--{name[5:]}") if name.startswith("--no-") else None
        if off is not None and grammar.flags[off][1] == BOOL:
            values[grammar.flags[off][0]] = False
            continue
        flag = grammar.named(name)
        if flag is None:
            valued = not equals and name.replace("_", "-") not in grammar.switches
            certain = certain and not valued
            continue
        field, kind = grammar.flags[flag]
        text = inline if equals else ("" if kind == BOOL else next(words, ""))
        value = _value(kind, text)
        unread.pop(field, None)
        values[field] = value
        if value is None:
            unread[field] = f"{flag} {text}"[:_LONGEST_REASON]
    return Read({k: v for k, v in values.items() if v is not None}, positional, unread, filled_in)


def _value(kind: str, text: str) -> object:
    if kind == BOOL:
        return text.lower() not in ("false", "0")
    if kind == TEXT:
        return text or None
    if _PATTERNS[kind].fullmatch(text) is None:
        return None
    return int(text) if kind == INT else float(text)
