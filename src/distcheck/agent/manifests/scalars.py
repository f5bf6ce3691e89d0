"""What unquoted words of YAML mean to `kubectl`: switches and numbers of YAML 1.1."""

import re
from typing import Any

from distcheck.pattern import pattern

_NUMBER = pattern(
    r"[-+]?(?:0[xX][0-9a-fA-F]{1,16}|0[bB][01]{1,64}|0[oO]?[0-7]{1,22}|(?:0|[1-9][0-9]{0,30}))\Z",
    re.ASCII,
)
_FLOAT = pattern(
    r"[-+]?(?:\.[0-9]{1,30}|[0-9]{1,30}(?:\.[0-9]{0,30})?)(?:[eE][-+]?[0-9]{1,3})?\Z", re.ASCII
)
_BASES = {"x": 16, "b": 2, "o": 8}
_SPELT = (str.lower, str.title, str.upper)
_SWITCHES = {
    spelt(word): word in ("y", "yes", "true", "on")
    for word in ("y", "yes", "true", "on", "n", "no", "false", "off")
    for spelt in _SPELT
}
_ENDLESS = {f"{sign}.{spelt('inf')}" for sign in ("", "+", "-") for spelt in _SPELT}
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


def plain_value(text: str) -> Any:
    """What an unquoted word means to `kubectl`: resolve.go of sigs.k8s.io/yaml (goyaml.v2).

    `y` and `on` are switches, `0o10` and `010` are 8, and dates and `1:30` are text.
    """
    first = text[:1]
    if not first or first.isalpha() or first == "~":
        return None if text in _NULLS else _SWITCHES.get(text, text)
    if not first.isdigit() and first not in "+-.":
        return text
    plain = text if first == "." else text.replace("_", "")
    if _NUMBER.match(plain):
        return _whole(plain)
    if _FLOAT.match(plain):
        number = float(plain)
        return number if abs(number) != _INFINITE else text
    return float(text.replace(".", "")) if text in _ENDLESS else text


_INFINITE = float("inf")


def _whole(plain: str) -> int:
    digits = plain.lstrip("+-")
    base = _BASES.get(digits[1:2].lower(), 8 if digits[0] == "0" and digits != "0" else 10)
    return int(plain, base)
