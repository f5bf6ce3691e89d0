"""What the lab takes from this machine: addresses, ports, processes."""

import random
import socket
import subprocess
from contextlib import suppress


def free_subnet() -> str:
    """A `127.x.y` that no other lab of this machine has now."""
    while True:
        subnet = f"127.{random.randint(64, 250)}.{random.randint(0, 250)}"
        with socket.socket() as probe, suppress(OSError):
            probe.bind((f"{subnet}.2", 6379))
            return subnet


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int, ip: str = "127.0.0.1") -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((ip, port)) == 0


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask the process to end, and make it after three seconds."""
    process.terminate()
    try:
        process.wait(3)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
