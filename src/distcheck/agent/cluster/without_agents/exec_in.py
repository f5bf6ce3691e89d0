"""One command in a container, through the API server: its output as it comes, and how it ended."""

import json
import time
from collections.abc import Callable, Sequence

from msgspec import Struct

from distcheck.agent.cluster.api import Api
from distcheck.agent.cluster.errors import Unreachable
from distcheck.agent.redact import one_line
from distcheck.checks.evidence import Pod

_STDOUT, _STDERR, _STATUS = 1, 2, 3
_MAX_OUTPUT = 64 << 20
_MAX_WORDS = 4096
_NOT_STARTED = ("executable file not found", "no such file or directory", "not found in $path")
_SHELL_CODES = ("126", "127")


class Ended(Struct, frozen=True):
    """How a command ended; `why` is empty for exit code 0.

    `started` is False where the container has no such program.
    """

    why: str = ""
    started: bool = True


def exec_in(
    api: Api, pod: Pod, argv: Sequence[str], take: Callable[[bytes], None], deadline: float
) -> Ended:
    """Run `argv` in the pod's main container; what it prints goes to `take`, 64 MiB at most.

    Raises:
        Refused: the caller may not exec there.
        NotFound, Unreachable: no such pod or container, or no connection.
    """
    path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/exec"
    query = [("container", pod.container), ("stdout", "true"), ("stderr", "true")]
    stream = api.stream(path, [*query, *(("command", word) for word in argv)])
    size, told = 0, {_STDERR: b"", _STATUS: b""}
    try:
        while message := stream.receive(deadline):
            channel, data = message
            size += len(data)
            if size > _MAX_OUTPUT:
                return Ended(f"it printed more than {_MAX_OUTPUT >> 20} MiB")
            if channel in told:
                told[channel] = (told[channel] + data)[:_MAX_WORDS]
            if channel == _STDOUT:
                take(data)
    except Unreachable as error:
        late = time.monotonic() >= deadline
        return Ended("it did not end before the deadline" if late else str(error))
    finally:
        stream.close()
    return ended(told[_STATUS], told[_STDERR])


def ended(status: bytes, stderr: bytes) -> Ended:
    """The end that the status channel tells, a metav1.Status; total."""
    try:
        told = json.loads(status)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        return Ended("the connection broke before the command ended")
    if told.get("status") == "Success":
        return Ended()
    last = one_line(stderr.decode("utf-8", "replace").strip().rpartition("\n")[2])
    says = one_line(str(told.get("message", "it failed")))
    absent = any(words in f"{says} {last}".lower() for words in _NOT_STARTED)
    coded = any(says.endswith(f" {code}") for code in _SHELL_CODES)
    return Ended(f"{says}: {last}" if last else says, started=not (absent or coded))
