"""An agent's answer: a `NodeLook` as JSON, and the merge of its second one."""

import msgspec
from msgspec import structs

from distcheck.agent.cluster.errors import Unreachable
from distcheck.checks.evidence import Missing, NodeLook, PortProbes

Ports = PortProbes | Missing

_DECODER = msgspec.json.Decoder(NodeLook)


def decode_look(body: bytes, node: str) -> NodeLook:
    """The look in an agent's answer.

    Raises:
        Unreachable: not JSON, not a look (an agent of another version), or of another node.
    """
    try:
        look = _DECODER.decode(body)
    except msgspec.ValidationError as error:
        raise Unreachable(f"its answer is not of this version: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreachable(f"its answer is not JSON: {error}") from error
    if look.node != node:
        raise Unreachable(f"it answers for node {look.node}")
    return look


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
