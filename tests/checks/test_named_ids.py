"""A check that a text sends its reader to is one that there is."""

import re
from pathlib import Path

import pytest

from distcheck.checks.catalog import catalog
from distcheck.checks.manifest.rules import rules

ROOT = Path(__file__).parents[2]
IDS = re.compile(r"\b(?:GROUP|SHARD|NCCL|SHM|RAY|NET|RDMA|GPU|CONF)\d{3}\b")
KNOWN = {one.id for one in catalog()} | {one.id for one in rules()}
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
SOURCES = sorted((ROOT / "src" / "distcheck").rglob("*.py"))


def strangers(text: str) -> set[str]:
    """Ids of no check and no rule, but for those that a sentence says to be planned."""
    sentences = re.split(r"(?<=[.:;])\s+|\n\s*\n", text)
    return {i for s in sentences if "planned" not in s for i in IDS.findall(s)} - KNOWN


@pytest.mark.parametrize("check", catalog(), ids=lambda c: c.id)
def test_a_page_and_its_remedies_name_only_checks_that_exist(check: object) -> None:
    assert not strangers(repr(getattr(check, "page", "")))


@pytest.mark.parametrize("path", [*PAGES, *SOURCES], ids=lambda p: str(p.relative_to(ROOT)))
def test_a_text_names_only_checks_that_exist(path: Path) -> None:
    assert not strangers(path.read_text(encoding="utf-8"))


def test_a_planned_check_may_be_named_as_one() -> None:
    assert strangers("See NCCL999. It hangs.") == {"NCCL999"}
    assert strangers("NCCL999 is planned.") == set()
