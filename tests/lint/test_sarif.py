"""SARIF 2.1.0 as GitHub code scanning takes it: all that is required, within its limits."""

import json
from typing import Any

import pytest
from tests.lint.judge import judged

from distcheck.agent.cli.schema import schema_text
from distcheck.checks.manifest.rules import rules
from distcheck.exporters.lint_sarif import render_sarif

BAD = """\
apiVersion: v1
kind: Pod
metadata: {name: "ünï"}
spec:
  containers:
  - name: a  # distcheck: ignore CONF075 later
    image: vllm/vllm-openai:latest
    limits: {}
  - {name: b, image: vllm/vllm-openai}
---
a: [
"""


@pytest.fixture(scope="module")
def run() -> dict[str, Any]:
    whole = json.loads(render_sarif(judged(BAD, BAD), rules()))
    assert (whole["version"], len(whole["runs"])) == ("2.1.0", 1)
    found: dict[str, Any] = whole["runs"][0]
    return found


def test_every_result_is_of_a_rule_and_has_a_place(run: dict[str, Any]) -> None:
    ids = [r["id"] for r in run["tool"]["driver"]["rules"]]
    assert len(ids) == len(set(ids))
    assert run["results"]
    for one in run["results"]:
        assert ids[one["ruleIndex"]] == one["ruleId"]
        assert one["level"] in ("error", "warning", "note")
        assert one["message"]["text"]
        region = one["locations"][0]["physicalLocation"]["region"]
        assert 1 <= region["startLine"] <= BAD.count("\n")
        assert 1 <= region["startColumn"] < region["endColumn"]


def test_places_are_relative_uris(run: dict[str, Any]) -> None:
    where = [
        r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for r in run["results"]
    ]
    assert set(where) == {"0.yaml", "1.yaml"}


def test_a_finding_is_known_again_and_no_two_are_alike(run: dict[str, Any]) -> None:
    marks = [r["partialFingerprints"]["primaryLocationLineHash"] for r in run["results"]]
    assert len(marks) == len(set(marks))
    again = json.loads(render_sarif(judged(f"# moved\n{BAD}", BAD), rules()))["runs"][0]["results"]
    assert [r["partialFingerprints"]["primaryLocationLineHash"] for r in again] == marks


def test_what_cannot_be_read_is_a_failed_run(run: dict[str, Any]) -> None:
    (one,) = run["invocations"]
    assert one["executionSuccessful"] is False
    assert "error" in {n["level"] for n in one["toolExecutionNotifications"]}


def test_rules_say_what_github_shows(run: dict[str, Any]) -> None:
    """Code scanning shows 1,024 characters of a description, and no rule without its text."""
    for rule in run["tool"]["driver"]["rules"]:
        texts = [rule[k]["text"] for k in ("shortDescription", "fullDescription", "help")]
        assert all(texts)
        assert all(len(text) <= 1024 for text in texts[:2])


def test_the_schema_of_its_json_has_every_field() -> None:
    schema = json.loads(schema_text("lint"))
    report = schema["$defs"]["LintReport"]["properties"]
    assert {"findings", "not_judged", "groups", "judged"} <= report.keys()
