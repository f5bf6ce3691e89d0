"""The verdict on NCCL where no log shows a line of it."""

from distcheck.checks.evidence import Cite, Missing
from distcheck.checks.knowledge.names import alike
from distcheck.checks.verdict import Verdict, skipped, unknown


def without_log(nccl: Missing, why: str, shown: tuple[Cite, ...]) -> Verdict:
    """Skipped because of `why` where `shown` shows it; else unknown, for the reason of `nccl`."""
    if shown:
        return skipped(why, shown)
    return unknown("; ".join(alike(nccl.reason.split("; "))))
