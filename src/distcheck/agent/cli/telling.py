"""From reports to outputs, standard error and the exit code: the same for every command."""

import sys
from collections.abc import Sequence

from distcheck.agent.cli import options as opt
from distcheck.agent.cli.bugs import tell_bugs
from distcheck.agent.cli.exit import Stop
from distcheck.agent.cli.github_files import tell_github
from distcheck.agent.cli.kubelet import tell_kubelet
from distcheck.agent.cli.output import Output, keep, outputs, write
from distcheck.agent.cli.verdict_exit import exit_code, worst_code
from distcheck.checks.judging import Judged
from distcheck.checks.report import Report
from distcheck.checks.verdict import verdict_line
from distcheck.exporters.formats import Page
from distcheck.exporters.typography import visible


class Telling:
    """How this run tells; built before any work, so that a bad option costs nothing."""

    def __init__(
        self,
        output: list[str] | None,
        *,
        strict: bool,
        inconclusive: str | None,
        quiet: bool = False,
        read: str | None = None,
    ) -> None:
        """Read the options, and see that the outputs can be written, not over the file `read`.

        Raises:
            Stop: one of them is wrong (exit code 2).
        """
        self._outputs = outputs(output)
        keep([read] if read else [], self._outputs)
        self._strict = strict
        self._quiet = quiet
        self._unknown = opt.one_of("--inconclusive", inconclusive, ("fail", "pass"))

    def tell(self, judged: Sequence[Judged], ended: str = "") -> int:
        """Write every report to every output; the worst exit code.

        `ended` says why a wait ended without a verdict that stays.

        Raises:
            Stop: a file could not be written (exit code 2), after all that could be told.
        """
        reason = ended or (_reason(judged[-1].report) if judged else "")
        if reason:
            tell_kubelet(reason)
        try:
            if judged:
                self._write(judged, ended)
        except Stop as stop:
            raise Stop(stop.code, f"{reason}; {stop.says}") from stop
        finally:
            if ended:
                sys.stderr.write(f"distcheck: {ended}\n")
            tell_bugs(bug for one in judged for bug in one.bugs)
        codes = (exit_code(j, strict=self._strict, inconclusive=self._unknown) for j in judged)
        return worst_code(codes)

    def _write(self, judged: Sequence[Judged], ended: str) -> None:
        unreached = [j.report.notes[0] for j in judged if _is_unreached(j)]
        for why in (w for w in unreached if w not in ended):
            sys.stderr.write(f"distcheck: {why}\n")
        shown = [o for o in self._outputs if not unreached or o.format != "text"]
        page = Page(strict=self._strict, unknown_fails=self._unknown == "fail")
        reports = [j.report for j in judged]
        try:
            write(reports, shown, page)
        finally:
            if any(o.format == "github" for o in shown):
                tell_github(reports, page)
        if not self._quiet and all(o.path for o in self._outputs):
            sys.stderr.write(_into_files(reports, self._outputs))


def _reason(report: Report) -> str:
    """The verdict in one line, as a pod's termination message has it."""
    return verdict_line(report.verdict, report.summary)


def _into_files(reports: Sequence[Report], wanted: Sequence[Output]) -> str:
    """What nobody would see where every result goes to a file: each verdict, and the files."""
    lines = [
        f"distcheck: {visible(r.target.full_name)}: {r.verdict.upper()}: {visible(r.summary)}"
        for r in reports
    ]
    files = ", ".join(str(o.path) for o in wanted)
    return "\n".join((*lines, f"distcheck: wrote {files}\n"))


def _is_unreached(judged: Judged) -> bool:
    """Nothing was seen, for one reason: a page of unknowns would bury it."""
    return bool(judged.report.notes) and not judged.report.target.pods
