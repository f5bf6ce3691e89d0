"""What the lab takes from this machine: addresses, ports, processes."""

import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Protocol

_LOOK_SECONDS = 0.5
_PORTS = range(20000, 32768)
"""Above those that Ray takes for its workers, below those that Linux takes for who connects."""
_RESERVED = deque[int]()
_MOST_RESERVED = 128


class Process(Protocol):
    """What runs: a `subprocess.Popen`, or what does the same."""

    def send_signal(self, sig: int) -> None:
        """Send it, if it runs still."""

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code; `subprocess.TimeoutExpired` while it runs."""

    def kill(self) -> None:
        """By SIGKILL."""


def free_subnet() -> str:
    """A `127.x.y` that no other lab of this machine has now."""
    while True:
        subnet = f"127.{random.randint(64, 250)}.{random.randint(0, 250)}"
        with socket.socket() as probe, suppress(OSError):
            probe.bind((f"{subnet}.2", 6379))
            return subnet


def free_port() -> int:
    """A port that nobody has on any address, and that no other process of the lab is given.

    Port 0 would give one of those that the kernel gives to outgoing connections as well: it may
    be taken again before its server starts.
    """
    while True:
        port = random.choice(_PORTS)
        if _reserve(port) and _is_free(port):
            return port


def _reserve(port: int) -> bool:
    """Hold the port's name among Unix sockets: a name without a file, gone with the process."""
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0distcheck-lab-port-{port}")
    except OSError:
        name.close()
        return False
    _RESERVED.append(name.detach())
    if len(_RESERVED) > _MOST_RESERVED:
        os.close(_RESERVED.popleft())
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe, suppress(OSError):
        probe.bind(("", port))
        return True
    return False


def listens(port: int, ip: str = "127.0.0.1") -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((ip, port)) == 0


def end(process: Process, number: int = signal.SIGTERM) -> None:
    """Ask the process to end by signal `number`, and make it after three seconds."""
    process.send_signal(number)
    try:
        process.wait(3)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def end_with(parent: int) -> None:
    """From now on this process ends by SIGTERM once `parent` is no longer its parent."""
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
