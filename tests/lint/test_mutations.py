"""Whatever is done to a manifest: no exception, and every place is inside its file."""

import json
import random
import re
from pathlib import Path
from xml.etree import ElementTree as ET

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.lint.judge import judged

from distcheck.agent.manifests.findings import MENDS
from distcheck.agent.manifests.lint import Asked
from distcheck.agent.manifests.lint import judged as judged_texts
from distcheck.checks.manifest.report import LintReport
from distcheck.checks.manifest.rules import rules
from distcheck.exporters.formats import Page
from distcheck.exporters.lint_github import render_github
from distcheck.exporters.lint_junit import render_junit
from distcheck.exporters.lint_sarif import render_sarif
from distcheck.exporters.lint_text import render_text
from distcheck.exporters.typography import Ink

_MENDING = Asked(tuple(r for r in rules() if r.id in MENDS))

TEXTS = [
    p.read_text("utf-8") for p in sorted((Path(__file__).parent / "manifests").rglob("*.yaml"))
]
VALUES = [
    "",
    " 8",
    ' "x"',
    " []",
    " {}",
    " null",
    " true",
    " -1",
    " [1]",
    " {a: b}",
    " *a",
    " &a x",
]
_VALUE = re.compile(r"(?<=:)[^\n{\[|>]*$", re.MULTILINE)


def told(report: LintReport, lines: list[str]) -> None:
    """Every format takes it, and every region of SARIF is inside the file."""
    for ink in (Ink(), Ink(colour=True)):
        render_text(report, Page(40), ink)
    render_github(report)
    ET.fromstring(render_junit(report, "hint"))
    run = json.loads(render_sarif(report, (), "/src"))["runs"][0]
    notes = run["invocations"][0]["toolExecutionNotifications"]
    for place in (p for r in (*run["results"], *notes) for p in r["locations"]):
        if region := place["physicalLocation"].get("region"):
            assert 1 <= region["startLine"] <= len(lines)
            end = len(lines[region["startLine"] - 1]) + 1
            assert 1 <= region["startColumn"] <= region["endColumn"] <= end


def inside(report: LintReport, text: str) -> None:
    lines = text.split("\n")
    for one in report.findings:
        for at in (one.at, *one.also):
            assert 1 <= at.line <= len(lines)
            assert 1 <= at.column <= len(lines[at.line - 1]) + 1
            assert at.column < at.end_column <= max(len(lines[at.line - 1]), at.column) + 1
        for edit in one.edits:
            assert 1 <= edit.column <= edit.end_column <= len(lines[edit.line - 1]) + 1
    for note in report.not_judged:
        assert 0 <= note.line <= len(lines)
    told(report, lines)
    for new in judged_texts([("0.yaml", text)], _MENDING).mended.values():
        assert judged(new).objects == report.objects


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(TEXTS) - 1), st.integers(0, 1 << 30), st.sampled_from(VALUES))
def test_values_of_any_type_are_told_or_taken(which: int, seed: int, value: str) -> None:
    rng = random.Random(seed)
    text = TEXTS[which]
    spots = list(_VALUE.finditer(text))
    for spot in sorted(rng.sample(spots, min(3, len(spots))), key=lambda m: -m.start()):
        text = text[: spot.start()] + value + text[spot.end() :]
    inside(judged(text), text)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, len(TEXTS) - 1), st.integers(0, 1 << 30))
def test_lines_may_be_lost_moved_or_doubled(which: int, seed: int) -> None:
    rng = random.Random(seed)
    lines = TEXTS[which].split("\n")
    for _ in range(3):
        at, to = rng.randrange(len(lines)), rng.randrange(len(lines))
        what = rng.choice(("lose", "double", "move", "indent"))
        line = lines[at] if what in ("double", "indent") else lines.pop(at)
        if what == "indent":
            lines[at] = f"  {line}"
        elif what != "lose":
            lines.insert(to, line)
    text = "\n".join(lines)
    inside(judged(text), text)
