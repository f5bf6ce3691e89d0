"""The port where ranks meet: who listens there, and who is connected to it.

PyTorch's store listens there in rank 0's process as long as that lives, and every rank keeps a
connection to it (torch.distributed TCPStore); vLLM's port for data parallel calls is open while
the engines start. The pod's own tables of sockets show both.
"""

import re

from msgspec import Struct

from distcheck.checks.evidence import Cite, Evidence, ListeningPorts, Missing, Pod, Processes
from distcheck.checks.facts.engine_lines import ranks_by_pod
from distcheck.checks.knowledge.names import names

_POINT = re.compile(r"tcp://\[?([0-9A-Za-z.:-]{1,253}?)\]?:([0-9]{1,5})\Z")
_LOOPBACK = ("127.", "::1")


class At(Struct, frozen=True):
    """The leader and the port at which the others have to call it."""

    leader: Pod
    port: int


class Calls(Struct, frozen=True):
    """Whether the leader `listens`, None where its listeners were not seen; who is `absent`.

    `absent` are pods with GPUs that hold no connection to the port, as far as was seen.
    """

    listens: bool | None
    absent: tuple[str, ...]
    cites: tuple[Cite, ...] = ()


def at_by_lines(evidence: Evidence) -> At | None:
    """Where the ranks' own lines say that they meet; None unless it is one place of the group."""
    lines = [line for found in ranks_by_pod(evidence).values() for line in found]
    points = {m.groups() for x in lines if (m := _POINT.match(x.init_method or ""))}
    if len(points) != 1:
        return None
    address, port = points.pop()
    leader = next((p for p in evidence.pods if p.ip == address), None)
    return None if leader is None else At(leader, int(port))


def calls(evidence: Evidence, at: At) -> Calls:
    """What the leader's sockets, and those of the others where they were seen, say of it."""
    look = evidence.look(at.leader)
    if not isinstance(look.processes, Processes):
        return Calls(None, ())
    here = {c.remote for c in look.connections if c.local_port == at.port}
    known = {p.ip for p in evidence.pods if p.ip}
    others = (p for p in evidence.pods if p.gpus and p.ip and p.key != at.leader.key)
    unseen = bool(here - known)
    absent = [
        p.name for p in others if p.ip not in here and not _calls(evidence, p, at.port, unseen)
    ]
    return Calls(_listens(look.listening, at), tuple(absent), _cites(evidence, at))


def said(at: At, found: Calls) -> str:
    """What the sockets show, as the end of a sentence; empty where they show nothing."""
    who = at.leader.name
    if found.listens is False:
        return f"nobody listens on the rendezvous port {at.port} of {who}"
    if not found.absent:
        return ""
    none = f"{names(found.absent)} {'has' if len(found.absent) == 1 else 'have'} no connection"
    if found.listens is None:
        return f"{none} to the rendezvous port {at.port} of {who}"
    return f"the rendezvous port {at.port} of {who} listens, and {none} to it"


def _calls(evidence: Evidence, pod: Pod, port: int, unseen: bool) -> bool:
    """Whether a pod may have called: behind a Service or a NAT, its address is another one."""
    look = evidence.look(pod)
    if isinstance(look.listening, Missing):
        return unseen or bool(look.connections)
    return any(c.remote_port == port for c in look.connections)


def _listens(seen: ListeningPorts | Missing, at: At) -> bool | None:
    """Whether on an address that others can call; None where that was not seen."""
    if isinstance(seen, Missing):
        return None
    taking = [p.address for p in seen.ports if p.port == at.port]
    there = any(a == at.leader.ip or not a.startswith(_LOOPBACK) for a in taking)
    return None if seen.dropped and not there else there


def _cites(evidence: Evidence, at: At) -> tuple[Cite, ...]:
    seen = evidence.look(at.leader).listening
    if isinstance(seen, Missing):
        return ()
    word = "listens" if _listens(seen, at) else "does not listen"
    return (Cite(f"{at.leader.name} {word} on port {at.port}", seen.source, seen.seen_at),)
