"""Discovery: what kubectl reads before it asks for anything."""

from collections.abc import Iterable

from distcheck.lab.apiserver.answers import Answer, as_json
from distcheck.lab.apiserver.kinds import Kind

VERSION = {"major": "1", "minor": "36", "gitVersion": "v1.36.0", "platform": "linux/amd64"}
_PROBES = ("healthz", "livez", "readyz")
_POD_STREAMS = ("exec", "portforward")


def discover(path: str, kinds: tuple[Kind, ...]) -> Answer | None:
    """The answer for a path that names no resource, or None where there is no such path."""
    parts = path.strip("/").split("/")
    if parts == ["version"]:
        return as_json(VERSION)
    if parts[0] in _PROBES:
        return Answer(200, b"ok", "text/plain; charset=utf-8")
    if parts == ["api"]:
        return as_json({"kind": "APIVersions", "versions": ["v1"]})
    if parts == ["apis"]:
        return as_json(_groups(kinds))
    if parts[0] in ("api", "apis"):
        return _group_or_resources(parts[1:], kinds)
    return None


def _group_or_resources(parts: list[str], kinds: tuple[Kind, ...]) -> Answer | None:
    wanted = "/".join(parts)
    found = [k for k in kinds if k.api_version == wanted]
    if found:
        return as_json(_resources(wanted, found))
    inside = [k for k in kinds if k.group and k.group == wanted]
    return as_json({"kind": "APIGroup", "apiVersion": "v1", **_group(inside)}) if inside else None


def _groups(kinds: tuple[Kind, ...]) -> dict[str, object]:
    names = dict.fromkeys(k.group for k in kinds if k.group)
    groups = [_group(k for k in kinds if k.group == name) for name in names]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def _group(kinds: Iterable[Kind]) -> dict[str, object]:
    inside = list(kinds)
    versions = [
        {"groupVersion": k.api_version, "version": k.version}
        for k in {k.version: k for k in inside}.values()
    ]
    return {"name": inside[0].group, "versions": versions, "preferredVersion": versions[0]}


def _resources(group_version: str, kinds: Iterable[Kind]) -> dict[str, object]:
    resources = [r for k in kinds for r in (_resource(k), *_subresources(k))]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": resources,
    }


def _resource(kind: Kind) -> dict[str, object]:
    reviews = kind.group == "authorization.k8s.io"
    verbs = ["create"] if reviews else ["get", "list", "watch"]
    return {
        "name": kind.plural,
        "singularName": kind.kind.lower(),
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": verbs,
        "shortNames": list(kind.short),
    }


def _subresources(kind: Kind) -> list[dict[str, object]]:
    if kind.kind != "Pod":
        return []
    streams = [_sub("pods/log", "Pod", ["get"])]
    return [*streams, *(_sub(f"pods/{s}", "PodOptions", ["create", "get"]) for s in _POD_STREAMS)]


def _sub(name: str, kind: str, verbs: list[str]) -> dict[str, object]:
    return {"name": name, "singularName": "", "namespaced": True, "kind": kind, "verbs": verbs}
