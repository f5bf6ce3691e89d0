"""The one door to PyYAML (it comes with the kubernetes client): text to plain values, bounded.

Aliases, tags and merge keys are not followed, so no text can grow; what is nested too deep or
too long is not read at all.
"""

import re
from typing import Any

from distcheck.pattern import pattern

_MOST_CHARACTERS = 1 << 20
_MOST_EVENTS = 20_000
_MOST_DEPTH = 40
_INT = pattern(r"[-+]?(0|[1-9][0-9]{0,17})", re.ASCII)
_SWITCHES = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_NULLS = frozenset({"", "~", "null"})


class NotYamlError(ValueError):
    """The text is no YAML, or none that is read here; the message says which."""


def read_yaml(text: str) -> Any:
    """The first document of `text`: dicts with text keys, lists, text, whole numbers, switches.

    Raises:
        NotYamlError: whatever is wrong with `text`.
    """
    if len(text) > _MOST_CHARACTERS:
        raise NotYamlError("more than 1 MiB of YAML")
    import yaml  # type: ignore[import-untyped] # noqa: PLC0415 - only where a text is there

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    built = _Builder()
    try:
        for number, event in enumerate(yaml.parse(text, Loader=loader)):
            if number > _MOST_EVENTS:
                raise NotYamlError("too much YAML")
            if built.take(event):
                break
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise NotYamlError(" ".join(str(error).split())[:200]) from error
    return built.value


class _Builder:
    """Values from parser events, without recursion."""

    def __init__(self) -> None:
        self.value: Any = None
        self._open: list[Any] = []
        self._keys: list[Any] = []

    def take(self, event: Any) -> bool:
        """Use one event; whether the first document is done."""
        kind = type(event).__name__
        if kind == "AliasEvent":
            raise NotYamlError("aliases are not read")
        if kind in ("MappingStartEvent", "SequenceStartEvent"):
            self._begin({} if kind[0] == "M" else [])
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            self._open.pop()
            self._keys.pop()
        elif kind == "ScalarEvent":
            is_key = self._open and self._open[-1].__class__ is dict and self._keys[-1] is None
            self._put(event.value if is_key else _scalar(event.value, plain=event.implicit[0]))
        return kind == "DocumentEndEvent"

    def _begin(self, new: Any) -> None:
        if len(self._open) >= _MOST_DEPTH:
            raise NotYamlError("nested too deep")
        self._put(new)
        self._open.append(new)
        self._keys.append(None)

    def _put(self, value: Any) -> None:
        if not self._open:
            self.value = value
        elif isinstance(self._open[-1], list):
            self._open[-1].append(value)
        elif self._keys[-1] is None:
            if isinstance(value, dict | list):
                raise NotYamlError("a key is no text")
            self._keys[-1] = (str(value),)
        else:
            self._open[-1][self._keys[-1][0]] = value
            self._keys[-1] = None


def _scalar(text: str, *, plain: bool) -> Any:
    if not plain:
        return text
    if text.lower() in _NULLS:
        return None
    if _INT.fullmatch(text):
        return int(text)
    return _SWITCHES.get(text.lower(), text)
