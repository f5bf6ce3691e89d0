"""An agent's answer: a `NodeLook` as JSON, of any version, and the merge of its second one."""

from typing import Any, TypeVar, get_args

import msgspec
from msgspec import Raw, Struct, structs

from distcheck.agent.cluster.errors import Unreachable
from distcheck.checks.evidence import Missing, NodeLook, PodLook

T = TypeVar("T")

_DECODER = msgspec.json.Decoder(NodeLook)
_BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Parts(Struct):
    """The answer of an agent of another version, its parts not yet read."""

    node: str
    agent: str = ""
    observed_at: str = ""
    pods: list[dict[str, Raw]] = []
    gpus: Raw = Raw()
    ray: Raw = Raw()
    rdma: Raw = Raw()
    health: Raw = Raw()
    xids: Raw = Raw()


_PARTS = msgspec.json.Decoder(_Parts)


def decode_look(body: bytes, node: str) -> NodeLook:
    """The look in an agent's answer.

    Fields that this version does not know are ignored. A part of another shape is Missing,
    and says so; the others count.

    Raises:
        Unreachable: not JSON, not the answer of an agent, or of another node.
    """
    try:
        look = _DECODER.decode(body)
    except msgspec.ValidationError:
        look = _part_by_part(body)
    except _BROKEN as error:
        raise Unreachable(f"its answer is not JSON: {error}") from error
    if look.node != node:
        raise Unreachable(f"it answers for node {look.node}")
    return look


def _part_by_part(body: bytes) -> NodeLook:
    try:
        parts = _PARTS.decode(body)
    except _BROKEN as error:
        raise Unreachable(f"its answer is of no version that is known: {error}") from error
    why = f"agent {parts.agent or 'of another version'} on {parts.node}"
    given = {n: getattr(parts, n) or None for n in ("gpus", "ray", "rdma", "health", "xids")}
    read = {
        f.name: _read(given[f.name], f, why) for f in structs.fields(NodeLook) if f.name in given
    }
    pods = tuple(p for raw in parts.pods if (p := _pod(raw, why)) is not None)
    return NodeLook(parts.node, parts.observed_at, parts.agent, pods=pods, **read)


def _pod(raw: dict[str, Raw], why: str) -> PodLook | None:
    """One pod's look; None where not even its name can be read."""
    fields = {f.name: _read(raw.get(f.encode_name), f, why) for f in structs.fields(PodLook)}
    return PodLook(**fields) if isinstance(fields["pod"], str) else None


def _read(raw: Raw | None, field: structs.FieldInfo, why: str) -> Any:
    """The part as it is known here, else Missing, or empty where that cannot be Missing."""
    if raw is None and field.default is not msgspec.NODEFAULT:
        return field.default
    says = f"{why} does not say this"
    try:
        if raw is not None:
            return msgspec.json.decode(raw, type=field.type)
    except _BROKEN:
        says = f"{why} says this in a form that this version does not know"
    return Missing(says) if Missing in get_args(field.type) else field.default


_SECOND = ("flows", "queue_pairs", "open_devices", "ras", "rdma", "raylets")
"""Parts of a look at a pod that tell more when they were seen twice."""


def merge_second(first: NodeLook, second: NodeLook) -> NodeLook:
    """`first` with the port probes of `second`, and with what shows a change since the first.

    A failed second round takes nothing away.
    """
    again = {p.pod: p for p in second.pods}
    why = Missing(_reason(second))
    pods = tuple(_merged(p, again.get(p.pod), why) for p in first.pods)
    rdma, health = _better(first.rdma, second.rdma), _better(first.health, second.health)
    return structs.replace(first, pods=pods, rdma=rdma, health=health)


def _merged(first: PodLook, second: PodLook | None, why: Missing) -> PodLook:
    if second is None:
        return structs.replace(first, ports=_better(first.ports, why))
    later = {name: _better(getattr(first, name), getattr(second, name)) for name in _SECOND}
    return structs.replace(first, ports=_better(first.ports, second.ports), **later)


def _better(first: T, second: T) -> T:
    return first if isinstance(second, Missing) and not isinstance(first, Missing) else second


def _reason(look: NodeLook) -> str:
    if isinstance(look.gpus, Missing) and not look.pods:
        return f"ports were not probed: {look.gpus.reason}"
    return f"ports were not probed: the agent on {look.node} no longer sees this pod"
