"""The termination message: what `kubectl describe pod` shows of a container that has ended."""

import os
from pathlib import Path

TERMINATION_LOG = Path("/dev/termination-log")
_MOST = 4000
"""Bytes: the kubelet takes 4096 of a container's message."""


def tell_kubelet(says: str, path: Path | None = None) -> None:
    """The reason, one line, as the container's termination message, when this runs in a pod."""
    path = path or TERMINATION_LOG
    if "KUBERNETES_SERVICE_HOST" not in os.environ or not path.is_file():
        return
    line = "".join(c for c in " ".join(says.split()) if c.isprintable())
    try:
        path.write_bytes(_cut(line.encode()) + b"\n")
    except OSError:
        return  # the message is a courtesy: the exit code says the same


def _cut(line: bytes) -> bytes:
    """No more than the kubelet reads, which would otherwise keep the end of it."""
    if len(line) <= _MOST:
        return line
    return line[: _MOST - 3].decode(errors="ignore").encode() + b"..."
