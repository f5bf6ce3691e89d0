"""Watches: what changed since a revision, line by line (the API's WatchEvent)."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from distcheck.lab.apiserver.answers import status
from distcheck.lab.apiserver.ask import Ask
from distcheck.lab.apiserver.history import History
from distcheck.lab.apiserver.kinds import Kind
from distcheck.lab.apiserver.store import of_kind, selected

Object = dict[str, Any]
Event = tuple[str, Object]

_LONGEST_S = 1800
_GONE = "too old resource version: {asked} ({now})"


def watch_lines(history: History, kind: Kind, ask: Ask) -> Iterator[bytes]:
    """Events as JSON lines until `timeoutSeconds`, a revision that is gone, or the end.

    Without a revision, or with 0, what there is comes first as ADDED. An object that no
    longer fits the selectors is DELETED, as the real server tells it.

    Raises:
        ValueError: a selector or a number that cannot be read.
    """
    choose = _chosen(kind, ask)
    choose(history.now[1])
    seconds = min(int(ask.value("timeoutSeconds") or _LONGEST_S), _LONGEST_S)
    revision = int(ask.value("resourceVersion") or 0)
    last: dict[str, Object] = {}
    if revision:
        known = history.at(revision)
        if known is None:
            yield _expired(revision, history.now[0])
            return
        last = choose(known)
    for now, objects in history.since(revision, seconds):
        if objects is None:
            yield _expired(revision, now)
            return
        current = choose(objects)
        yield from (_line(kind_of, one) for kind_of, one in changes(last, current, now))
        last, revision = current, now
    if ask.flag("allowWatchBookmarks"):
        yield _line("BOOKMARK", _bookmark(kind, revision or history.now[0]))


def changes(last: dict[str, Object], current: dict[str, Object], revision: int) -> Iterator[Event]:
    """What turns `last` into `current`: a deleted object bears the revision of its end."""
    for key, one in last.items():
        if key not in current:
            yield "DELETED", {**one, "metadata": one["metadata"] | _version(revision)}
    for key, one in current.items():
        if key not in last:
            yield "ADDED", one
        elif last[key] != one:
            yield "MODIFIED", one


def _chosen(kind: Kind, ask: Ask) -> Callable[[tuple[Object, ...]], dict[str, Object]]:
    def choose(objects: tuple[Object, ...]) -> dict[str, Object]:
        found = selected(of_kind(objects, kind, ask.namespace), kind, ask)
        named = [o for o in found if ask.name in ("", o["metadata"]["name"])]
        return {f"{o['metadata'].get('namespace')}/{o['metadata']['name']}": o for o in named}

    return choose


def _line(kind_of: str, one: Object) -> bytes:
    return json.dumps({"type": kind_of, "object": one}).encode() + b"\n"


def _expired(asked: int, now: int) -> bytes:
    gone = json.loads(status(410, _GONE.format(asked=asked, now=now)).body)
    return _line("ERROR", gone)


def _bookmark(kind: Kind, revision: int) -> Object:
    return {
        "kind": kind.kind,
        "apiVersion": kind.api_version,
        "metadata": {**_version(revision), "creationTimestamp": None},
    }


def _version(revision: int) -> dict[str, str]:
    return {"resourceVersion": str(revision)}
