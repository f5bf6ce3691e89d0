"""Plain words of a command line: `--name value`, `--name=value`, `-n value`, a switch, a path.

Whatever else somebody types (`-nvalue`, `--`, a number, a word that does not fit) is left to the
library, which knows every form and how to refuse one.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec import Struct


class Option(Struct, frozen=True):
    """An option as its command declares it."""

    names: tuple[str, ...]
    says: str
    metavar: str | None


class Argument(Struct, frozen=True):
    """A positional argument as its command declares it."""

    says: str
    metavar: str


class _Unclear(Exception):  # noqa: N818 - an answer, not an error
    """The words are not plain."""


class Parameter(Struct, frozen=True):
    """What a command takes, by the annotation of its function."""

    name: str
    told: Option | Argument
    is_switch: bool
    is_many: bool
    is_text: bool
    is_required: bool


def ask_for_help(argv: Sequence[str]) -> bool:
    """Whether help is among the words; behind `--` there are none but names of files."""
    own = argv[: argv.index("--")] if "--" in argv else argv
    return "-h" in own or "--help" in own


def bound(body: Callable[..., int], argv: list[str]) -> dict[str, Any] | None:
    """The arguments of `body` that `argv` gives; None where the words are not plain."""
    ours = list(parameters(body))
    found: dict[str, Any] = {}
    words = iter(argv)
    try:
        for word in words:
            _take(word, words, ours, found)
    except _Unclear:
        return None
    return found if {p.name for p in ours if p.is_required} <= found.keys() else None


def parameters(body: Callable[..., int]) -> Iterator[Parameter]:
    """What `body` takes, in its order."""
    default = {*(body.__kwdefaults__ or {}), *_defaulted(body)}
    for name, hint in body.__annotations__.items():
        if name != "return":
            kind, (told,) = hint.__origin__, hint.__metadata__
            many, text = str(kind).startswith("list"), "str" in str(kind)
            yield Parameter(name, told, kind is bool, many, text, name not in default)


def _defaulted(body: Any) -> tuple[str, ...]:
    names = body.__code__.co_varnames[: body.__code__.co_argcount]
    return tuple(names[len(names) - len(body.__defaults__ or ()) :])


def _take(word: str, words: Iterator[str], ours: list[Parameter], found: dict[str, Any]) -> None:
    if word.startswith("-") and word != "-":
        one, value = _option(word, words, ours)
    else:
        one, value = _one([p for p in ours if isinstance(p.told, Argument)]), word
    if not (one.is_text or one.is_switch):
        raise _Unclear
    if one.is_many:
        found.setdefault(one.name, []).append(value)
    elif one.name in found:
        raise _Unclear
    else:
        found[one.name] = value


def _option(word: str, words: Iterator[str], ours: list[Parameter]) -> tuple[Parameter, Any]:
    name, has_value, value = word.partition("=") if word.startswith("--") else (word, "", "")
    one = _one([p for p in ours if isinstance(p.told, Option) and name in p.told.names])
    if one.is_switch and not has_value:
        return one, True
    if not has_value:
        value = next(words, "-")
        if value.startswith("-") and value != "-":
            raise _Unclear
    if one.is_switch or (value == "-" and not has_value):
        raise _Unclear
    return one, value


def _one(found: list[Parameter]) -> Parameter:
    if len(found) != 1:
        raise _Unclear
    return found[0]
