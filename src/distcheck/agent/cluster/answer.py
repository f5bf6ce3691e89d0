"""An agent's answer: a `NodeLook` as JSON, of any version, and the merge of its second one."""

from typing import Any, get_args

import msgspec
from msgspec import Raw, Struct, structs

from distcheck.agent.cluster.errors import Unreachable
from distcheck.checks.evidence import Missing, NodeLook, PodLook, PortProbes

Ports = PortProbes | Missing

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
    given = {"gpus": parts.gpus or None, "ray": parts.ray or None}
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


def merge_ports(first: NodeLook, second: NodeLook) -> NodeLook:
    """`first` with the port probes of `second`; a failed second round takes nothing away."""
    probed = {p.pod: p.ports for p in second.pods}
    why = Missing(_reason(second))
    pods = tuple(
        structs.replace(p, ports=_better(p.ports, probed.get(p.pod, why))) for p in first.pods
    )
    return structs.replace(first, pods=pods)


def _better(first: Ports, second: Ports) -> Ports:
    return first if isinstance(second, Missing) and not isinstance(first, Missing) else second


def _reason(look: NodeLook) -> str:
    if isinstance(look.gpus, Missing) and not look.pods:
        return f"ports were not probed: {look.gpus.reason}"
    return f"ports were not probed: the agent on {look.node} no longer sees this pod"
