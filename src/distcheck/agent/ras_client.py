"""One question to an NCCL RAS thread: a line protocol (src/ras/client.cc, client_support.cc).

Every command ends with a line feed. A thread answers `status` once and closes the connection.
"""

import socket
import time
from pathlib import Path

from msgspec import Struct

from distcheck.agent.netns import entered
from distcheck.agent.redact import one_line

LEG = 3
"""Seconds that RAS gives each of its own processes; it ends the whole query 5 s later at most."""
WHOLE = 8.5
"""Seconds for one answer, all of it."""
_CONNECT = 1.0
_MAX_ANSWER, _MAX_LINE = 4 << 20, 4096


class NoAnswerError(Exception):
    """Nobody answered as RAS does; the message says why."""


class RasAddress(Struct, frozen=True):
    """Where a RAS thread listens, in the network namespace at path `namespace`."""

    namespace: Path
    address: str
    port: int

    def __str__(self) -> str:
        """`127.0.0.1:28028`, `[::1]:28028`."""
        return (
            f"[{self.address}]:{self.port}"
            if ":" in self.address
            else (f"{self.address}:{self.port}")
        )


def ask(where: RasAddress) -> tuple[bytes, bool]:
    """The answer to `verbose status`, and whether it is JSON: where RAS takes that, it is asked.

    Raises:
        NoAnswerError: nobody listens there, or nobody who speaks RAS.
        OSError: the namespace cannot be entered.
    """
    with entered(where.namespace):
        client = socket.socket(socket.AF_INET6 if ":" in where.address else socket.AF_INET)
    with client:
        try:
            return _asked(_Talk(client, time.monotonic() + WHOLE), where)
        except TimeoutError as error:
            raise NoAnswerError(f"{where} gave no answer in {WHOLE:g} s") from error
        except OSError as error:
            raise NoAnswerError(f"{where}: {error.strerror or error}") from error


class _Talk:
    """A connection whose every read and write ends in time."""

    def __init__(self, client: socket.socket, end: float) -> None:
        self._client, self._end = client, end
        self._rest = b""

    def connect(self, where: RasAddress) -> None:
        """Bound to the address that it connects to, so that this cannot be another host's."""
        self._client.settimeout(_CONNECT)
        self._client.bind((where.address, 0))
        self._client.connect((where.address, where.port))

    def say(self, command: str) -> None:
        self._client.settimeout(self._left())
        self._client.sendall(f"{command}\n".encode("ascii"))

    def line(self) -> str:
        """The next line."""
        while b"\n" not in self._rest:
            part = self._more()
            self._rest += part
            if not part or len(self._rest) > _MAX_LINE:
                raise NoAnswerError(f"its answer {one_line(_text(self._rest), 60)!r} is no line")
        line, _, self._rest = self._rest.partition(b"\n")
        return _text(line).strip()

    def rest(self) -> bytes:
        """All until the other side closes."""
        whole = bytearray(self._rest)
        while part := self._more():
            whole += part
            if len(whole) > _MAX_ANSWER:
                raise NoAnswerError(f"the answer is larger than {_MAX_ANSWER} bytes")
        return bytes(whole)

    def _more(self) -> bytes:
        self._client.settimeout(self._left())
        return self._client.recv(1 << 16)

    def _left(self) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def _asked(talk: _Talk, where: RasAddress) -> tuple[bytes, bool]:
    talk.connect(where)
    talk.say("client protocol 2")
    said = talk.line()
    if not said.upper().startswith("SERVER PROTOCOL "):
        raise NoAnswerError(f"{where} does not speak RAS: it says {one_line(said, 60)!r}")
    talk.say(f"timeout {LEG}")
    talk.line()
    talk.say("set format json")
    as_json = talk.line().upper() == "OK"
    talk.say("verbose status")
    return talk.rest(), as_json


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
