"""The path that is asked of an agent's evidence door."""

from collections.abc import Iterable
from urllib.parse import urlencode

from distcheck.agent.cluster.ports import Peer
from distcheck.checks.evidence import Pod

DOOR = "/v1/evidence"


def door_path(pods: Iterable[Pod], peers: Iterable[Peer] = ()) -> str:
    """`/v1/evidence?pod=NS/NAME&...&peer=POD|IP|PORT|SERVICE&...`."""
    asked = [("pod", pod.key) for pod in pods]
    return f"{DOOR}?{urlencode([*asked, *(('peer', p.parameter()) for p in peers)])}"
