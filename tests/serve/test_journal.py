"""What serve says of itself: what is new, once, and in one line."""

import pytest
from msgspec import structs
from tests.evidence_builder import healthy

from distcheck.agent.serve.journal import Journal
from distcheck.checks.catalog import catalog
from distcheck.checks.judging import judge

REPORT = judge(healthy(), catalog()).report
FAILED = structs.replace(REPORT, verdict="fail", summary="NCCL002: sockets\n\x1b[31m" + "x" * 900)
KEY = "llm", "vllm-head"


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What was said, each line without its time."""
    return [line.partition(" ")[2] for line in capsys.readouterr().err.splitlines()]


def test_a_verdict_is_told_when_it_changes_and_not_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    journal = Journal()
    for report in (REPORT, REPORT, FAILED, FAILED, REPORT):
        journal.verdict(KEY, report)
    first, failed, back = lines(capsys)
    assert first == f"distcheck serve: llm/vllm-head: PASS: {REPORT.summary}"
    assert failed.startswith("distcheck serve: llm/vllm-head: FAIL (was pass): NCCL002: sockets")
    assert back.startswith("distcheck serve: llm/vllm-head: PASS (was fail): ")
    assert failed.isprintable()
    assert len(failed) < 600


def test_a_listing_that_fails_is_told_once_and_so_is_its_return(
    capsys: pytest.CaptureFixture[str],
) -> None:
    journal = Journal()
    for trouble in ("", "refused", "refused", "", ""):
        journal.listing(trouble)
    assert lines(capsys) == [
        "distcheck serve: refused",
        "distcheck serve: serving groups can be listed again",
    ]


def test_a_group_that_is_gone_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    journal = Journal()
    journal.verdict(KEY, REPORT)
    journal.groups([KEY])
    journal.groups([])
    journal.groups([])
    assert lines(capsys)[1:] == ["distcheck serve: llm/vllm-head: gone"]
