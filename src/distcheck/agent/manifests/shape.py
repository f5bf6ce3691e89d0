"""Whether an object has the form that the API server wants, and the object without what has not.

The table of fields is made from the Kubernetes client's own models (`tools/kube_fields.py`);
custom resources are known as far as their pod templates and numbers.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from distcheck.agent.cluster.quantity import parse_quantity
from distcheck.agent.redact import names_a_secret
from distcheck.checks.manifest.bundle import Flaw
from distcheck.checks.manifest.place import Spot

_OPEN: Mapping[str, Mapping[str, str]] = {
    "LeaderWorkerSet": {"spec": "LwsSpec", "metadata": "ObjectMeta"},
    "LwsSpec": {"replicas": "int", "leaderWorkerTemplate": "LwsTemplate", "startupPolicy": "str"},
    "LwsTemplate": {
        "size": "int", "leaderTemplate": "PodTemplateSpec", "workerTemplate": "PodTemplateSpec",
        "restartPolicy": "str",
    },
    "RayCluster": {"spec": "RaySpec", "metadata": "ObjectMeta"},
    "RayService": {"spec": "RayServiceSpec", "metadata": "ObjectMeta"},
    "RayServiceSpec": {"rayClusterConfig": "RaySpec", "serveConfigV2": "str"},
    "RayJob": {"spec": "RayJobSpec", "metadata": "ObjectMeta"},
    "RayJobSpec": {"rayClusterSpec": "RaySpec", "entrypoint": "str"},
    "RaySpec": {
        "headGroupSpec": "RayGroup", "workerGroupSpecs": "[RayGroup", "rayVersion": "str",
        "enableInTreeAutoscaling": "bool",
    },
    "RayGroup": {
        "rayStartParams": "{str", "template": "PodTemplateSpec", "replicas": "int",
        "minReplicas": "int", "maxReplicas": "int", "numOfHosts": "int", "groupName": "str",
    },
    "MPIJob": {"spec": "MpiSpec", "metadata": "ObjectMeta"},
    "MpiSpec": {"slotsPerWorker": "int", "mpiReplicaSpecs": "{MpiReplica"},
    "MpiReplica": {"replicas": "int", "template": "PodTemplateSpec"},
    "Rollout": {"spec": "RolloutSpec", "metadata": "ObjectMeta"},
    "RolloutSpec": {"replicas": "int", "template": "PodTemplateSpec", "selector": "LabelSelector"},
    "NIMService": {"spec": "NimSpec", "metadata": "ObjectMeta"},
    "NimSpec": {
        "env": "[EnvVar", "resources": "ResourceRequirements", "replicas": "int",
        "multiNode": "NimMultiNode", "image": "NimImage",
    },
    "NimMultiNode": {"parallelism": "NimParallelism", "backendType": "str"},
    "NimParallelism": {"tensor": "int", "pipeline": "int"},
    "NimImage": {"repository": "str", "tag": "str"},
}  # fmt: skip
"""Custom resources: fields of a known type. Others are not told as unknown."""
_ALSO = {"container": "Container"}
_WORDS = {
    "str": "text", "int": "a whole number", "bool": "true or false", "float": "a number",
    "quantity": "a quantity such as 16Gi",
}  # fmt: skip
_FREE = frozenset({"object", "JSONSchemaProps"})
_MOST_FLAWS = 200
_STANDS_IN = re.compile(
    r"\s*(?:\$.*|.*\$\{.*|<.*>|.*\{\{.*|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*|[A-Z_]*PLACEHOLDER.*|__.*__|\[.*\])\s*\Z",
    re.DOTALL,
)
_FILLED = "what fills this place before it is applied"
"""`$` at the front is left for envsubst, sed and the like."""


class Shaped(Struct, frozen=True):
    """The object without what cannot be, and what was wrong with it."""

    value: dict[str, Any]
    flaws: tuple[Flaw, ...]


@cache
def _fields() -> Mapping[str, Mapping[str, str]]:
    held = Path(__file__).with_name("fields.json").read_bytes()
    return {**msgspec.json.decode(held), **_OPEN}


def shaped(of: int, kind: str, value: dict[str, Any]) -> Shaped:
    """`value` as the API server would take it; unknown kinds are left as they are."""
    kind = _ALSO.get(kind, kind)
    if kind not in _fields():
        return Shaped(value, ())
    shaper = _Shaper(of)
    clean = shaper.read(kind, value, ())
    return Shaped(clean if isinstance(clean, dict) else {}, tuple(shaper.flaws))


class _Shaper:
    def __init__(self, of: int) -> None:
        self._of = of
        self.flaws: list[Flaw] = []
        self._secret = False

    def read(self, kind: str, value: Any, path: tuple[str | int, ...]) -> Any:
        """The value as this type, or what can be made of it; None for nothing."""
        if value is None or kind in _FREE:
            return value
        if kind[0] == "[":
            return self._list(kind[1:], value, path)
        if kind[0] == "{":
            return self._map(kind[1:], value, path)
        if kind in _WORDS:
            return self._plain(kind, value, path)
        return self._object(kind, value, path)

    def _list(self, kind: str, value: Any, path: tuple[str | int, ...]) -> Any:
        if not isinstance(value, list):
            self._wrong(path, "a list", value)
            return None
        empty: Any = "" if kind in _WORDS else {"name": ""} if kind == "EnvVar" else {}
        found = [self.read(kind, one, (*path, n)) for n, one in enumerate(value)]
        return [empty if one is None else one for one in found]

    def _map(self, kind: str, value: Any, path: tuple[str | int, ...]) -> Any:
        if not isinstance(value, dict):
            self._wrong(path, "a mapping", value)
            return None
        return {k: self.read(kind, v, (*path, k)) for k, v in value.items() if v is not None}

    def _object(self, kind: str, value: Any, path: tuple[str | int, ...]) -> Any:
        if not isinstance(value, dict):
            self._wrong(path, "a mapping", value)
            return None
        fields = _fields()[kind]
        found = {}
        for name, held in value.items():
            if held is None:
                continue
            if name in fields:
                self._secret = kind == "EnvVar" and names_a_secret(str(value.get("name")))
                if (made := self.read(fields[name], held, (*path, name))) is not None:
                    found[name] = made
            else:
                found[name] = held
                self._unknown(kind, name, (*path, name))
        return {"name": "", **found} if kind == "EnvVar" else found

    def _plain(self, kind: str, value: Any, path: tuple[str | int, ...]) -> Any:
        if isinstance(value, dict | list):
            self._wrong(path, _WORDS[kind], value)
            return None
        right, meant = _meant(kind, value)
        if not right:
            self._wrong(path, _WORDS[kind], value)
        return meant

    def _wrong(self, path: tuple[str | int, ...], wanted: str, value: Any) -> None:
        if len(self.flaws) < _MOST_FLAWS:
            says = f"{_name(path)} must be {wanted}, and is {_called(value, hide=self._secret)}"
            unseen = _FILLED if isinstance(value, str) and _STANDS_IN.match(value) else ""
            self.flaws.append(Flaw("type", Spot(self._of, path), says, unseen=unseen))

    def _unknown(self, kind: str, name: str, path: tuple[str | int, ...]) -> None:
        if kind in _OPEN or name.startswith("$") or len(self.flaws) >= _MOST_FLAWS:
            return
        from difflib import get_close_matches  # noqa: PLC0415 - only a wrong name pays for it

        near = next(iter(get_close_matches(name, _fields()[kind], n=1, cutoff=0.75)), "")
        near = near or next(iter(_elsewhere(kind, name)), "")
        where = f"{kind[2:] if kind[:2] in ('V1', 'V2') else kind}"
        says = f"{where} has no field {name}"
        self.flaws.append(Flaw("unknown", Spot(self._of, path, key=True), says, near))


def _elsewhere(kind: str, name: str) -> Iterator[str]:
    """Where a field of that name is, one step below or beside."""
    for field, type_ in _fields()[kind].items():
        below = _fields().get(type_.lstrip("[{"), {})
        if name in below and kind not in ("ConfigMap", "Secret"):
            yield f"{field}.{name}"


def _meant(kind: str, value: Any) -> tuple[bool, Any]:
    """Whether it is of this type, and what it was meant to be."""
    if kind == "quantity":
        bad = isinstance(value, bool) or parse_quantity(value) is None
        return not bad, None if bad else value
    if kind == "str":
        return isinstance(value, str), _text(value)
    if kind == "bool":
        meant = value if isinstance(value, bool) else str(value).lower() == "true"
        return isinstance(value, bool), meant
    if isinstance(value, bool):
        return False, None
    if isinstance(value, int | float):
        whole = isinstance(value, int) or kind == "float"
        return whole, int(value) if kind == "int" else value
    text = str(value).strip()
    return False, int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _name(path: tuple[str | int, ...]) -> str:
    """The last name of a path, with the number of its item behind it."""
    named = [n for n, step in enumerate(path) if isinstance(step, str)]
    return Spot(0, path[named[-1] :] if named else path).words or "the document"


def _called(value: Any, *, hide: bool) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if hide:
        return "a number or a switch"
    if isinstance(value, bool):
        return f"the switch {str(value).lower()}"
    if isinstance(value, int | float):
        return f"the number {value}"
    return f"the text {str(value)[:60]!r}"
