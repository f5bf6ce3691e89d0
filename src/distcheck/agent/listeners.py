"""The listeners that an agent has open now, so that nobody can make it open many."""

import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from distcheck.agent.listening import ListenAt, Listens
from distcheck.agent.probes.port_listener import (
    SECONDS,
    PortListener,
    ephemeral_range,
)
from distcheck.agent.rights import ENTERING, why_refused

MOST, MOST_OF_POD = 64, 4
CONNECTIONS, MINUTE = 1024, 60.0
"""Connections that an agent makes in a minute, at most."""


class Listeners:
    """At most 64 at once, 4 of one pod."""

    def __init__(self, kind: type[PortListener] = PortListener) -> None:
        self._kind = kind
        self._open: list[tuple[str, PortListener]] = []
        self._lock = threading.Lock()

    def open(self, namespace: Path, at: ListenAt, sources: Sequence[str]) -> Listens:
        """Listen at this address in the network namespace at that path; or why not."""
        with self._lock:
            self._open = [(pod, one) for pod, one in self._open if one.there]
            pods = [pod for pod, _ in self._open]
            if len(pods) >= MOST or pods.count(at.pod) >= MOST_OF_POD:
                return Listens(at.pod, at.address, why="too many listeners are open already")
            try:
                ephemeral = ephemeral_range(namespace)
                one = self._kind(namespace, at.address, sources)
            except OSError as error:
                refused = why_refused(error, "ports as pods reach them", ENTERING)
                return Listens(at.pod, at.address, why=refused or str(error))
            self._open.append((at.pod, one))
        return Listens(at.pod, at.address, one.port, one.unused, one.nonce, SECONDS, ephemeral)

    def close(self) -> None:
        """End all of them."""
        with self._lock:
            for _, one in self._open:
                one.close()


class Allowance:
    """How many connections may still be made within a minute."""

    def __init__(self, most: int = CONNECTIONS, seconds: float = MINUTE) -> None:
        self._most, self._seconds = most, seconds
        self._taken: deque[tuple[float, int]] = deque()
        self._lock = threading.Lock()

    def take(self, wanted: int) -> int:
        """As many as there are left, `wanted` at most."""
        with self._lock:
            now = time.monotonic()
            while self._taken and self._taken[0][0] <= now - self._seconds:
                self._taken.popleft()
            given = min(wanted, self._most - sum(n for _, n in self._taken))
            if given > 0:
                self._taken.append((now, given))
            return max(given, 0)
