"""The verdict of logs as an outcome, and the form in which it is put into words."""

from msgspec import Struct

from distcheck.checks.evidence.nccl import NcclLog
from distcheck.checks.knowledge import transports
from distcheck.checks.knowledge.nccl_failures import first_failure
from distcheck.checks.verdict import Outcome

OUTCOMES: dict[transports.Verdict, Outcome] = {
    "rdma": "pass",
    "mnnvl": "pass",
    "single-node": "pass",
    "rdma-no-gdr": "warn",
    "socket": "fail",
    "failed": "fail",
    "inconclusive": "unknown",
}


class Summary(Struct, frozen=True):
    """`says` is the verdict in words, `why` lines `(words, file:line)`, `do` what to do."""

    says: str
    why: tuple[tuple[str, str], ...] = ()
    do: str = ""


def verdict(log: NcclLog, *, ended: bool = True) -> transports.Verdict:
    """The verdict; of a log not read to its end, what it lacks proves no failure."""
    found = transports.verdict(log)
    lacks = found == "failed" and first_failure(log.failures) is None
    return "inconclusive" if lacks and not ended else found
