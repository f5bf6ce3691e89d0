"""JSON files of a container, which is not trusted."""

import json
from contextlib import AbstractContextManager
from typing import Protocol

from distcheck.agent.redact import plain_text

MAX_TEXT = 512


class Files(Protocol):
    """The part of a container's file system that readers of models and engines need."""

    def read(self, path: str, limit: int) -> bytes:
        """A regular file, at most `limit` bytes."""
        ...

    def names(self, path: str) -> list[str]:
        """The names in a folder, sorted."""
        ...

    def opened(self, path: str) -> AbstractContextManager[int]:
        """A descriptor of a regular file, open for reading."""
        ...


class NotJsonError(ValueError):
    """Not one JSON object; the message names the file."""


def json_object(data: bytes, path: str) -> dict[str, object]:
    """The object that `data`, the content of `path`, is.

    Raises:
        NotJsonError: it is none.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise NotJsonError(f"{path} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise NotJsonError(f"{path} is not a JSON object")
    return value


def inner(value: object, key: str) -> dict[str, object]:
    """The object below `key`; empty where there is none."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def count(value: object, key: str) -> int | None:
    """A number of 0 to 2**63 below `key`."""
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, int) or isinstance(found, bool):
        return None
    return found if 0 <= found < 1 << 63 else None


def text(value: object, key: str) -> str | None:
    """A text below `key`, cut short and without what looks like a secret."""
    found = value.get(key) if isinstance(value, dict) else None
    return plain_text(found[:MAX_TEXT]) if isinstance(found, str) and found else None
