"""Which right of the agent is missing, and what stays unseen for it.

What each capability buys was tried: SYS_PTRACE opens `/proc/PID/root`, `environ` and `ns` of
other processes, DAC_READ_SEARCH the files of other users behind them, and SYS_ADMIN lets a
thread enter a network namespace (ptrace(2), capabilities(7), setns(2)).
"""

import errno
import os
import re
from collections.abc import Sequence
from pathlib import Path

_BITS = {"DAC_READ_SEARCH": 2, "SYS_PTRACE": 19, "SYS_ADMIN": 21}
_EFFECTIVE = re.compile(r"^CapEff:\s*([0-9a-f]{1,16})$", re.MULTILINE)
_REFUSALS = (errno.EACCES, errno.EPERM)
READING = ("SYS_PTRACE", "DAC_READ_SEARCH")
ENTERING = (*READING, "SYS_ADMIN")


def granted(status: Path = Path("/proc/self/status")) -> frozenset[str]:
    """Those of the three capabilities that this process has; all where that cannot be seen."""
    try:
        found = _EFFECTIVE.search(status.read_text())
    except OSError:
        found = None
    bits = int(found[1], 16) if found else -1
    return frozenset(name for name, bit in _BITS.items() if bits >> bit & 1)


def why_refused(error: OSError, unseen: str, needs: Sequence[str] = READING) -> str | None:
    """Which right is missing where `error` is a refusal; None for every other error.

    `unseen` is what cannot be seen without it, in words.
    """
    if error.errno not in _REFUSALS:
        return None
    have = granted()
    lacking = [name for name in needs if name not in have]
    said = os.strerror(error.errno)
    if not lacking:
        return f"{unseen} cannot be seen: {said}, though the agent has {' and '.join(needs)}"
    verb = "is" if len(lacking) == 1 else "are"
    return f"{' and '.join(lacking)} {verb} not granted to the agent: {unseen} cannot be seen"
