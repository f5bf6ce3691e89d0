"""The grammar of NCCL's log: heads of messages here, each kind of message in a table of its own.

Read from NVIDIA/nccl (src/debug.cc), tags v2.8.3 to v2.30.7. All patterns are linear in time:
every repetition is bounded, or can start in one place only.
"""

import re

from distcheck.agent.logs.nccl_grammar_channels import CHANNEL, COLLNET, LOCAL_VIA, NET_VIA
from distcheck.agent.logs.nccl_grammar_diag import DIAG, DIAG_FORMS
from distcheck.agent.logs.nccl_grammar_failures import (
    FAILURES,
    GENERIC,
    PEER,
    VICTIM,
    WRAPPED,
    WRAPPED_FORMS,
    FailureForm,
    Weight,
)
from distcheck.agent.logs.nccl_grammar_info import FORMS, Form
from distcheck.agent.logs.nccl_grammar_marks import MARK_FORMS, MARKS, MarkForm

__all__ = [
    "BARE_VERSION",
    "CALLER_VERSION",
    "CHANNEL",
    "COLLNET",
    "DIAG",
    "DIAG_FORMS",
    "ECHOES",
    "FAILURES",
    "FORMS",
    "GENERIC",
    "HEAD",
    "LOCAL_VIA",
    "MARKS",
    "MARK_FORMS",
    "MESSAGE",
    "NET_VIA",
    "PEER",
    "REPEATED",
    "SOURCE_PREFIX",
    "VICTIM",
    "WRAPPED",
    "WRAPPED_FORMS",
    "FailureForm",
    "Form",
    "MarkForm",
    "Weight",
    "failure_of",
    "is_copy",
    "unfold",
    "wrapped_form_of",
    "wrapped_of",
]

_LONGEST = 2048
_STAMP = r"(?:(?:\d{4}-\d\d-\d\dT)?\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)?"
_HEAD = (
    r"(?<![A-Za-z0-9])" + _STAMP + r"(?P<host>[A-Za-z0-9][A-Za-z0-9_.-]{0,127}):(?P<pid>\d{1,10})"
    r":(?P<tid>\d{1,10}) \[-?\d{1,9}\](?: \S{1,400}:\d{1,9}(?: \(\w{1,200}\))?)?"
)

HEAD = re.compile(_HEAD + r"\Z")
"""What stands before ` NCCL INFO` and ` NCCL WARN`: `host:pid:tid [dev] file.cc:LINE (func)`.

A time of the day may be glued to it: `NCCL_DEBUG_TIMESTAMP_FORMAT` need not end with a space.
"""

MESSAGE = re.compile(_HEAD + r" NCCL (?P<level>INFO|WARN|TRACE) ")
"""The same anywhere in a line: two processes may have written into one."""

SOURCE_PREFIX = re.compile(
    r"\S{1,400}\.(?:cc|cpp|h|cu):\d{1,9}(?: \(\w{1,200}\))? (?!(?:\(\w{1,200}\) )?-> )"
)
"""2.30.7 and newer put `file.cc:LINE (func)` at the start of many INFO messages."""

_ACTOR = re.compile(
    r"\(([A-Za-z_][^\s()]{0,99})? ?(?:rank=\d{1,6} )?pid=\d{1,10}(, ip=[^\s()]{2,45})?\)"
)
_OF_VLLM = ("Worker", "VllmWorker", "EngineCore", "DPCoordinator", "APIServer")

BARE_VERSION = re.compile(
    r"(?<!\w)(?P<flavour>[NR]CCL) version ?:? ?"
    r"(?P<version>\d{1,9}\.\d{1,9}\.\d{1,9}[\w.+:-]{0,80})\s*\Z"
)
"""Until 2.21 rank 0 prints its version without a head, whatever a launcher puts before it."""

CALLER_VERSION = re.compile(r"is using nccl==(?P<version>\d{1,9}(?:\.\d{1,9}){1,3})(?![\w.])")
"""vLLM's own word for the library that its pynccl loaded: `vLLM is using nccl==2.26.2`."""

REPEATED = re.compile(r"\[repeated (?P<times>\d{1,9})x across cluster\]")
"""Ray's mark on a line that stands for others that were equal up to numbers."""

ECHOES = re.compile(
    r"NCCL_(?:IB_|NET|SOCKET_|P2P_|SHM_|CUMEM|DMABUF|NVLS|MNNVL|DEBUG|OOB_|RAS_|COMM_ID|HOSTID"
    r"|ALGO|PROTO|TOPO_FILE|RUNTIME_CONNECT|CROSS_NIC|IGNORE_|MAX_|MIN_|NCHANNELS|GDR)"
)
"""Settings worth keeping: those that change transports, interfaces or what is logged."""


def is_copy(before: str) -> bool:
    """Whether Ray's prefix stands `before` a message: its driver prints a worker's line again.

    `(RayWorkerWrapper pid=9, ip=10.0.0.2) ` on another node, without the address on its own
    (ray._private.worker, print_worker_logs). vLLM puts such a prefix before lines of its own
    processes.
    """
    prefixes = _ACTOR.findall(before[:_LONGEST]) if "pid=" in before else []
    return any(ip or not name.startswith(_OF_VLLM) for name, ip in prefixes)


def unfold(text: str) -> tuple[str, int]:
    """`text` without Ray's mark, and how many lines it stands for."""
    found = REPEATED.search(text) if "x across cluster]" in text else None
    if found is None:
        return text, 1
    return text[: found.start()].rstrip(), max(int(found["times"]), 1)


def failure_of(text: str) -> FailureForm | None:
    """The failure that these words of NCCL name, or None where the table has none."""
    text = text[:_LONGEST]
    return next((f for f in FAILURES if f.pattern.search(text)), None)


def wrapped_form_of(text: str) -> FailureForm | None:
    """The failure in a caller's own words about NCCL or its GPU, or None."""
    text = text[:_LONGEST]
    return next((f for f in WRAPPED_FORMS if f.pattern.search(text)), None)


def wrapped_of(text: str) -> str | None:
    """The id of `wrapped_form_of`."""
    form = wrapped_form_of(text)
    return None if form is None else form.id
