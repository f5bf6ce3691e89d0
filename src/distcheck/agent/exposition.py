"""Prometheus's text format, as far as a few named gauges go."""

import re
from collections.abc import Iterator

from msgspec import Struct

_MAX_LINE = 16384
_MAX_SAMPLES = 4096
_NAME = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]{0,199}")
_LABEL = re.compile(r'\s*([A-Za-z_]\w{0,199})="((?:[^"\\\n]|\\.)*)"\s*(,|(?=\}))', re.ASCII)
_ESCAPED = re.compile(r"\\(.)")
_VALUE = re.compile(r"\}?\s+([-+0-9.eEInfNa]{1,32})(?:\s|\Z)")


class Sample(Struct, frozen=True):
    """One line: a metric's name, its labels, its value."""

    name: str
    labels: dict[str, str]
    value: float


def samples(text: str, names: frozenset[str]) -> Iterator[Sample]:
    """Samples of the metrics `names`, at most 4,096; a line of another form is left out.

    Total and linear on any text (prometheus.io/docs/instrumenting/exposition_formats).
    """
    left = _MAX_SAMPLES
    for line in text.split("\n"):
        name = _NAME.match(line) if len(line) <= _MAX_LINE else None
        if name is None or name[0] not in names:
            continue
        found = _sample(name[0], line, name.end())
        if found is None:
            continue
        yield found
        left -= 1
        if not left:
            return


def _sample(name: str, line: str, at: int) -> Sample | None:
    labels: dict[str, str] = {}
    if line.startswith("{", at):
        at += 1
        while one := _LABEL.match(line, at):
            labels[one[1]] = _ESCAPED.sub(_plain, one[2])
            at = one.end()
        if not line.startswith("}", at):
            return None
    value = _VALUE.match(line, at)
    try:
        return Sample(name, labels, float(value[1])) if value else None
    except ValueError:
        return None


def _plain(escape: re.Match[str]) -> str:
    return "\n" if escape[1] == "n" else escape[1]
