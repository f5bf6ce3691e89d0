"""The ports of the lab's pods: some listen, some drop what comes, all on loopback addresses."""

import selectors
import socket
import threading
from contextlib import suppress


class Listener:
    """Accepts connections on one address and closes them at once."""

    def __init__(self, ip: str, port: int = 0) -> None:
        self._socket = socket.create_server((ip, port), backlog=64)
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                connection.close()

    def close(self) -> None:
        """Stop listening."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def fill(client: socket.socket, address: tuple[str, int]) -> bool:
    """Take a place in a listener's queue; False where there is none left."""
    client.setblocking(False)
    client.connect_ex(address)
    with selectors.DefaultSelector() as selector:
        selector.register(client, selectors.EVENT_WRITE)
        return bool(selector.select(0.15))


class Dropper:
    """Drops every SYN, as a firewall does: its queue of connections is full and stays so.

    Linux answers no SYN while a listener's accept queue is full (net/ipv4/tcp_input.c,
    `tcp_conn_request`), so a client sees a time-out and no refusal.
    """

    def __init__(self, ip: str, port: int = 0) -> None:
        self._socket = socket.socket()
        self._socket.bind((ip, port))
        self._socket.listen(0)
        self.port: int = self._socket.getsockname()[1]
        self._held: list[socket.socket] = []
        while self._fill(ip):
            pass

    def _fill(self, ip: str) -> bool:
        self._held.append(socket.socket())
        return fill(self._held[-1], (ip, self.port))

    def close(self) -> None:
        """Stop dropping: the port is closed."""
        for one in (*self._held, self._socket):
            one.close()
