"""What the lab takes from this machine: addresses, ports, processes."""

import os
import random
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress

_LOOK_SECONDS = 0.5


def free_subnet() -> str:
    """A `127.x.y` that no other lab of this machine has now."""
    while True:
        subnet = f"127.{random.randint(64, 250)}.{random.randint(0, 250)}"
        with socket.socket() as probe, suppress(OSError):
            probe.bind((f"{subnet}.2", 6379))
            return subnet


def free_port(ip: str = "127.0.0.1") -> int:
    """A port of `ip` that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((ip, 0))
        return int(probe.getsockname()[1])


def listens(port: int, ip: str = "127.0.0.1") -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((ip, port)) == 0


def end(process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> None:
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
