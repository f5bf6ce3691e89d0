"""What counts among the findings of a group, and which of them lies at the root."""

from collections.abc import Iterable

from distcheck.checks.knowledge.engine_remedies import MAY_FOLLOW
from distcheck.checks.on_paper import SILENCED
from distcheck.checks.report import Finding
from distcheck.checks.verdict import Outcome, worst

PAPER = "CONF"
"""How the ids of rules for manifests begin: their warnings are advice, and decide nothing."""


def counts(finding: Finding) -> bool:
    """Whether it decides the verdict: what is supporting does by what is wrong alone."""
    if finding.id.startswith(PAPER):
        return finding.core or finding.outcome == "fail"
    return finding.core or finding.outcome in ("fail", "warn")


def group_verdict(findings: Iterable[Finding]) -> Outcome:
    """The group's verdict: the worst that counts, and unknown where nothing passed or failed."""
    counted = [f.outcome for f in findings if counts(f)]
    verdict = worst(counted)
    return "unknown" if verdict == "warn" and "pass" not in counted else verdict


_CAUSE_ORDER = (
    *("GROUP001", "NET003", "RAY001", "NET001", "NET002", "RAY", "SHM", "RDMA", "GPU"),
    *("NCCL006", "SHARD", "GROUP002", "NCCL004", "GROUP003", "NCCL", "NET004"),
)
"""How ids begin, roots first: NCCL004 has a failure's own line, NCCL001 what came of it.

A rank that is gone (NCCL006) leaves its GPU unused (SHARD004). Where an engine ended of its own
(GROUP003), its peers' NCCL failed after it (NCCL004).
"""


_TOLD_BETTER = {
    "group_too_small": "GROUP002",
    "workers_short": "NCCL006",
    "name_unresolved": "NET002",
    "name_wrong": "NET002",
    "gcs_unreachable": "NET001",
}
"""Causes that another check tells better: they come right after the id that stands beside each."""


def by_cause(findings: Iterable[Finding]) -> list[Finding]:
    """What lies at the root first: a node that is missing before the ranks that wait for it."""
    return sorted(findings, key=_depth)


def _depth(finding: Finding) -> tuple[int, bool]:
    cause = finding.cause or ""
    ended_alone = finding.id == "GROUP003" and cause and cause not in MAY_FOLLOW
    name = "GROUP002" if ended_alone else _TOLD_BETTER.get(cause, finding.id)
    known = (n for n, start in enumerate(_CAUSE_ORDER) if name.startswith(start))
    return next(known, len(_CAUSE_ORDER)), name != finding.id


def silenced(findings: Iterable[Finding]) -> list[Finding]:
    """Rules of which an annotation silences all that they found."""
    return [f for f in findings if f.outcome == "skipped" and f.says.startswith(SILENCED)]
