"""`/dev/shm` as a pod's spec declares it, and the memory limit that would cut it."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from distcheck.agent.cluster.quantity import parse_quantity
from distcheck.checks.evidence import ShmDeclared
from distcheck.checks.knowledge.mounts import mounted_at

Object = dict[str, Any]

_SHM = "/dev/shm"
_SHM_WORD = "shm"


def shm_of(raw: Object, container: Object, every: Sequence[Object]) -> ShmDeclared | None:
    """What the pod's spec declares at `/dev/shm` for `container`; None where it declares nothing.

    A volume that only other containers mount there, or that is by its name and medium meant
    for it and that none does, is declared too, and `elsewhere` says so.
    """
    volumes = (raw.get("spec") or {}).get("volumes") or ()
    own = _volume_of(container)
    found = next((v for v in volumes if own is not None and v.get("name") == own), None)
    if found is not None:
        return _declared(raw, found, None)
    others = {name: c.get("name", "") for c in every if (name := _volume_of(c)) is not None}
    for volume in volumes if own is None else ():
        name = str(volume.get("name", ""))
        if name in others:
            return _declared(raw, volume, (others[name],))
        if _medium(volume) == "memory" and _SHM_WORD in name and not _mounted(container, name):
            return _declared(raw, volume, ())
    return None


def _volume_of(container: Object) -> str | None:
    mounts = container.get("volumeMounts") or ()
    at = (m.get("name") for m in mounts if mounted_at(m.get("mountPath")) == _SHM)
    return next((str(name) for name in at), None)


def _mounted(container: Object, volume: str) -> bool:
    return any(m.get("name") == volume for m in container.get("volumeMounts") or ())


def _declared(raw: Object, volume: Object, elsewhere: tuple[str, ...] | None) -> ShmDeclared:
    kind = next((k for k in volume if k != "name"), "volume")
    size = (volume.get("emptyDir") or {}).get("sizeLimit")
    medium = (volume.get("emptyDir") or {}).get("medium") or "disk"
    what = f"emptyDir ({medium})" if kind == "emptyDir" else kind
    limit = parse_quantity(size) if size is not None else None
    source = f"{what} {volume.get('name', '')} in the spec of {raw['metadata']['name']}"
    return ShmDeclared(limit or None, source, _medium(volume), elsewhere, pod_memory_limit(raw))


def _medium(volume: Object) -> Literal["memory", "disk"] | None:
    """An emptyDir is on the node's disk unless its medium is `Memory`; huge pages are neither."""
    if "emptyDir" not in volume:
        return None
    medium = (volume["emptyDir"] or {}).get("medium") or ""
    return "memory" if medium == "Memory" else "disk" if medium == "" else None


def pod_memory_limit(raw: Object) -> int | None:
    """The limit that the kubelet sets on the pod's cgroup; None where it sets none.

    The pod's own (`spec.resources`), or, where every container has one, init containers too,
    the sum of those that run beside each other, or a larger one of an init container that
    runs before them (kubelet, cm/helpers_linux.go; component-helpers, resource.PodLimits).
    """
    spec = raw.get("spec") or {}
    own = _limit(spec)
    if own:
        return own
    starting = list(spec.get("initContainers") or ())
    limits = [_limit(c) for c in (*(spec.get("containers") or ()), *starting)]
    if not limits or not all(limits):
        return None
    beside = sum(map(_limit, spec.get("containers") or ()))
    return max(beside + _sidecars(starting), _before(starting))


def _limit(owner: Object) -> int:
    given = ((owner.get("resources") or {}).get("limits") or {}).get("memory")
    return parse_quantity(given) or 0 if given is not None else 0


def _sidecars(starting: Iterable[Object]) -> int:
    return sum(_limit(c) for c in starting if c.get("restartPolicy") == "Always")


def _before(starting: Iterable[Object]) -> int:
    """The most that an init container has beside the sidecars that started before it."""
    most = beside = 0
    for one in starting:
        if one.get("restartPolicy") == "Always":
            beside += _limit(one)
            most = max(most, beside)
        else:
            most = max(most, beside + _limit(one))
    return most
