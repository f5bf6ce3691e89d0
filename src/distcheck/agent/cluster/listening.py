"""Has agents listen in the group's pods for a moment, so that others can try NCCL's range."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from urllib.parse import urlencode

import msgspec
from msgspec import Struct, structs

from distcheck.agent import clock
from distcheck.agent.cluster.api import Object
from distcheck.agent.cluster.errors import ClusterError
from distcheck.agent.cluster.ports import Peer
from distcheck.agent.listening import NCCL, UNUSED, Listens, NodeListens
from distcheck.checks.evidence import (
    Evidence,
    Intent,
    Missing,
    NodeLook,
    Pod,
    PortProbe,
    PortProbes,
    Target,
)
from distcheck.checks.facts.bootstrap_ring import bootstrap_of
from distcheck.checks.facts.fact import folded
from distcheck.checks.facts.network import PortMatrix

Fetch = Callable[[Object, str], bytes]
_PATH = "/v1/listen"
_OLD = "HTTP 404"
_DECODER = msgspec.json.Decoder(NodeListens)
_LATE = "the listener may have been gone by then"


class Listening(Struct, frozen=True):
    """Where agents listen: by pod; `nodes` are those whose agents know how to try it."""

    pods: dict[str, Listens] = {}
    nodes: frozenset[str] = frozenset()

    @property
    def peers(self) -> tuple[Peer, ...]:
        """Every listener, and the port beside it where nobody listens."""
        return tuple(peer for one in self.pods.values() for peer in _peers(one))

    @property
    def seconds(self) -> float:
        """How long all of them are there."""
        return min((one.seconds for one in self.pods.values() if one.port), default=0.0)


def _peers(one: Listens) -> Iterator[Peer]:
    if one.port:
        yield Peer(one.pod, one.address, one.port, NCCL, one.nonce)
        yield Peer(one.pod, one.address, one.unused, UNUSED)


def have_met(pods: Sequence[Pod], looks: Sequence[NodeLook]) -> bool:
    """Whether all ranks completed one communicator, which shows more than a probe could.

    Or connections at random ports were accepted between all pods, both ways.
    """
    seen = Evidence("", clock.now(), Target("", "", ""), Intent(), tuple(pods), tuple(looks))
    if bootstrap_of(seen).whole:
        return True
    matrix = folded(PortMatrix, seen)
    if isinstance(matrix, Missing) or matrix.gaps:
        return False
    return all(path.in_range_surely for path in matrix.paths)


def listen_at(fetch: Fetch, agent: Object, own: Sequence[Pod], group: Sequence[Pod]) -> NodeListens:
    """Have the agent listen in its `own` pods of the group; or why it does not, pod by pod."""
    at = [("pod", f"{p.key}|{p.ip}") for p in own if p.ip]
    sources = [("from", p.ip) for p in group if p.ip and p not in own[:1]]
    name = agent["metadata"]["name"]
    if not at:
        return NodeListens("", "")
    try:
        return _DECODER.decode(fetch(agent, f"{_PATH}?{urlencode([*at, *sources])}"))
    except (ClusterError, msgspec.DecodeError, UnicodeDecodeError) as error:
        says = f"{error}"
        why = f"agent {name} is of a version that opens none" if _OLD in says else says
        return NodeListens("", "", tuple(Listens(p.key, p.ip or "", why=why) for p in own))


def gathered(answers: Mapping[str, NodeListens]) -> Listening:
    """All that is listened on; agents that said nothing of their own try nothing of it."""
    pods = {one.pod: one for answer in answers.values() for one in answer.pods}
    return Listening(pods, frozenset(n for n, answer in answers.items() if answer.node == n))


def told(look: NodeLook, listening: Listening, taken: float, group: Sequence[Pod]) -> NodeLook:
    """The look, with why some pods have no listener; `taken` is how long ago they were opened."""
    why = {p.key: "no agent listened there" for p in group if listening.pods}
    why |= {key: one.why for key, one in listening.pods.items()}
    without = {key: said for key, said in why.items() if said}
    late = taken > listening.seconds > 0
    pods = []
    for pod in look.pods:
        ports = pod.ports
        if isinstance(ports, PortProbes):
            probes = tuple(_in_time(p, late=late) for p in ports.probes)
            ports = structs.replace(ports, probes=probes, unlistened=without)
        pods.append(structs.replace(pod, ports=ports))
    return structs.replace(look, pods=tuple(pods))


def _in_time(probe: PortProbe, *, late: bool) -> PortProbe:
    if late and probe.service == NCCL and probe.outcome == "refused":
        return structs.replace(probe, outcome="error", detail=_LATE)
    return probe
