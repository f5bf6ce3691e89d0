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


SECRETS = """\
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  containers:
  - name: c
    image: vllm/vllm-openai:v0.11.0
    args: [serve, m, --api-key s3cr3t-1, --tensor-paralel-size, '4', hf_s3cr3tAAAAAAAAAAAAAAAAAAAAAAAAAAAAA]
    env: [{name: HF_TOKEN, value: s3cr3t-2}, {name: HF_TOKEN, value: s3cr3t-3}, {name: A, value: 1}]
    volumeMounts: [{name: m, mountPath: /m}]
    resources: {limits: {nvidia.com/gpu: 4}}
  - name: d
    image: vllm/vllm-openai
    env:
    - {name: DB_PASSWORD, value: 87654321, valu: 1}
    - name: OTHER_TOKEN
      value: |
        s3cr3t-4
        s3cr3t-5
  volumes: [{name: m, emptyDir: {}}]
"""  # noqa: E501


@pytest.mark.parametrize("form", ["text", "json", "sarif", "junit", "github"])
@pytest.mark.parametrize("more", [(), ("--diff",), ("--skip", "CONF076")])
def test_no_output_shows_a_secret_that_another_finding_stands_beside(
    file: Path, capsys: pytest.CaptureFixture[str], form: str, more: tuple[str, ...]
) -> None:
    file.write_text(SECRETS)
    main(["lint", str(file), "-o", form, *more])
    out = "".join(capsys.readouterr())
    assert "CONF073" in out
    assert "CONF070" in out
    assert [s for s in ("s3cr3t", "87654321") if s in out] == []
    assert ("@@" in out) == ("--diff" in more)


def test_the_mark_stays_under_its_place_behind_a_hidden_value(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(SECRETS)
    main(["lint", str(file), "--only", "CONF073", "-o", "json"])
    at = json.loads(capsys.readouterr().out)["findings"][0]["at"]
    assert at["source"][at["column"] - 1 : at["end_column"] - 1] == "HF_TOKEN"
    assert at["column"] > at["source"].index("***")
    line = SECRETS.splitlines()[at["line"] - 1]
    assert line[at["column"] - 1 : at["end_column"] - 1] == "HF_TOKEN"


def test_names_of_kubernetes_keys_are_shown(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = "{name: HF_TOKEN, valueFrom: {secretKeyRef: {name: hf, key: token}}}"
    file.write_text(GOOD.replace("image:", f"env: [{given}, {given}], image:"))
    main(["lint", str(file), "--only", "CONF073", "-o", "json"])
    assert "key: token}" in capsys.readouterr().out
