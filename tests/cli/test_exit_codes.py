"""From reports to exit codes, without a process."""

from pathlib import Path

import pytest
from msgspec import structs
from tests.evidence_builder import healthy

from distcheck.agent.cli import app, kubelet
from distcheck.agent.cli.kubelet import tell_kubelet
from distcheck.agent.cli.verdict_exit import exit_code, worst_code
from distcheck.checks.catalog import catalog
from distcheck.checks.judging import Judged, judge
from distcheck.checks.report import Report
from distcheck.checks.verdict import Outcome, verdict_line
from distcheck.exporters.formats import FORMATS


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


def test_inconclusive_is_no_pass_for_a_group_that_was_not_reached(report: Report) -> None:
    unknown = structs.replace(report, verdict="unknown")
    unreached = structs.replace(unknown, target=structs.replace(report.target, pods=()))
    for one, code in ((unknown, 0), (unreached, 3)):
        assert exit_code(Judged(one), inconclusive="pass") == code
        assert exit_code(Judged(one), inconclusive="fail") == 1


def test_a_file_that_cannot_be_written_costs_only_itself(
    tmp_path: Path,
    evidence: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    log, after = tmp_path / "termination-log", tmp_path / "report.json"
    log.touch()
    monkeypatch.setattr(kubelet, "TERMINATION_LOG", log)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    words = ("-o", "junit=/dev/full", "-o", "text", "-o", f"json={after}")
    assert app.main(["verify", "--evidence", str(evidence), *words]) == 2
    out, err = capsys.readouterr()
    assert "/dev/full cannot be written: No space left on device" in err
    assert (out != "", after.stat().st_size > 0) == (True, True)
    assert log.read_text().startswith("pass: ")


def test_the_help_of_outputs_names_every_format(capsys: pytest.CaptureFixture[str]) -> None:
    app.main(["verify", "--help"])
    said = capsys.readouterr().out
    assert [name for name in FORMATS if name not in said] == []


def test_a_verdict_is_not_said_twice() -> None:
    assert verdict_line("unknown", "unknown: no API server") == "unknown: no API server"
    assert verdict_line("fail", "no API server") == "fail: no API server"


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
