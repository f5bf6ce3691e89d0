"""How tests judge texts: the whole way from YAML to findings."""

from distcheck.agent.manifests.lint import Asked, lint_texts
from distcheck.checks.manifest.report import LintFinding, LintReport
from distcheck.checks.manifest.rules import rules


def judged(*texts: str, only: str | None = None) -> LintReport:
    """The report on these files, `0.yaml` and so on, by all rules or one."""
    chosen = tuple(r for r in rules() if only in (None, r.id))
    report = lint_texts([(f"{n}.yaml", text) for n, text in enumerate(texts)], Asked(chosen))
    assert not report.bugs, report.bugs[0].trace
    return report


def found(text: str, rule: str) -> tuple[LintFinding, ...]:
    """What one rule finds in one text."""
    return judged(text, only=rule).findings


def sure(report: LintReport) -> list[str]:
    """Errors and warnings in words, for a failing assertion to show."""
    return [
        f"{f.level} {f.id} {f.at.file}:{f.at.line}: {f.says}"
        for f in report.open
        if f.level != "hint"
    ]
