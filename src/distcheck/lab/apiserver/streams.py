"""pods/exec and pods/portforward over a websocket (channel protocols v4 and v5)."""

import json
import socket
import struct
import threading
from collections.abc import Callable

from distcheck.lab.apiserver.websocket import WebSocket

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
Executor = Callable[[str, str, str, list[str]], tuple[int, bytes, bytes]]
Forwarder = Callable[[str, str, int], "tuple[str, int] | None"]

_STDOUT, _STDERR, _STATUS = 1, 2, 3
_PIECE = 32 * 1024
_CONNECT_S = 5.0


def chosen_protocol(offered: str) -> str | None:
    """The newest protocol of the offer that is spoken here."""
    wanted = [p.strip() for p in offered.split(",")]
    return next((p for p in PROTOCOLS if p in wanted), None)


def run_exec(ws: WebSocket, command: Callable[[], tuple[int, bytes, bytes]]) -> None:
    """Run `command` and send its output, then its end as a metav1.Status on channel 3."""
    try:
        code, out, err = command()
    except OSError as error:
        ended = _not_started(str(error))
        out = err = b""
    else:
        ended = _ended(code)
    _send_all(ws, _STDOUT, out)
    _send_all(ws, _STDERR, err)
    ws.send(bytes([_STATUS]) + json.dumps(ended).encode())
    ws.close()


def _send_all(ws: WebSocket, channel: int, data: bytes) -> None:
    for start in range(0, len(data), _PIECE):
        ws.send(bytes([channel]) + data[start : start + _PIECE])


def _ended(code: int) -> dict[str, object]:
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def _not_started(why: str) -> dict[str, object]:
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"Internal error occurred: error executing command in container: {why}",
        "reason": "InternalError",
        "details": {"causes": [{"message": why}]},
        "code": 500,
    }


def run_forward(ws: WebSocket, pod: str, ports: list[int], to: Callable[[int], object]) -> None:
    """Join each port's pair of channels (data, error) to the address that `to` gives.

    The first frame of every channel carries the port number, little endian (client-python,
    stream/ws_client.py). A port without a listener gets a text on its error channel.
    """
    backends: dict[int, socket.socket] = {}
    for channel, port in _channels(ports):
        for one in (channel, channel + 1):
            ws.send(bytes([one]) + struct.pack("<H", port))
        backend = _connect(to(port))
        if backend is None:
            says = f"error forwarding port {port} to pod {pod}: connect: connection refused"
            ws.send(bytes([channel + 1]) + says.encode())
        else:
            backends[channel] = backend
    _join(ws, backends)


def _channels(ports: list[int]) -> list[tuple[int, int]]:
    return [(2 * i, port) for i, port in enumerate(ports)]


def _connect(address: object) -> socket.socket | None:
    if not isinstance(address, tuple):
        return None
    try:
        sock = socket.create_connection(address, timeout=_CONNECT_S)
    except OSError:
        return None
    sock.settimeout(None)
    return sock


def _join(ws: WebSocket, backends: dict[int, socket.socket]) -> None:
    pumps = [
        threading.Thread(target=_pump, args=(ws, channel, sock), daemon=True)
        for channel, sock in backends.items()
    ]
    last = threading.Thread(target=_close_after, args=(ws, pumps), daemon=True)
    for thread in (*pumps, last):
        thread.start()
    _receive(ws, backends)
    for sock in backends.values():
        _hang_up(sock)
    last.join()
    for sock in backends.values():
        sock.close()


def _receive(ws: WebSocket, backends: dict[int, socket.socket]) -> None:
    while message := ws.receive():
        backend = backends.get(message[0])
        if backend is not None:
            try:
                backend.sendall(message[1:])
            except OSError:
                _hang_up(backend)


def _pump(ws: WebSocket, channel: int, sock: socket.socket) -> None:
    try:
        while data := sock.recv(_PIECE):
            ws.send(bytes([channel]) + data)
    except OSError:
        _hang_up(sock)


def _close_after(ws: WebSocket, pumps: list[threading.Thread]) -> None:
    for pump in pumps:
        pump.join()
    ws.say_close()


def _hang_up(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
