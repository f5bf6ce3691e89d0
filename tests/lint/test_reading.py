"""Whatever the file: what can be judged is, and the rest is named with its place."""

import pytest
from tests.lint.judge import found, judged

from distcheck.agent.manifests.source import Problem, decoded
from distcheck.checks.manifest.report import LintReport

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: vllm}
spec:
  containers:
  - name: vllm
    image: vllm/vllm-openai:latest
"""


def places(report: LintReport) -> list[tuple[str, int, int]]:
    return [(f.id, f.at.line, f.at.column) for f in report.findings]


def test_a_finding_has_the_line_and_column_of_its_value() -> None:
    one = found(POD, "CONF075")[0]
    assert (one.at.line, one.at.column) == (7, 12)
    assert one.at.source[one.at.column - 1 : one.at.end_column - 1] == "vllm/vllm-openai:latest"
    assert (one.at.object, one.at.path) == ("Pod/vllm", "spec.containers[0].image")


def test_lines_count_through_documents_and_windows_line_ends() -> None:
    text = decoded("x", f"# one\na: 1\n---\n{POD}".replace("\n", "\r\n").encode("utf-8-sig"))
    assert isinstance(text, str)
    assert places(judged(text, only="CONF075")) == [("CONF075", 10, 12)]


def test_text_that_is_no_utf8_is_named_with_its_line() -> None:
    assert decoded("x", b"a: 1\nb: \xff\n") == Problem("x", 2, 1, "not UTF-8 text")


@pytest.mark.parametrize(
    ("bad", "line", "says"),
    [
        ("a:\n\t- b\n", 2, "tab"),
        ("a: b: c\n", 1, "mapping values are not allowed"),
        ("a: *gone\n", 1, "no anchor of that name"),
        ("a: &a [*a]\n", 1, "holds itself"),
        ("[" * 5000, 1, "nested too deep"),
        ("a: [1, 2\nb: 3\n", 2, "expected"),
    ],
)
def test_a_bad_document_is_named_and_the_others_are_judged(bad: str, line: int, says: str) -> None:
    report = judged(f"{bad}\n---\n{POD}", only="CONF075")
    assert [f.id for f in report.findings] == ["CONF075"]
    assert [(n.line, n.unreadable) for n in report.not_judged] == [(line, True)]
    assert says in report.not_judged[0].says


def test_aliases_that_would_grow_are_refused() -> None:
    bomb = "a: &a [1,1,1,1,1,1,1,1,1]\n"
    for low, high in zip("abcdefg", "bcdefgh", strict=True):
        bomb += f"{high}: &{high} [{','.join([f'*{low}'] * 9)}]\n"
    report = judged(bomb)
    assert "too large" in report.not_judged[0].says


def test_a_helm_template_is_said_not_to_be_judged() -> None:
    report = judged("kind: Pod\nspec:\n  x: {{ .Values.x }}\n  {{- if .Values.y }}\n  y: 1\n")
    assert [(n.unreadable, n.line) for n in report.not_judged] == [(False, 3)]
    assert "helm template" in report.not_judged[0].says


def test_a_fragment_is_judged_and_said_to_be_one() -> None:
    report = judged("containers:\n- name: vllm\n  image: vllm/vllm-openai\n", only="CONF075")
    assert places(report) == [("CONF075", 3, 10)]
    assert "fragment" in report.not_judged[0].says


def test_items_of_a_list_are_judged_each() -> None:
    inner = "".join(f"  {line}\n" for line in POD.splitlines())
    text = f"apiVersion: v1\nkind: List\nitems:\n-{inner[1:]}"
    assert places(judged(text, only="CONF075")) == [("CONF075", 10, 14)]


def test_anchors_and_merge_keys_are_followed() -> None:
    text = POD.replace("  containers:\n", "  containers:\n  - {<<: *c, name: b}\n")
    text = "x: &c {image: vllm/vllm-openai, name: a}\n" + text
    assert ("CONF075", 1, 15) in places(judged(text, only="CONF075"))


def test_a_comment_silences_one_finding_with_its_reason() -> None:
    text = POD.replace("latest", "latest  # distcheck: ignore CONF075 a test cluster")
    report = judged(text, only="CONF075")
    assert [f.silenced for f in report.findings] == ["a test cluster"]
    assert report.open == ()


def test_a_comment_above_an_object_silences_it_whole() -> None:
    report = judged(f"---\n# distcheck: ignore CONF075 later\n{POD}---\n{POD}", only="CONF075")
    assert [f.silenced for f in report.findings] == ["later", None]


def test_objects_of_one_name_in_two_files_are_two_deployments() -> None:
    group = POD.replace("latest", "main")
    assert len(judged(group, group.replace("main", "dev"), only="CONF075").findings) == 2


def test_a_comment_that_silences_nothing_is_told() -> None:
    text = POD.replace("latest", "v0.11.0  # distcheck: ignore CONF075, CONF060 a test cluster")
    report = judged(text)
    told = [(n.line, n.says.split(": ")[1][:7], n.unreadable) for n in report.not_judged]
    assert told == [(7, "CONF060", False), (7, "CONF075", False)]
    assert judged(text, only="CONF001").not_judged == ()


def test_a_comment_that_silences_something_is_not_told() -> None:
    text = POD.replace("latest", "latest  # distcheck: ignore CONF075 a test cluster")
    assert judged(text).not_judged == ()


@pytest.mark.parametrize(
    ("comment", "says"),
    [
        ("ignore CONF75 later", "CONF75 is no rule"),
        ("ignore CONF999", "CONF999 is no rule"),
        ("ignore CONF075, CONF61 x", "CONF61 is no rule"),
        ("ignore the tag", "silences nothing"),
        ("ignore", "silences nothing"),
    ],
)
def test_a_comment_that_names_no_rule_is_told(comment: str, says: str) -> None:
    report = judged(POD.replace("latest", f"latest  # distcheck: {comment}"))
    (one,) = (n for n in report.not_judged if "rule" in n.says or "silences" in n.says)
    assert (one.line > 1, says in one.says, one.unreadable) == (True, True, False)
