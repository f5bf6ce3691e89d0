"""Imports everything, then forks on demand: the other side of `tests.warm`."""

import atexit
import gc
import importlib
import json
import os
import pkgutil
import select
import socket
import sys
import threading
import time
import warnings
from typing import Any, NoReturn

import distcheck

_MOST = 200_000
"""Bytes of a request: an argv and an environment."""
_CLIENTS = (
    *("hyperscan", "kubernetes.client", "kubernetes.config", "kubernetes.stream.ws_client"),
    *("concurrent.futures.thread", "prometheus_client", "typer", "websocket", "yaml"),
)


def main(door: socket.socket) -> None:
    """Fork until the door is closed; in a forked process, run what was asked for."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _import_all()
    gc.freeze()
    running: dict[int, tuple[int, int]] = {}
    """By the file that is readable once it has ended: its number, and who is told so."""
    poll = select.poll()
    poll.register(door, select.POLLIN)
    while True:
        for fd, _ in poll.poll():
            if fd in running:
                poll.unregister(fd)
                _tell(fd, *running.pop(fd))
                continue
            asked, files, _, _ = socket.recv_fds(door, _MOST, 4)
            if not asked:
                return
            pid = os.fork()
            if not pid:
                door.close()
                _close(*files[:1], *running, *(told for _, told in running.values()))
                _end(_run(json.loads(asked), files[1:]))
            _close(*files[1:])
            os.write(files[0], str(pid).encode())
            ended = os.pidfd_open(pid)
            running[ended] = pid, files[0]
            poll.register(ended, select.POLLIN)


def _import_all() -> None:
    for found in pkgutil.walk_packages(distcheck.__path__, "distcheck."):
        if not found.name.endswith("_inside"):  # scripts for another machine's Python
            importlib.import_module(found.name)
    for name in _CLIENTS:
        importlib.import_module(name)


def _tell(ended: int, pid: int, told: int) -> None:
    status = os.waitpid(pid, 0)[1]
    os.write(told, str(status).encode())
    _close(ended, told)


def _run(request: dict[str, Any], files: list[int]) -> int:
    """As `python -m` with its words."""
    for number, file in enumerate(files):
        os.dup2(file, number)
    _close(*files)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    if request["strict"]:
        warnings.simplefilter("error")
    name, *words = request["words"]
    module = sys.modules.get(f"{name}.__main__") or sys.modules[name]
    sys.argv = [str(module.__file__), *words]
    try:
        return int(module.main() if name == "distcheck" else module.main(words))
    except SystemExit as left:
        return int(left.code or 0)


def _end(code: int) -> NoReturn:
    """As Python ends, but for taking apart what was imported, which takes longer than the run."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    gc.collect()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _close(*files: int) -> None:
    for file in files:
        os.close(file)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
