"""`lint` with a line for each finding, for `grep`, editors and long lists."""

from distcheck.checks.manifest.report import LintFinding, LintReport, NotJudged
from distcheck.exporters.typography import no_command, shorten, visible

_HEADLINE = 90


def render_concise(report: LintReport) -> str:
    """`FILE:LINE:COLUMN: LEVEL[ID] what is wrong`, then what is not judged; empty where clean."""
    told = [*(finding_line(f) for f in report.open), *map(unread_line, report.grave)]
    return "".join(f"{no_command(visible(line))}\n" for line in told)


def finding_line(one: LintFinding) -> str:
    """One finding in one line, with what was not seen."""
    unseen = f" (not seen: {one.unseen})" if one.unseen else ""
    return f"{one.at.file}:{one.at.line}:{one.at.column}: {one.level}[{one.id}] {one.says}{unseen}"


def headline(one: LintFinding) -> str:
    """What is wrong, short enough to stand alone: a rule's own title is the good state."""
    return f"{one.id} {shorten(one.says, _HEADLINE, '...')}"


def unread_line(one: NotJudged) -> str:
    """What should have been judged and was not, in one line."""
    return f"{one.file}:{max(one.line, 1)}:{max(one.column, 1)}: {why_not(one)}: {one.says}"


def why_not(one: NotJudged) -> str:
    """What is said of it where it should have been judged."""
    return "not judged" if one.bug else "not readable"


def note_line(one: NotJudged) -> str:
    """A note in one line, safe to print."""
    return no_command(visible(f"{one.file}:{max(one.line, 1)}:{max(one.column, 1)}: {one.says}"))
