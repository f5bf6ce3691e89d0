"""Whole manifests as users write them: healthy ones are clean, broken ones say what is wrong.

The first lines of a broken one name what is found: `# expect: CONF001 CONF060`.
"""

from pathlib import Path

import pytest
from tests.lint.judge import judged, sure

FOLDER = Path(__file__).parent / "manifests"
HEALTHY = sorted((FOLDER / "healthy").glob("*.yaml"))
BROKEN = sorted((FOLDER / "broken").glob("*.yaml"))


@pytest.mark.parametrize("path", HEALTHY, ids=lambda p: p.stem)
def test_a_healthy_manifest_is_clean(path: Path) -> None:
    report = judged(path.read_text("utf-8"))
    assert report.judged
    assert sure(report) == []


@pytest.mark.parametrize("path", BROKEN, ids=lambda p: p.stem)
def test_a_broken_manifest_says_what_is_wrong(path: Path) -> None:
    text = path.read_text("utf-8")
    wanted = set(text.partition("\n")[0].removeprefix("# expect:").split())
    report = judged(text)
    assert {f.id for f in report.open if f.level != "hint"} == wanted
