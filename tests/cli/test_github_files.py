"""What a GitHub Actions job gets beside the annotations."""

from pathlib import Path

import pytest
from tests.evidence_builder import healthy

from distcheck.agent.cli.github_files import tell_github
from distcheck.checks.catalog import catalog
from distcheck.checks.judging import judge
from distcheck.exporters.formats import Page

REPORTS = (judge(healthy(), catalog()).report,)


def test_the_summary_and_the_verdict_are_added_to_the_runners_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is there already stays."""
    summary, output = tmp_path / "summary", tmp_path / "output"
    output.write_text("before=1\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setenv("GITHUB_OUTPUT", str(output))
    tell_github(REPORTS, Page())
    assert summary.read_text().startswith("### ")
    assert output.read_text() == f"before=1\nverdict={REPORTS[0].verdict}\n"


def test_outside_of_a_job_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor where the runner's file is not to be written."""
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "gone" / "output"))
    tell_github(REPORTS, Page())
    assert list(tmp_path.iterdir()) == []
