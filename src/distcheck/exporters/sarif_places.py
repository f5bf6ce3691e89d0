"""Files and places as SARIF has them."""

from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from distcheck.checks.manifest.report import PIPED, At
from distcheck.exporters.typography import visible


def location(at: At, root: str) -> dict[str, Any]:
    """A place; files below the folder `root` are named from there."""
    place: dict[str, Any] = {"artifactLocation": artifact(at.file, root)}
    if at.line:
        end = min(at.end_column, at.cut + len(at.source) + 1) if at.source else at.end_column
        place["region"] = {
            "startLine": at.line, "startColumn": at.column, "endLine": at.line,
            "endColumn": max(end, at.column),
        }  # fmt: skip
    told: dict[str, Any] = {"physicalLocation": place}
    if at.object:
        told["logicalLocations"] = [{"fullyQualifiedName": visible(_qualified(at))}]
    return told


def _qualified(at: At) -> str:
    spaced = "/".join(p for p in (at.namespace, at.object) if p)
    return f"{spaced}.{at.path}" if at.path else spaced


def artifact(file: str, root: str) -> dict[str, Any]:
    """Below `root` an address from there; else the whole one, which code scanning cannot show."""
    if file == PIPED:
        return {"uri": "stdin"}
    path = _plain(PurePath(root, file))
    if path.is_relative_to(root) and ".." not in path.parts:
        return {"uri": _quoted(path.relative_to(root)), "uriBaseId": "%SRCROOT%"}
    return {"uri": path.as_uri() if path.is_absolute() else _quoted(path)}


def _plain(path: PurePath) -> PurePath:
    """Without `..`, where the folder before each is named."""
    parts: list[str] = []
    for part in path.parts:
        if part != ".." or not parts or parts[-1] == "..":
            parts.append(part)
        elif parts[-1] != path.anchor:
            parts.pop()
    return PurePath(*parts)


def _quoted(path: PurePath) -> str:
    return quote(path.as_posix().encode(errors="surrogateescape"))
