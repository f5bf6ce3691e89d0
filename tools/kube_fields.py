"""Makes src/distcheck/agent/manifests/fields.json from the kubernetes client's own models."""

import json
import re
from pathlib import Path
from typing import Any

from kubernetes import client

ROOTS = (
    "Pod Deployment StatefulSet DaemonSet ReplicaSet Job CronJob Service ConfigMap Secret"
    " PersistentVolumeClaim NetworkPolicy"
)
QUANTITIES = frozenset(
    ["limits", "requests", "sizeLimit", "divisor", "capacity", "overhead", "allocatedResources"]
)
PORTS = frozenset({"port", "targetPort"})
"""IntOrString, which the client calls `object`: a number, or the name of a port."""
OUT = Path(__file__).parents[1] / "src/distcheck/agent/manifests/fields.json"
_MAP, _LIST = re.compile(r"[Dd]ict[(\[]str, (.+)[)\]]"), re.compile(r"[Ll]ist\[(.+)\]")


def main() -> None:
    """Write the table: by type, each field and its type (`[T` list, `{T` map)."""
    found: dict[str, dict[str, str]] = {}
    waiting = [f"V1{name}" for name in ROOTS.split()]
    while waiting:
        name = waiting.pop()
        if name.removeprefix("V1") in found:
            continue
        model: Any = getattr(client, name)
        fields = {}
        for attribute, kind in model.openapi_types.items():
            field = model.attribute_map[attribute]
            fields[field] = _type(field, kind, waiting)
        found[name.removeprefix("V1")] = fields
    OUT.write_text(json.dumps(found, sort_keys=True, separators=(",", ":")) + "\n", "utf-8")


def _meant(field: str, kind: str) -> str:
    """What the client has plainer types for, empty for all else."""
    if field in QUANTITIES and "str" in kind:
        return "{quantity" if kind.lower().startswith("dict") else "quantity"
    return "port" if field in PORTS and kind == "object" else ""


def _type(field: str, kind: str, waiting: list[str]) -> str:
    if own := _meant(field, kind):
        return own
    if m := _MAP.fullmatch(kind):
        return "{" + _type("", m[1], waiting)
    if m := _LIST.fullmatch(kind):
        return "[" + _type("", m[1], waiting)
    if kind in ("str", "int", "bool", "float", "object"):
        return kind
    if not hasattr(getattr(client, kind, None), "openapi_types"):
        return "str"
    waiting.append(kind)
    return kind.removeprefix("V1")


if __name__ == "__main__":
    main()
