"""Whatever is done to a manifest: no exception, and every place is inside its file."""

import random
import re
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.lint.judge import judged

from distcheck.agent.manifests.lint import Asked
from distcheck.agent.manifests.mending import MENDS, mended
from distcheck.checks.manifest.report import LintReport
from distcheck.checks.manifest.rules import rules

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


def inside(report: LintReport, text: str) -> None:
    lines = text.split("\n")
    for one in report.findings:
        assert 1 <= one.at.line <= len(lines)
        assert 1 <= one.at.column <= len(lines[one.at.line - 1]) + 1
    for new in mended([("0.yaml", text)], _MENDING).values():
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
