"""The environment of a container as far as its pod, and ConfigMaps, tell it."""

from collections.abc import Iterator, Mapping
from typing import Any

from distcheck.agent.cluster.podspec import environment
from distcheck.agent.logs.shell_variables import Known
from distcheck.pattern import pattern

Object = dict[str, Any]
ConfigMaps = Mapping[str, Mapping[str, str]]

_INDEXED = pattern(r"metadata\.(labels|annotations)\['([^']{1,317})'\]\Z")
_FIELDS = {
    "metadata.name": ("metadata", "name"),
    "metadata.namespace": ("metadata", "namespace"),
    "metadata.uid": ("metadata", "uid"),
    "spec.nodeName": ("spec", "nodeName"),
    "spec.serviceAccountName": ("spec", "serviceAccountName"),
    "status.podIP": ("status", "podIP"),
    "status.hostIP": ("status", "hostIP"),
}


def filled(pod: Object, container: Object, maps: ConfigMaps) -> Object:
    """`container` with the variables filled in that the pod's own fields, or `maps`, give.

    Secrets are never looked up; what is not known stays out.
    """
    env = [
        *_from(container, maps),
        *(_filled(pod, one, maps) for one in container.get("env") or ()),
    ]
    return {**container, "env": env}


def variables(pod: Object, container: Object) -> dict[str, str]:
    """What its shell sees, of a container that `filled` made: with the host's name."""
    spec = pod.get("spec", {})
    own = {} if spec.get("hostNetwork") else {"HOSTNAME": _host(pod)}
    return own | environment(container)


def known_to_shell(pod: Object, container: Object) -> Known:
    """As `variables`, with None for each that is set to what cannot be read, such as a Secret's."""
    given = (str(one.get("name")) for one in container.get("env") or () if "valueFrom" in one)
    return dict.fromkeys(given) | variables(pod, container)


def may_have_more(container: Object, maps: ConfigMaps) -> bool:
    """Whether a Secret, or a ConfigMap that was not read, may set any variable."""
    named = ((one.get("configMapRef") or {}).get("name") for one in container.get("envFrom") or ())
    return any(name not in maps for name in named)


def _host(pod: Object) -> str:
    return str(pod.get("spec", {}).get("hostname") or pod["metadata"]["name"])


def _from(container: Object, maps: ConfigMaps) -> Iterator[Object]:
    for one in container.get("envFrom") or ():
        held = maps.get((one.get("configMapRef") or {}).get("name", ""), {})
        for key, value in held.items():
            yield _literal(f"{one.get('prefix') or ''}{key}", value)


def _filled(pod: Object, one: Object, maps: ConfigMaps) -> Object:
    given = one.get("valueFrom")
    if not isinstance(given, dict):
        return one
    value = _field(pod, str((given.get("fieldRef") or {}).get("fieldPath", "")))
    key = given.get("configMapKeyRef") or {}
    value = maps.get(key.get("name", ""), {}).get(key.get("key", "")) if key else value
    return one if value is None else _literal(one["name"], value)


def _literal(name: str, value: str) -> Object:
    """A variable whose value is not expanded any more."""
    return {"name": name, "value": value.replace("$", "$$")}


def _field(pod: Object, path: str) -> str | None:
    if found := _INDEXED.match(path):
        value = (pod["metadata"].get(found[1]) or {}).get(found[2])
    elif path in _FIELDS:
        part, name = _FIELDS[path]
        value = (pod.get(part) or {}).get(name)
    else:
        return None
    return None if value is None else str(value)
