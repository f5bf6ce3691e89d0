"""From evidence to a verdict, with what the command line knows better."""

from distcheck.agent.cli.model_file import read_model
from distcheck.agent.cli.options import expected
from distcheck.agent.cli.overrides import with_expected, with_model
from distcheck.agent.cli.select import Selection
from distcheck.checks.evidence import Evidence
from distcheck.checks.judging import Judged, judge


class Judging:
    """Which checks judge, and what `--expect` and `--model` put in first."""

    def __init__(self, selection: Selection, expect: list[str] | None, model: str | None) -> None:
        """Read the options and the model's files.

        Raises:
            Stop: an expectation or a file that cannot be read (exit code 2).
        """
        self._selection = selection
        self._expected = expected(expect)
        self._model = read_model(model) if model is not None else None

    def judge(self, evidence: Evidence) -> Judged:
        """The verdict of the selected checks."""
        evidence = with_expected(evidence, self._expected)
        if self._model is not None:
            evidence = with_model(evidence, self._model)
        chosen = self._selection
        return judge(evidence, chosen.checks, chosen.require, chosen.left_out, chosen.rules)
