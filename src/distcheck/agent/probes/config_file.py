"""The file that `vllm serve --config FILE` names: YAML, read as far as vLLM's own form goes.

vLLM takes one flat mapping from flags to values, lists of values, or one mapping more
(`vllm/utils/argparse_utils.py`). Anchors, tags, block texts and deeper nesting are not read:
each such key is named instead, as it may hold anything.
"""

import json
import re
from collections.abc import Iterator, Sequence

from msgspec import Struct

from distcheck.agent.redact import FLAGS
from distcheck.pattern import pattern

_MAX_LINES = 2000
_MAX_LINE = 8192
_KEY = pattern(r"([A-Za-z][\w-]{0,79})[ ]*:(?:[ ]+(.*))?\Z", re.ASCII | re.DOTALL)
_TRUE = ("true", "yes", "on")
_FALSE = ("false", "no", "off")
_NOT_PLAIN = tuple("&*!|>%@`{[")
_OCTAL = pattern(r"[-+]?0[0-7_]+")
"""A plain number that starts with 0 is octal in YAML 1.1."""
_NULL = ("", "~", "null")


class ConfigFile(Struct, frozen=True):
    """Values by flag name (`tensor-parallel-size`), in the file's order.

    No value: a switch that is on. `unread` are the keys that were not read, or their lines
    where the key is none of the flags that may leave the node: it may be anything.
    """

    values: dict[str, tuple[str, ...]]
    unread: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """The same as a command line has it."""
        return tuple(w for name, values in self.values.items() for w in _words(name, values))


def _words(name: str, values: Sequence[str]) -> tuple[str, ...]:
    return (f"--{name}={values[0]}",) if len(values) == 1 else (f"--{name}", *values)


class _NotReadError(ValueError):
    """A value of a form that is not read here."""


def parsed(text: str) -> ConfigFile:
    """What the file asks for; never fails, whatever `text` is."""
    values: dict[str, tuple[str, ...]] = {}
    unread: list[str] = []
    lines = text.removeprefix("\ufeff").splitlines()
    for key, number, head, block in _entries(lines[:_MAX_LINES]):
        name = key.replace("_", "-")
        values.pop(name, None)
        try:
            found = _value(head, block) if key else None
        except _NotReadError:
            unread.append(name if name in FLAGS else f"line {number}")
            continue
        if key and found is not None:
            values[name] = found
        elif not key:
            unread.append(f"line {number}")
    if len(lines) > _MAX_LINES:
        unread.append(f"what follows line {_MAX_LINES}")
    return ConfigFile(values, tuple(unread))


def _entries(lines: Sequence[str]) -> Iterator[tuple[str, int, str, list[str]]]:
    """(key, line number, value beside it, lines below it); no key: a line that is no entry."""
    at = 0
    while at < len(lines):
        line, number = _without_comment(lines[at]), at + 1
        at += 1
        if not line.strip() or (line == "---" and number == 1):
            continue
        block: list[str] = []
        while at < len(lines) and _belongs(lines[at]):
            block.append(_without_comment(lines[at]))
            at += 1
        found = _KEY.match(line) if len(line) <= _MAX_LINE else None
        yield (found[1], number, (found[2] or "").strip(), block) if found else ("", number, "", [])


def _belongs(line: str) -> bool:
    """A line of the entry above: indented, an item of its list, or nothing."""
    return not line.strip() or line.startswith((" ", "\t", "- ", "#")) or line == "-"


def _without_comment(line: str) -> str:
    """`line` up to a `#` that starts it or follows a space, outside quotes."""
    quote = ""
    for at, char in enumerate(line[: _MAX_LINE + 1]):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"" and (at == 0 or line[at - 1] in " :,[{-"):
            quote = char
        elif char == "#" and (at == 0 or line[at - 1] in " \t"):
            return line[:at].rstrip()
    return line.rstrip()


def _value(head: str, block: Sequence[str]) -> tuple[str, ...] | None:
    """The words after the flag; None for a switch that is off."""
    below = [line for line in block if line.strip()]
    if head and below:
        raise _NotReadError
    if below:
        return _below(below)
    if head.startswith(("{", "[")):
        return _flow(head)
    if head.lower() in _FALSE:
        return None
    return () if head.lower() in _TRUE else (_scalar(head),)


def _below(lines: Sequence[str]) -> tuple[str, ...]:
    """A list of scalars, or a mapping of scalars as the JSON that vLLM makes of it."""
    indent = len(lines[0]) - len(lines[0].lstrip(" "))
    rest = [line[indent:] for line in lines]
    if any(
        line[:indent].strip() or not one or one[0] in " \t"
        for line, one in zip(lines, rest, strict=True)
    ):
        raise _NotReadError
    if all(one.startswith("- ") for one in rest):
        return tuple(_scalar(one[2:].strip()) for one in rest)
    pairs = [_KEY.match(one) for one in rest]
    if indent == 0 or not all(pairs):
        raise _NotReadError
    named = {pair[1]: _typed((pair[2] or "").strip()) for pair in pairs if pair}
    return (json.dumps(named),)


def _flow(text: str) -> tuple[str, ...]:
    """`[a, b]` and `{"a": 1}` where they are JSON too, and a list of plain words."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return _plain_list(text)
    if isinstance(value, dict):
        return (json.dumps(value),)
    if not isinstance(value, list) or any(isinstance(v, list | dict) for v in value):
        raise _NotReadError
    return tuple(v if isinstance(v, str) else json.dumps(v) for v in value)


def _plain_list(text: str) -> tuple[str, ...]:
    inside = text[1:-1]
    if text[0] != "[" or text[-1] != "]" or any(c in inside for c in "[]{}'\"&*:#"):
        raise _NotReadError
    return tuple(_scalar(word.strip()) for word in inside.split(","))


def _scalar(text: str) -> str:
    """A plain or quoted scalar."""
    if text[:1] == "'" == text[-1:] and len(text) > 1 and "'" not in text[1:-1]:
        return text[1:-1]
    if text[:1] == '"' == text[-1:] and len(text) > 1 and not set(text[1:-1]) & set('"\\'):
        return text[1:-1]
    odd = text.startswith((*_NOT_PLAIN, "'", '"', "- ", "? ")) or ": " in text or text.endswith(":")
    if odd or text.lower() in _NULL or _OCTAL.fullmatch(text):
        raise _NotReadError
    return text


def _typed(text: str) -> object:
    """A scalar as JSON has it: a number or a switch where it is one."""
    if text.lower() in (*_TRUE, *_FALSE):
        return text.lower() in _TRUE
    word = _scalar(text)
    return int(word) if re.fullmatch(r"-?[0-9]{1,18}", text) else word
