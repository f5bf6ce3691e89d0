"""What the documents show is what is seen: commands that need no cluster.

Reports of the lab are compared where their scenario runs: tests/lab/test_scenarios.py.
"""

import pytest
from msgspec import structs
from tests.evidence_builder import healthy
from tools import shown
from tools.doc_blocks import ROOT, Block, blocks, with_texts

from distcheck.checks.catalog import catalog
from distcheck.checks.judging import judge
from distcheck.checks.report import Report
from distcheck.lab.scenarios import names


@pytest.fixture(scope="module")
def report() -> Report:
    """A group that failed one check, at an address of the lab."""
    good = judge(healthy(), catalog()).report
    first = structs.replace(
        good.checks[0], outcome="fail", says="127.88.1.3:54321 is shut", id="NET001"
    )
    return structs.replace(good, verdict="fail", checks=(first, *good.checks[1:]))


def test_commands_without_a_lab_show_what_they_print() -> None:
    """Run as a reader would."""
    assert shown.drift_here() == ""


def test_every_lab_that_is_shown_is_one() -> None:
    """Its scenario is run by another test, which compares."""
    labs = {b.options["lab"] for b in shown.console_blocks() if "lab" in b.options}
    assert labs
    assert labs <= set(names())


def test_addresses_and_ports_are_made_alike(report: Report) -> None:
    """They differ in every run."""
    assert shown.settled(report).checks[0].says == "10.0.0.3:41713 is shut"


def test_only_what_is_asked_for_is_shown(report: Report) -> None:
    """The rest is cut, and marked as such."""
    text = shown.shown(report, ["NET001"])
    assert "10.0.0.3:41713 is shut" in text
    assert "Passed" not in text
    assert text.endswith("\n\n...\n")
    assert "is shut" not in shown.shown(report, ["SHM001"])


def test_a_block_that_shows_something_else_is_found(report: Report) -> None:
    """The comparison can fail."""
    page = ROOT / "docs" / "tutorial.md"
    block = Block(page, 1, "console", {"lab": "x", "show": "NET001"}, "$ echo $?\n0\n")
    assert shown.console(block.text, shown.in_lab(report, block)) == "$ echo $?\n1\n"


def test_other_commands_are_not_shown_of_a_lab(report: Report) -> None:
    """What nobody ran is not made up."""
    block = Block(ROOT / "README.md", 1, "console", {"lab": "x"}, "")
    with pytest.raises(ValueError, match="verify vllm-head-0 alone"):
        shown.in_lab(report, block)("distcheck ray 10.0.0.2:6379")


def test_only_the_text_of_a_block_is_written_anew() -> None:
    """All else of the page stays as it was."""
    page = "# A\n\n```console lab=x\n$ echo $?\n1\n```\n\nB\n\n```\nC\n```\n"
    now = with_texts(page, {0: "$ echo $?\n0\n"})
    assert now == page.replace("\n1\n", "\n0\n")
    assert [b.text for b in blocks(ROOT / "README.md", now)] == ["$ echo $?\n0\n", "C\n"]
