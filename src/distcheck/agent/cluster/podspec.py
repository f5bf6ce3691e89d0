"""Reading pods as the API shows them: containers, GPUs, /dev/shm, command lines."""

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from distcheck.agent.cluster.declared_shm import shm_of
from distcheck.agent.cluster.quantity import parse_quantity
from distcheck.checks.evidence import Pod
from distcheck.checks.evidence.group import Role
from distcheck.pattern import pattern

Object = dict[str, Any]

_GPUS = pattern(r"nvidia\.com/(gpu|gpu\.shared|mig-.+)\Z")
_RDMA = pattern(
    r"rdma/.+|vpc\.amazonaws\.com/efa|.+/(?:.*[-_.])?(?:rdma|roce|hca|hostdev|ib|infiniband|ibvf?|"
    r"mlx5?|mlnx(?:nics?)?|cx[4-8]|connectx)(?:[-_.0-9].*)?\Z"
)
"""Resources whose plugins give a container its files below /dev/infiniband. The prefix of the
shared device plugin is `rdma`; those of SR-IOV are the cluster's to choose."""
_REFERENCE = pattern(r"\$\$|\$\(([A-Za-z_.\-][A-Za-z0-9_.\-]*)\)", near=("$",))
_MOST_GPUS = 100_000
_MOST_RESTARTS = 1 << 31


def containers(pod: Object) -> list[Object]:
    """The containers that run beside each other, native sidecars last."""
    spec = pod.get("spec") or {}
    sidecars = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    return [*(spec.get("containers") or ()), *sidecars]


def gpus_of(container: Object) -> int:
    """The GPUs (or MIG slices, or shares) of a container, 100,000 at most.

    They are limits. Of a manifest that has them in requests alone, which the API server refuses,
    they are what is meant.
    """
    resources = container.get("resources") or {}
    each = (_counted(resources.get(part) or {}) for part in ("limits", "requests"))
    return min(next(filter(None, each), 0), _MOST_GPUS)


def _counted(amounts: Object) -> int:
    return sum(parse_quantity(n) or 0 for name, n in amounts.items() if _GPUS.match(name))


def rdma_of(container: Object) -> tuple[str, ...]:
    """The resources in a container's limits that give it RDMA devices."""
    limits = (container.get("resources") or {}).get("limits") or {}
    return tuple(sorted(n for n, count in limits.items() if _RDMA.match(n) and count != "0"))


def engine_container(pod: Object) -> Object:
    """The container with GPUs, by limits or by claims; else the first one (KubeRay heads)."""
    every = containers(pod)
    claiming = [c for c in every if (c.get("resources") or {}).get("claims")]
    return next((c for c in (*filter(gpus_of, every), *claiming, *every)), {})


def argv_of(container: Object) -> tuple[str, ...]:
    """`command` and `args`, with `$(VAR)` expanded as the kubelet does it.

    A reference to a variable that the container does not set, or takes from elsewhere
    (`valueFrom`), stays as it is; `$$` is a plain `$`.
    """
    words = [*(container.get("command") or ()), *(container.get("args") or ())]
    values = environment(container)
    room = Room()
    return tuple(expanded(str(w), values, room) for w in words)


def environment(container: Object) -> dict[str, str]:
    """The literal variables of a container; later ones may use earlier ones."""
    values: dict[str, str] = {}
    room = Room()
    for one in container.get("env") or ():
        if "valueFrom" not in one and "name" in one:
            values[one["name"]] = expanded(str(one.get("value") or ""), values, room)
    return values


class Room(Struct):
    """Characters that may be put into the variables, or the words, of one container.

    Linux starts no program with more (execve(2): a quarter of the stack's 8 MiB); references
    that double the one before would need any amount.
    """

    left: int = 2 << 20


def expanded(text: str, values: Mapping[str, str], room: Room) -> str:
    """`text` with each `$(VAR)` that is in `values` put in, as the kubelet does it.

    What there is no `room` for stays as it is written.
    """

    def replacement(m: re.Match[str]) -> str:
        found = "$" if m[0] == "$$" else values.get(m[1], m[0])
        room.left -= len(found)
        return found if room.left >= 0 else m[0]

    return _REFERENCE.sub(replacement, text)


def as_pod(raw: Object, role: Role) -> Pod:
    """A pod of the group; see `Pod` for what each field means."""
    meta, status = raw["metadata"], raw.get("status") or {}
    container = engine_container(raw)
    state = _container_status(status, container.get("name", ""))
    return Pod(
        namespace=meta.get("namespace", ""),
        name=meta["name"],
        uid=meta.get("uid", ""),
        node=(raw.get("spec") or {}).get("nodeName") or None,
        ip=status.get("podIP") or None,
        role=role,
        gpus=sum(gpus_of(c) for c in containers(raw)),
        container=container.get("name", ""),
        phase=status.get("phase", ""),
        ready=_condition(status, "Ready").get("status") == "True",
        restarts=restart_count(state),
        started_at=((state.get("state") or {}).get("running") or {}).get("startedAt"),
        waiting=_waiting(status, state),
        shm=shm_of(raw, container, containers(raw)),
        hostname=(raw.get("spec") or {}).get("hostname") or "",
        rdma=tuple(dict.fromkeys(n for c in containers(raw) for n in rdma_of(c))),
    )


def restart_count(state: Object) -> int:
    """How often a container was started again, by its status; 0 where nothing says it."""
    count = state.get("restartCount")
    return min(max(count, 0), _MOST_RESTARTS) if type(count) is int else 0


def _container_status(status: Object, name: str) -> Object:
    known = status.get("containerStatuses") or ()
    found: Object = next((c for c in known if c.get("name") == name), {})
    return found


def _condition(status: Object, kind: str) -> Object:
    known = status.get("conditions") or ()
    found: Object = next((c for c in known if c.get("type") == kind), {})
    return found


def _waiting(status: Object, state: Object) -> str | None:
    """Why the container does not run: its own reason, an init container's, or no node."""
    starting = [(state.get("state") or {}).get("waiting") or {}]
    inits = status.get("initContainerStatuses") or ()
    starting.extend((one.get("state") or {}).get("waiting") or {} for one in inits)
    scheduled = _condition(status, "PodScheduled")
    if scheduled.get("status") == "False":
        starting.append(scheduled)
    return next((_reason(one) for one in starting if one.get("reason")), None)


def _reason(one: Object) -> str:
    """In words that may be shown: the runtime's message holds whole command lines."""
    from distcheck.agent.cluster.troubles.reasons import short  # noqa: PLC0415 - of live pods alone

    return short(": ".join(str(one[k]) for k in ("reason", "message") if one.get(k)))
