"""Start scripts and `--config` files that a container takes from ConfigMaps."""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from distcheck.agent.cluster.intent.environ import ConfigMaps
from distcheck.checks.knowledge.mounts import mounted_at

Object = dict[str, Any]


class MapFile(Struct, frozen=True):
    """A file that a ConfigMap puts into a container: where, and which entry it is."""

    path: str
    config_map: str
    key: str

    @property
    def source(self) -> str:
        """The place, for messages."""
        return f"configmap/{self.config_map} {self.key}"


def mounted_maps(pod: Object, container: Object) -> tuple[str, ...]:
    """The ConfigMaps that `container` mounts, or takes variables from; each once."""
    volumes = _volumes(pod)
    mounts = (volumes.get(m.get("name", ""), ()) for m in container.get("volumeMounts") or ())
    named = [name for found in mounts for name, _ in found]
    named += [_name(one.get("configMapRef")) for one in container.get("envFrom") or ()]
    for one in container.get("env") or ():
        named.append(_name((one.get("valueFrom") or {}).get("configMapKeyRef")))
    return tuple(dict.fromkeys(n for n in named if n))


def files_of(pod: Object, container: Object, maps: ConfigMaps) -> Iterator[MapFile]:
    """The files that those ConfigMaps make inside the container."""
    volumes = _volumes(pod)
    for mount in container.get("volumeMounts") or ():
        folder, below = mounted_at(mount.get("mountPath")), mount.get("subPath")
        for name, items in volumes.get(mount.get("name", ""), ()):
            for key in maps.get(name, {}):
                inside = items.get(key, key) if items else key
                if below is None:
                    yield MapFile(f"{folder}/{inside}", name, key)
                elif below == inside:
                    yield MapFile(folder, name, key)


def started(pod: Object, container: Object, maps: ConfigMaps, words: str) -> Iterator[MapFile]:
    """The files that the container's command names, by path or by name (a copy of it)."""
    for file in files_of(pod, container, maps):
        if file.path in words or _is_named(file.path.rpartition("/")[2], words):
            yield file


def command_text(container: Object) -> str:
    """Everything that the container is told to run: its command, and what follows its start."""
    hook = ((container.get("lifecycle") or {}).get("postStart") or {}).get("exec") or {}
    words = [*(container.get(k) or () for k in ("command", "args")), hook.get("command") or ()]
    return " ".join(str(w) for found in words for w in found)


def _is_named(name: str, words: str) -> bool:
    return len(name) > 3 and "." in name and f"/{name}" in words


def _volumes(pod: Object) -> dict[str, list[tuple[str, Mapping[str, str]]]]:
    """By volume: the ConfigMaps in it, with the file that each chosen entry becomes."""
    found: dict[str, list[tuple[str, Mapping[str, str]]]] = {}
    for volume in pod.get("spec", {}).get("volumes") or ():
        projected = (volume.get("projected") or {}).get("sources") or ()
        sources = [volume.get("configMap"), *(one.get("configMap") for one in projected)]
        found[volume.get("name", "")] = [(_name(s), _items(s)) for s in sources if s]
    return found


def _items(source: Object) -> dict[str, str]:
    return {one.get("key", ""): one.get("path", "") for one in source.get("items") or ()}


def _name(source: Object | None) -> str:
    return str((source or {}).get("name") or "")
