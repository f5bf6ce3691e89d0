"""What stands between the lab's pods and the ports that NCCL picks: rules without a firewall."""

import socket
import time
from contextlib import ExitStack

from distcheck.agent.greeting import PADDING
from distcheck.agent.probes.port_listener import PortListener
from distcheck.lab.listeners import fill


class Dropped(PortListener):
    """Drops every SYN: its queue of connections is full, and stays so."""

    def _begin(self, address: str) -> None:
        self._listening.listen(0)
        self._held_open = ExitStack()
        while self._fill(address):
            pass

    def _fill(self, address: str) -> bool:
        client = self._held_open.enter_context(socket.socket())
        return fill(client, (address, self._listening.getsockname()[1]))

    def _serve(self) -> None:
        with self._sockets, self._held_open:
            while time.monotonic() < self._end:
                time.sleep(0.1)


class NoFullSize(PortListener):
    """Full-size packets are lost on their way back."""

    def _send(self, one: socket.socket, data: bytes) -> None:
        if len(data) < PADDING:
            super()._send(one, data)


WAYS: dict[str, type[PortListener]] = {
    "open": PortListener,
    "dropped": Dropped,
    "no-full-size": NoFullSize,
}
