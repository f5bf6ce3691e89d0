"""From reports to exit codes, without a process."""

from pathlib import Path

import pytest
from msgspec import structs
from tests.evidence_builder import healthy

from distcheck.agent.cli import app
from distcheck.agent.cli.kubelet import tell_kubelet
from distcheck.agent.cli.verdict_exit import exit_code, worst_code
from distcheck.checks.catalog import catalog
from distcheck.checks.report import Judged, Report, judge
from distcheck.checks.verdict import Outcome


@pytest.fixture
def report() -> Report:
    return judge(healthy(), catalog()).report


@pytest.mark.parametrize(
    ("verdict", "plain", "strict"),
    [("pass", 0, 0), ("warn", 0, 1), ("fail", 1, 1), ("unknown", 3, 3)],
)
def test_each_verdict_has_its_code_and_strict_fails_warnings(
    report: Report, verdict: Outcome, plain: int, strict: int
) -> None:
    judged = Judged(structs.replace(report, verdict=verdict))
    assert exit_code(judged) == plain
    assert exit_code(judged, strict=True) == strict


def test_our_own_bug_never_looks_like_a_pass(report: Report) -> None:
    for verdict, code in (("pass", 70), ("unknown", 70), ("fail", 1)):
        judged = Judged(structs.replace(report, verdict=verdict), ("Traceback...",))
        assert exit_code(judged, inconclusive="pass") == code


def test_a_proven_failure_is_worse_than_an_unknown_and_nothing_is_no_pass() -> None:
    assert worst_code([0, 3, 1]) == 1
    assert worst_code([0, 3]) == 3
    assert worst_code([0, 70, 3]) == 70
    assert worst_code([]) == 3


def test_the_reason_is_the_termination_message_of_a_pod(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "termination-log"
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    tell_kubelet("fail: replicated", path)
    assert not path.exists()
    path.touch()
    tell_kubelet("fail:\x1b[31m\n replicated", path)
    assert path.read_text() == "fail:[31m replicated\n"


def test_the_termination_message_is_one_line_that_the_kubelet_keeps_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "termination-log"
    path.touch()
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    tell_kubelet("fail: " + "é" * 5000, path)
    written = path.read_bytes()
    assert len(written) <= 4096
    assert written.decode().startswith("fail: é")
    assert written.endswith("é...\n".encode())


def test_outside_a_pod_no_termination_message_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "termination-log"
    path.touch()
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    tell_kubelet("pass: all of it", path)
    assert path.read_text() == ""


def test_an_exception_nobody_expected_is_our_bug_and_says_how_to_report_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(app.COMMANDS, "broken", ("distcheck.no_such_module", ""))
    assert app.main(["broken"]) == 70
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "report it" in said
