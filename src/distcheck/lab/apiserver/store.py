"""The objects that are served, and how requests find them."""

import base64
import binascii
from typing import Any

from distcheck.lab.apiserver.answers import Answer, as_json, not_found, status
from distcheck.lab.apiserver.ask import Ask
from distcheck.lab.apiserver.kinds import Kind
from distcheck.lab.apiserver.selectors import field_match, label_match
from distcheck.lab.apiserver.table import as_table

Object = dict[str, Any]
Objects = tuple[Object, ...]


def find(objects: Objects, kind: Kind, namespace: str, name: str) -> Object | None:
    """The one object of that kind and name, or None."""
    return next((o for o in of_kind(objects, kind, namespace) if _name(o) == name), None)


def of_kind(objects: Objects, kind: Kind, namespace: str = "") -> list[Object]:
    """All objects of a kind, of all namespaces where `namespace` is empty, by name."""
    found = [o for o in objects if o.get("kind") == kind.kind and _group(o) == kind.group]
    inside = [o for o in found if not namespace or _namespace(o) == namespace]
    return sorted(inside, key=lambda o: (_namespace(o), _name(o)))


def read(objects: Objects, revision: int, kind: Kind, ask: Ask) -> Answer:
    """Answer a get or a list."""
    if not ask.name:
        return _list(objects, revision, kind, ask)
    found = find(objects, kind, ask.namespace, ask.name)
    if found is None:
        return not_found(kind.plural, ask.name, kind.group)
    return as_json(as_table([found], kind, revision) if _tabular(ask) else found)


def _list(objects: Objects, revision: int, kind: Kind, ask: Ask) -> Answer:
    try:
        found = selected(of_kind(objects, kind, ask.namespace), kind, ask)
        start = _start(ask.value("continue"), revision)
    except ValueError as error:
        return status(400, str(error))
    if start is None:
        return status(410, "The provided continue parameter is too old")
    limit = int(ask.value("limit", "0") or 0) or len(found)
    page, rest = found[start : start + limit], len(found) - start - limit
    if _tabular(ask):
        body = as_table(page, kind, revision)
    else:
        items = page if kind.extension else [_bare(o) for o in page]
        body = {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "items": items}
    body["metadata"] = _list_metadata(revision, start + limit, rest)
    return as_json(body)


def check_selectors(kind: Kind, ask: Ask) -> None:
    """Read the selectors and drop them.

    Raises:
        ValueError: one cannot be read, or names a field that this kind is not selected by.
    """
    selected([], kind, ask)


def selected(found: list[Object], kind: Kind, ask: Ask) -> list[Object]:
    """Those that fit the request's selectors; raises as `check_selectors`."""
    labels = label_match(ask.value("labelSelector"))
    fields = field_match(ask.value("fieldSelector"), kind.fields)
    return [o for o in found if labels(o["metadata"].get("labels") or {}) and fields(o)]


def _bare(obj: Object) -> Object:
    """Items of a list of a built-in kind come without their kind, as Go's types encode them."""
    return {k: v for k, v in obj.items() if k not in ("kind", "apiVersion")}


def _start(token: str, revision: int) -> int | None:
    """Where a continued list goes on; None where the objects have changed since."""
    if not token:
        return 0
    try:
        made_at, _, start = base64.urlsafe_b64decode(token).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("continue key is not valid") from None
    return int(start) if made_at == str(revision) else None


def _list_metadata(revision: int, start: int, rest: int) -> Object:
    if rest <= 0:
        return {"resourceVersion": str(revision)}
    token = base64.urlsafe_b64encode(f"{revision}:{start}".encode()).decode()
    return {
        "resourceVersion": str(revision),
        "continue": token,
        "remainingItemCount": rest,
    }


def _tabular(ask: Ask) -> bool:
    return "as=Table" in ask.accept


def _name(obj: Object) -> str:
    return str(obj["metadata"].get("name", ""))


def _namespace(obj: Object) -> str:
    return str(obj["metadata"].get("namespace", ""))


def _group(obj: Object) -> str:
    return str(obj.get("apiVersion", "")).rpartition("/")[0]
