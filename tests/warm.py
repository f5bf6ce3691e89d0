"""Processes of `distcheck`, forked from one that has imported everything: a start costs little.

They run what `python -m` runs, with their own argv, environment, folder, files, signals and end;
only imports are done once for all. Tests of a start, of imports, and of networks start a Python.
"""

import atexit
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Self

from distcheck.lab.ray import LabRay
from distcheck.lab.scenario import Scenario
from distcheck.lab.world import World

Done = subprocess.CompletedProcess[bytes]
_NUMBER = 20
"""Bytes that a number takes at most."""


class Forked:
    """A running process: what tests use of `subprocess.Popen`."""

    def __init__(
        self, words: Sequence[str], told: socket.socket, kept: Sequence[IO[bytes]]
    ) -> None:
        """`told` gives its number, and how it ended; `kept` are its stdout and stderr."""
        self.args, self._told, self._kept = words, told, kept
        self.pid = int(told.recv(_NUMBER))
        self.returncode: int | None = None

    def __enter__(self) -> Self:
        """Nothing yet."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Wait for its end."""
        self.wait()
        for file in self._kept:
            file.close()

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, negative for a signal.

        Raises:
            subprocess.TimeoutExpired: it runs still.
        """
        if self.returncode is None:
            self._told.settimeout(timeout)
            try:
                ended = self._told.recv(_NUMBER)
            except TimeoutError:
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0) from None
            self._told.close()
            self.returncode = os.waitstatus_to_exitcode(int(ended))
        return self.returncode

    def send_signal(self, sig: int) -> None:
        """Send it, unless it was seen to end."""
        if self.returncode is None:
            os.kill(self.pid, sig)

    def kill(self) -> None:
        """By SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[bytes, bytes]:
        """Its stdout and stderr, once it has ended."""
        self.wait(timeout)
        for file in self._kept:
            file.seek(0)
        out, err = (file.read() for file in self._kept)
        return out, err


class Warm:
    """The process that forks: it ends with the process that made it, and with it all its own."""

    def __init__(self) -> None:
        self._door, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            command = [sys.executable, "-m", "tests.warm_process", str(its.fileno())]
            self._process = subprocess.Popen(command, pass_fds=[its.fileno()])
        atexit.register(self.close)

    def close(self) -> None:
        """End it."""
        self._door.close()
        self._process.wait()

    def start(
        self,
        words: Sequence[str],
        *,
        files: tuple[int, int, int] | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        strict: bool = False,
    ) -> Forked:
        """`python -m WORDS`; `strict` is `-W error`. Without `files` what it prints is kept."""
        given = dict(os.environ if env is None else env)
        here = str(cwd or Path.cwd())
        request = {"words": [*words], "env": given, "cwd": here, "strict": strict}
        kept = [] if files else [tempfile.TemporaryFile() for _ in range(2)]  # noqa: SIM115
        told, tells = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with tells, Path(os.devnull).open("rb") as nothing:
            three = files or (nothing.fileno(), *(one.fileno() for one in kept))
            socket.send_fds(self._door, [json.dumps(request).encode()], [tells.fileno(), *three])
            return Forked(words, told, kept)

    def run(
        self,
        words: Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        strict: bool = False,
    ) -> Done:
        """The same, to its end."""
        with ExitStack() as stack:
            given, out, err = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(3))
            given.write(stdin)
            given.seek(0)
            files = given.fileno(), out.fileno(), err.fileno()
            process = self.start(words, files=files, env=env, cwd=cwd, strict=strict)
            try:
                code = process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
            out.seek(0)
            err.seek(0)
            return Done([*words], code, out.read(), err.read())


@functools.cache
def warm() -> Warm:
    """One for all tests of this process."""
    return Warm()


def warm_world(scenario: Scenario, ray: LabRay | None = None) -> World:
    """A lab whose agents are forked, unless they live in a network of their own."""
    return World(scenario, ray) if scenario.world.firewall else World(scenario, ray, spawn=_agent)


def _agent(words: Sequence[str], log: IO[bytes]) -> Forked:
    """Its parent is the process that forks, which ends with this one."""
    return warm().start(words, files=(log.fileno(), log.fileno(), log.fileno()))
