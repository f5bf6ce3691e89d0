"""What the agent's own looks see of other processes, with the rights that this process has.

Run as a program: `rights.py FILE LOG SOCKET PID...` prints, by pid, the names of the looks that
saw: FILE is the process's own, LOG and SOCKET are root's, as the kubelet makes them.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from distcheck.agent.netns import entered
from distcheck.agent.probes import podresources, shm, sockets
from distcheck.agent.probes.probe import ProbeError
from distcheck.agent.probes.proc import Proc

FILE, LOG, SOCKET = 1, 2, 3
Look = Callable[[int], object]


def _used(pid: int) -> None:
    if shm.look("/proc", pid, "").used_bytes is None:
        raise OSError("its use is not told")


def _inside(pid: int) -> None:
    with entered(Path(f"/proc/{pid}/ns/net")) as own:
        assert not own


LOOKS: dict[str, Look] = {
    "processes": lambda pid: (
        Path(f"/proc/{pid}/cgroup").read_text() and Path(f"/proc/{pid}/cmdline").read_text()
    ),
    "connections": lambda pid: sockets.look("/proc", pid),
    "shm size": lambda pid: shm.look("/proc", pid, ""),
    "shm use": _used,
    "environment": lambda pid: Proc("/proc").environ(pid),
    "files": lambda pid: Path(f"/proc/{pid}/root{sys.argv[FILE]}").read_text(),
    "inside": _inside,
    "logs": lambda _pid: Path(sys.argv[LOG]).read_text(),
    "kubelet": lambda _pid: podresources.look(sys.argv[SOCKET]),
}


def seen(pid: int) -> list[str]:
    """The looks that were not refused."""
    found = []
    for name, look in LOOKS.items():
        try:
            look(pid)
        except (OSError, ProbeError):
            continue
        found.append(name)
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps({pid: seen(int(pid)) for pid in sys.argv[SOCKET + 1 :]}))
