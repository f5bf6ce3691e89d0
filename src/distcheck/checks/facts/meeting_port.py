"""Who is connected to the port where ranks meet, by the leader's own table of sockets."""

import re

from distcheck.checks.evidence import Evidence, Pod, Processes
from distcheck.checks.facts.engine_lines import ranks_by_pod

_POINT = re.compile(r"tcp://\[?([0-9A-Za-z.:-]{1,253}?)\]?:([0-9]{1,5})\Z")
"""PyTorch's store listens there in rank 0's process, and every rank keeps a connection to it."""


def absent_from_meeting(evidence: Evidence) -> tuple[int, tuple[str, ...]]:
    """The port where ranks meet, and pods with GPUs that hold no connection to it.

    No pods where the leader's sockets were not seen, or no line names the place.
    """
    lines = [line for found in ranks_by_pod(evidence).values() for line in found]
    points = {m.groups() for x in lines if (m := _POINT.match(x.init_method or ""))}
    if len(points) != 1:
        return 0, ()
    address, port = points.pop()
    leader = next((p for p in evidence.pods if p.ip == address), None)
    if leader is None or not isinstance(evidence.look(leader).processes, Processes):
        return 0, ()
    return int(port), _absent(evidence, leader, int(port))


def _absent(evidence: Evidence, leader: Pod, port: int) -> tuple[str, ...]:
    here = {c.remote for c in evidence.look(leader).connections if c.local_port == port}
    others = (p for p in evidence.pods if p.gpus and p.ip and p != leader)
    return tuple(p.name for p in others if p.ip not in here)
