"""Integer arithmetic of the shell, `$((A * B))`, over what is known."""

import re
from collections.abc import Callable, Iterator

from distcheck.pattern import pattern

Lookup = Callable[[str], str | None]

_TOKEN = pattern(r"\s*(?:(\d{1,18})|\$?\{?([A-Za-z_]\w{0,127})\}?|([-+*/%()]))", re.ASCII)
_NUMBER = pattern(r"\s*-?\d{1,18}\s*\Z", re.ASCII)
_MOST_CHARACTERS = 256
_MOST_DIGITS = 10**18
_MOST_DEPTH = 16


class _UnknownError(ValueError):
    """A name without a number, or a form that is not read here."""


def arithmetic(text: str, lookup: Lookup) -> int | None:
    """The value of `text`; None where a name is not known or the form is not read.

    Reads + - * / % and parentheses over whole numbers of at most 18 digits; division
    truncates towards zero, as C has it.
    """
    if len(text) > _MOST_CHARACTERS:
        return None
    try:
        return _Reader(tuple(_tokens(text)), lookup).whole()
    except _UnknownError:
        return None


def _tokens(text: str) -> Iterator[str]:
    at = 0
    while at < len(text.rstrip()):
        found = _TOKEN.match(text, at)
        if found is None:
            raise _UnknownError
        yield found[1] or found[2] or found[3]
        at = found.end()


class _Reader:
    """A recursive descent over tokens: sums of products of values."""

    def __init__(self, tokens: tuple[str, ...], lookup: Lookup) -> None:
        self._tokens, self._lookup, self._at, self._depth = tokens, lookup, 0, 0

    def whole(self) -> int:
        value = self._sum()
        if self._at < len(self._tokens):
            raise _UnknownError
        return value

    def _sum(self) -> int:
        value = self._product()
        while (sign := self._taken("+", "-")) is not None:
            other = self._product()
            value = _bounded(value + other if sign == "+" else value - other)
        return value

    def _product(self) -> int:
        value = self._value()
        while (sign := self._taken("*", "/", "%")) is not None:
            value = _bounded(_multiplied(sign, value, self._value()))
        return value

    def _value(self) -> int:
        self._depth += 1
        if self._depth > _MOST_DEPTH or self._at >= len(self._tokens):
            raise _UnknownError
        value = self._signed()
        self._depth -= 1
        return value

    def _signed(self) -> int:
        sign = self._tokens[self._at]
        self._at += 1
        if sign == "(":
            value = self._sum()
            if self._taken(")") is None:
                raise _UnknownError
            return value
        if sign in ("+", "-"):
            return self._value() if sign == "+" else -self._value()
        return _number(sign, self._lookup)

    def _taken(self, *signs: str) -> str | None:
        here = self._tokens[self._at] if self._at < len(self._tokens) else ""
        if here not in signs:
            return None
        self._at += 1
        return here


def _number(token: str, lookup: Lookup) -> int:
    text = token if token.isdigit() else lookup(token)
    if text is None or _NUMBER.match(text) is None or _is_octal(text):
        raise _UnknownError
    return int(text)


def _is_octal(text: str) -> bool:
    """A leading zero makes a number octal in a shell."""
    return len(text.strip()) > 1 and text.strip().startswith("0")


def _multiplied(sign: str, one: int, other: int) -> int:
    if sign == "*":
        return one * other
    if other == 0:
        raise _UnknownError
    quotient = abs(one) // abs(other) * (1 if (one < 0) == (other < 0) else -1)
    return quotient if sign == "/" else one - quotient * other


def _bounded(value: int) -> int:
    if abs(value) >= _MOST_DIGITS:
        raise _UnknownError
    return value
