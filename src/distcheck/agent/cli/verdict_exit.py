"""From a report to an exit code."""

from collections.abc import Iterable

from distcheck.agent.cli import exit as codes
from distcheck.checks.judging import Judged

_CODES = {"pass": codes.PASS, "warn": codes.PASS, "fail": codes.FAIL, "unknown": codes.UNKNOWN}
_INCONCLUSIVE = {"fail": codes.FAIL, "pass": codes.PASS}
_WORST_FIRST = (codes.FAIL, codes.BUG, codes.WAITED, codes.UNKNOWN, codes.PASS)


def exit_code(judged: Judged, *, strict: bool = False, inconclusive: str | None = None) -> int:
    """The code of one report: what is proven wrong first, then our own bugs.

    `inconclusive` pass is for groups that were looked at: one of which no pod was seen stays
    unknown.
    """
    verdict = judged.report.verdict
    if verdict != "fail" and judged.bugs:
        return codes.BUG
    if verdict == "warn" and strict:
        return codes.FAIL
    looked_at = bool(judged.report.target.pods)
    if verdict == "unknown" and (inconclusive == "fail" or (inconclusive == "pass" and looked_at)):
        return _INCONCLUSIVE[inconclusive]
    return _CODES[verdict]


def worst_code(given: Iterable[int]) -> int:
    """The code of several reports: fail, then a bug, then unknown, then pass."""
    seen = set(given)
    return next((c for c in _WORST_FIRST if c in seen), codes.UNKNOWN)
