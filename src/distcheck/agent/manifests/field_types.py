"""The types that fields have, from the two tables, and what a value of another type meant."""

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct

from distcheck.agent.cluster.quantity import parse_quantity


class _Custom(Struct, frozen=True):
    """Custom resources: their types, and by kind the release that the table is of."""

    releases: Mapping[str, str]
    types: Mapping[str, Mapping[str, str]]


@cache
def _custom() -> _Custom:
    return msgspec.json.decode(_table("crd_fields.json"), type=_Custom)


@cache
def fields() -> Mapping[str, Mapping[str, str]]:
    """By type, the type of each field: `[X` is a list of X, `{X` a mapping to X."""
    return {**msgspec.json.decode(_table("fields.json")), **_custom().types}


def release_of(type_: str) -> str:
    """The release that a type of a custom resource is of, empty for types of Kubernetes."""
    custom = _custom()
    return custom.releases.get(type_.partition(" ")[0], "") if type_ in custom.types else ""


def _table(name: str) -> bytes:
    with open(__file__.replace("field_types.py", name), "rb") as file:  # noqa: PTH123 - as files.py
        return file.read()


def meant(kind: str, value: Any) -> tuple[bool, Any]:
    """Whether it is of this type, and what it was meant to be."""
    if kind == "quantity":
        bad = isinstance(value, bool) or parse_quantity(value) is None
        return not bad, None if bad else value
    if kind == "str":
        return isinstance(value, str), _text(value)
    if kind == "port" and isinstance(value, str) and not value.isdigit():
        return True, value
    if kind == "bool":
        switch = value if isinstance(value, bool) else str(value).lower() == "true"
        return isinstance(value, bool), switch
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number(kind, value)
    text = str(value).strip()
    return False, int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _number(kind: str, value: float) -> tuple[bool, Any]:
    """The API server is sent JSON: there `4.0` is 4."""
    if kind == "float" or isinstance(value, int):
        return True, value
    return value.is_integer(), int(value) if math.isfinite(value) else None


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
