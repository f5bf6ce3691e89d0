"""`distcheck lint` as a command: exit codes, formats, and what is selected."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from distcheck.agent.cli.app import main

GOOD = """\
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  containers:
  - {name: c, image: 'vllm/vllm-openai:v0.11.0'}
"""
WARNS = GOOD.replace("v0.11.0", "latest")
BAD = GOOD.replace("'vllm/vllm-openai:v0.11.0'", "'vllm/vllm-openai:v0.11.0', limits: {}")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a.yaml"


@pytest.mark.parametrize(
    ("text", "words", "code"),
    [
        (GOOD, (), 0),
        (WARNS, (), 0),
        (WARNS, ("--level", "warning"), 1),
        (WARNS, ("--level", "warning", "--skip", "CONF075"), 0),
        (BAD, (), 1),
        (BAD, ("--only", "conf075"), 0),
        (f"{GOOD}---\na: [\n", (), 2),
        (f"{BAD}---\na: [\n", (), 1),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", (), 3),
        ("", (), 3),
    ],
)
def test_the_exit_code_says_what_was_found(
    file: Path, text: str, words: tuple[str, ...], code: int
) -> None:
    file.write_text(text)
    assert main(["lint", str(file), *words]) == code


def test_a_file_that_is_not_there_is_unreadable(tmp_path: Path) -> None:
    assert main(["lint", str(tmp_path / "none.yaml")]) == 2


def test_an_unknown_rule_is_a_usage_error(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(GOOD)
    assert main(["lint", str(file), "--skip", "CONF999"]) == 2
    assert "CONF999" in capsys.readouterr().err


def test_text_shows_the_line_and_marks_the_place(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(WARNS)
    main(["lint", str(file)])
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("warning[CONF075]: ")
    assert f"{file}:6:" in out[1]
    marks = out[3].index("^")
    assert out[2][marks:].startswith("'vllm/vllm-openai:latest'")


def test_every_format_can_be_written_at_once(file: Path, tmp_path: Path) -> None:
    file.write_text(BAD)
    names = ("json", "sarif", "junit", "github")
    outputs = [w for n in names for w in ("-o", f"{n}={tmp_path / n}")]
    assert main(["lint", str(file), *outputs]) == 1
    told = json.loads((tmp_path / "json").read_text())
    assert told["schema"] == "distcheck.lint/v1"
    run = json.loads((tmp_path / "sarif").read_text())["runs"][0]
    assert run["results"][0]["ruleId"] == told["findings"][0]["id"] == "CONF071"
    region = run["results"][0]["locations"][0]["physicalLocation"]["region"]
    assert region["startLine"] == told["findings"][0]["at"]["line"]
    assert ET.parse(tmp_path / "junit").getroot().find("testsuite/testcase/failure") is not None
    assert (tmp_path / "github").read_text().startswith("::error file=")


def test_what_cannot_be_read_is_an_error_in_junit(file: Path, tmp_path: Path) -> None:
    file.write_text(f"{GOOD}---\na: [\n")
    assert main(["lint", str(file), "-o", f"junit={tmp_path / 'out'}"]) == 2
    suite = ET.parse(tmp_path / "out").getroot().find("testsuite")
    assert suite is not None
    assert (suite.get("errors"), suite.get("tests")) == ("1", "1")
    assert suite.find("testcase/error") is not None


def test_a_secret_is_not_shown_again(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(GOOD.replace("image:", "env: [{name: HF_TOKEN, value: s3cr3t-9}], image:"))
    main(["lint", str(file), "--only", "CONF076"])
    out = capsys.readouterr().out
    assert "CONF076" in out
    assert "s3cr3t-9" not in out
