"""A listener for a moment inside a pod's own network namespace, on a port that NCCL could pick.

NCCL binds port 0, so the kernel picks from `net.ipv4.ip_local_port_range` of the pod's network
namespace (NCCL src/misc/socket.cc and src/bootstrap.cc; ip-sysctl.rst), and so does this.
"""

import re
import secrets
import selectors
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path

from distcheck.agent.greeting import PADDING, STRANGER, line
from distcheck.agent.netns import entered
from distcheck.checks.knowledge.ip_text import plain

SECONDS = 10.0
"""How long a listener is there at most."""
_STRANGERS = 16
_BACKLOG = 64
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_TWO = re.compile(r"\s*([0-9]{1,5})\s+([0-9]{1,5})\s*\Z")
_AT_ONCE = struct.pack("ii", 1, 0)


def ephemeral_range(namespace: Path) -> tuple[int, int] | None:
    """First and last port that the kernel picks in that network namespace.

    The file shows the values of the namespace that its reader is in. None where it cannot be
    read.

    Raises:
        OSError: the namespace cannot be entered.
    """
    with entered(namespace), suppress(OSError):
        found = _TWO.match(_RANGE.read_text()[:64])
        return (int(found[1]), int(found[2])) if found else None
    return None


class PortListener:
    """Answers each expected address once, and is gone after that or after `SECONDS`.

    Addresses that were not expected are told how they are seen and no nonce, 16 of them at
    most. `unused` is a port that is held for as long, so that nobody listens there.

    Raises:
        OSError: the namespace cannot be entered, or the address is not one of its own.
    """

    def __init__(
        self,
        namespace: Path,
        address: str,
        sources: Iterable[str],
        seconds: float = SECONDS,
    ) -> None:
        self.nonce = secrets.token_hex(16)
        self._awaited = Counter(map(plain, sources))
        self._strangers = _STRANGERS
        self._end = time.monotonic() + seconds
        with ExitStack() as stack:
            with entered(namespace):
                self._listening = stack.enter_context(_bound(address))
                self._held = stack.enter_context(_bound(address))
                self._begin(address)
            self._sockets = stack.pop_all()
        self.port: int = self._listening.getsockname()[1]
        self.unused: int = self._held.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True, name="port listener")
        self._thread.start()

    @property
    def there(self) -> bool:
        """Whether it still listens."""
        return self._thread.is_alive()

    def close(self) -> None:
        """End it now."""
        self._end = 0.0
        self._thread.join()

    def _begin(self, _address: str) -> None:
        self._listening.listen(_BACKLOG)

    def _serve(self) -> None:
        with self._sockets, selectors.DefaultSelector() as ready:
            self._listening.setblocking(False)
            ready.register(self._listening, selectors.EVENT_READ)
            talking: set[socket.socket] = set()
            try:
                while self._goes_on(talking):
                    for key, _ in ready.select(0.1):
                        if key.fileobj is self._listening:
                            self._accept(ready, talking)
                        else:
                            _part(key.fileobj, ready, talking)
            finally:
                for one in talking:
                    _abort(one)

    def _goes_on(self, talking: set[socket.socket]) -> bool:
        wanted = self._awaited.total() or talking
        return bool(wanted) and time.monotonic() < self._end

    def _accept(self, ready: selectors.BaseSelector, talking: set[socket.socket]) -> None:
        with suppress(OSError):
            one, (address, *_) = self._listening.accept()
            talking.add(one)
            ready.register(one, selectors.EVENT_READ)
            self._greet(one, plain(address))

    def _greet(self, one: socket.socket, address: str) -> None:
        """The line in a packet of its own, which is small, then what does not fit in one."""
        one.setblocking(False)
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._awaited[address] > 0:
            self._awaited[address] -= 1
            self._tell(one, line(self.nonce, address))
        elif self._strangers > 0:
            self._strangers -= 1
            self._tell(one, line(STRANGER, address))
        else:
            one.shutdown(socket.SHUT_RDWR)

    def _tell(self, one: socket.socket, first: bytes) -> None:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * PADDING)
        self._send(one, first)
        self._send(one, bytes(PADDING))

    def _send(self, one: socket.socket, data: bytes) -> None:
        one.send(data)


def _bound(address: str) -> socket.socket:
    """A socket of that address at a port of the kernel's choice."""
    one = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        one.bind((address, 0))
    except OSError:
        one.close()
        raise
    return one


def _part(one: object, ready: selectors.BaseSelector, talking: set[socket.socket]) -> None:
    """The other side has closed, or says something, which nobody should: either ends it."""
    if isinstance(one, socket.socket):
        ready.unregister(one)
        talking.discard(one)
        _abort(one)


def _abort(one: socket.socket) -> None:
    """Close, and leave nothing for the kernel to send again."""
    with suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    one.close()
