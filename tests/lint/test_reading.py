"""Whatever the file: what can be judged is, and the rest is named with its place."""

import pytest
from tests.lint.judge import found, judged

from distcheck.agent.manifests.lint import Asked, lint_texts
from distcheck.agent.manifests.other_files import OTHER_JSON, OTHER_YAML
from distcheck.agent.manifests.source import REST, Problem, decoded, documents
from distcheck.checks.manifest.report import PIPED, LintReport
from distcheck.checks.manifest.rules import rules

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
        ("[" * 5000, 1, "nested deeper than the"),
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
    says = report.not_judged[0].says
    assert "not read: its aliases" in says
    assert "not valid YAML" not in says


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", "{apiVersion: apps/v1, kind: Deployment, x: [}"),
        ("a", "{kind: Deployment, x: [}"),
        ("a.json", "apiVersion: apps/v1\nkind: Deployment\n  bad: [\n"),
        ("a.json", "{'apiVersion': 'apps/v1', x: [}"),
        ("a.json", "{x: 1,\n 'kind':'Deployment', y: [}"),
    ],
    ids=["flow", "no ending", "block", "single quotes", "a line's start"],
)
def test_a_manifest_is_one_however_its_keys_are_quoted(name: str, text: str) -> None:
    (one,) = documents(name, text)
    assert isinstance(one, Problem)
    assert one.fatal
    assert "not valid YAML" in one.says


def test_a_large_manifest_in_flow_form_is_not_taken_for_other_yaml() -> None:
    deep = "{a: " * 130 + "1" + "}" * 130
    text = f"{{apiVersion: apps/v1, kind: Deployment, x: {'y' * 300_000}, spec: {deep}}}"
    for name in ("a.yaml", "a.json"):
        (one,) = documents(name, text)
        assert isinstance(one, Problem)
        assert one.fatal


@pytest.mark.parametrize(
    "text",
    ['{"a": 1, // why\n "b": 2,}', "{" + '"a": {"b": 1},' * 30_000 + '"c": 2,}', "[1, // a\n2}"],
    ids=["comments", "large", "a list"],
)
def test_json_that_is_no_kubernetes_object_need_not_be_readable(text: str) -> None:
    """A pre-commit hook is given tsconfig.json and lock files, too."""
    (one,) = documents("a.json", text)
    assert isinstance(one, Problem)
    assert (one.fatal, one.says) == (False, OTHER_JSON)


def test_a_manifest_in_broken_json_is_unreadable() -> None:
    text = '{"apiVersion": "v1", "kind": "Pod", // why\n "metadata": {},}'
    for name in ("a.json", "a.yaml", PIPED):
        (one,) = documents(name, text)
        assert isinstance(one, Problem)
        assert one.fatal
    (one,) = documents("a.yaml", '{"a": 1,\n')
    assert isinstance(one, Problem)
    assert one.fatal


def test_a_limit_of_ours_is_told_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distcheck.agent.manifests.yaml_tree.MOST_EVENTS", 20)
    (one,) = documents("a.yaml", "kind: Pod\n" + "a: b\n" * 20)
    assert isinstance(one, Problem)
    assert (one.fatal, one.says) == (
        True, "not read: of one document distcheck reads 20 keys and values"
    )  # fmt: skip


def test_a_large_lock_file_is_no_manifest_that_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """pnpm-lock.yaml has more keys than are read, and packages called kind-of."""
    monkeypatch.setattr("distcheck.agent.manifests.yaml_tree.MOST_EVENTS", 20)
    lock = "packages:\n" + "  kind-of@6.0.3: {}\n" * 15_000
    (one,) = documents("pnpm-lock.yaml", lock)
    assert isinstance(one, Problem)
    assert (one.fatal, one.says) == (False, OTHER_YAML)
    (one,) = documents("a.yaml", f"- kind: Pod\n- {lock}")
    assert isinstance(one, Problem)
    assert one.fatal


def test_a_list_without_an_object_is_told() -> None:
    (one,) = documents("a.json", "[1,2,3]")
    assert isinstance(one, Problem)
    assert (one.fatal, one.line) == (False, 1)


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
        ("disable=CONF075 x", "silences nothing"),
    ],
)
def test_a_comment_that_names_no_rule_is_told(comment: str, says: str) -> None:
    report = judged(POD.replace("latest", f"latest  # distcheck: {comment}"))
    (one,) = (n for n in report.not_judged if "rule" in n.says or "silences" in n.says)
    assert (one.line > 1, says in one.says, one.unreadable) == (True, True, False)
    assert one.misspelt


@pytest.mark.parametrize(
    ("comment", "told"),
    [
        ("distcheck ignore CONF075", 1),
        ("distcheck-ignore: CONF075 x", 1),
        ("distcheck.io/ignore: CONF075 x", 1),
        ("distcheck ignore[CONF075]", 1),
        ("distcheck finds CONF075 here", 0),
        ("distcheck would skip this one", 0),
        ("our distcheck ignores CONF075", 0),
    ],
)
def test_a_comment_that_is_nearly_one_of_ours_is_told(comment: str, told: int) -> None:
    report = judged(POD.replace("latest", f"latest  # {comment}"))
    assert [n.misspelt for n in report.not_judged] == [True] * told
    assert [f.silenced for f in report.findings if f.id == "CONF075"] == [None]


TEMPLATE = "kind: Pod\nmetadata: {name: {{ .Release.Name }}}\n"


def notes(files: dict[str, str]) -> list[tuple[str, str]]:
    report = lint_texts(list(files.items()), Asked(rules()))
    return [(n.file, n.says) for n in report.not_judged]


def test_a_chart_is_told_once_with_the_command_that_renders_it() -> None:
    files = {f"d/vllm/templates/{n}.yaml": TEMPLATE for n in range(3)}
    files |= {"d/vllm/Chart.yaml": "name: vllm\n", "d/vllm/values-prod.yaml": "x: 1\n"}
    says = "a Helm chart, 3 templates not judged: give the output of"
    assert notes(files) == [("d/vllm/Chart.yaml", f"{says} `helm template d/vllm`")]


def test_a_chart_without_what_must_be_rendered_is_told_as_that() -> None:
    files = {"c/templates/a.yaml": POD, "c/Chart.yaml": "name: c\n"}
    says = "a Helm chart, what is in it is judged as it is written: give the output of"
    assert notes(files) == [("c/Chart.yaml", f"{says} `helm template c`")]


def test_a_template_without_a_chart_and_values_without_one_are_named() -> None:
    found = notes({"a.yaml": TEMPLATE, "values.yaml": "x: 1\n"})
    assert [(file, "helm template" in says) for file, says in found] == [
        ("a.yaml", True),
        ("values.yaml", False),
    ]


HOOKS = "repos: [{repo: x, rev: y, hooks: [{id: z}]}]\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (HOOKS, 0),
        ("on: push\njobs: {a: {steps: [{run: x}]}}\n", 0),
        ("metadata: {name: a}\nspec: {}\n", 1),
        ("x: {resources: {limits: {nvidia.com/gpu: 1}}}\n", 1),
        ("services: {a: {image: vllm/vllm-openai}}\n", 1),
    ],
)
def test_beside_manifests_only_what_seems_meant_as_one_is_told(text: str, told: int) -> None:
    """pre-commit names every file of a commit: its own configuration is in no need of a note."""
    assert len(notes({".pre-commit-config.yaml": text, "pod.yaml": POD})) == told
    assert len(notes({".pre-commit-config.yaml": text})) == 1


def test_overlays_are_told_once_with_the_command_that_builds_them() -> None:
    files = {f"o/{n}/kustomization.yaml": "resources: [../base]\n" for n in "abc"}
    says = "what it builds is not judged, and 2 more: give the output of `kustomize build o/a`"
    assert notes(files) == [("o/a/kustomization.yaml", says)]


def test_the_overlay_is_to_be_built_not_its_base() -> None:
    files = {"base/kustomization.yaml": "resources: [pod.yaml]\n", "base/pod.yaml": POD}
    files["prod/kustomization.yaml"] = "resources: [../base]\n"
    says = "what it builds is not judged: give the output of `kustomize build prod`"
    assert notes(files) == [("prod/kustomization.yaml", says)]
    files["base/kustomization.yaml"] = "resources: [../prod]\n"
    assert [n[0] for n in notes(files)] == ["base/kustomization.yaml"]


def test_a_comment_in_a_start_script_silences_what_is_found_there() -> None:
    script = "ray start --head\nuntil [ $(ray status | grep -c GPU) -ge 8 ]; do sleep 1; done"
    text = POD.replace("latest", "v0.11.0\n    command: [sh, -c]\n    args:\n    - |\n      ")
    text = text.replace("      \n", "      " + script.replace("\n", "\n      ") + "\n")
    (one,) = found(text, "CONF004")
    lines = text.split("\n")
    lines[one.at.line - 1] += "  # distcheck: ignore CONF004 of one line"
    assert [f.silenced for f in found("\n".join(lines), "CONF004")] == ["of one line"]


SCRIPT = """\
apiVersion: v1
kind: Pod
metadata: {name: vllm}
spec:
  containers:
  - name: vllm
    image: vllm/vllm-openai:v0.11.0
    command:
    - sh
    - -c
    - |
      # --tensor-parallel-size is what the GPUs are
      vllm serve /m --tensor-parallel-size 16
    resources: {limits: {nvidia.com/gpu: 8}}
"""


def test_a_word_of_a_script_is_shown_where_it_runs_not_in_a_comment() -> None:
    (one,) = found(SCRIPT, "CONF001")
    assert one.at.source.lstrip().startswith("vllm serve")


JSON_POD = (
    '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "é"}, "spec": {"containers": ['
    '{"name": "v", "image": "vllm/vllm-openai:v0.11.0", "args": ["--model", "m", "-tp", "8"],'
    ' "resources": {"limits": {"nvidia.com/gpu": 1}}}]}}'
)


@pytest.mark.parametrize("between", ["", " ", "\n", "\n\n  "])
def test_each_object_of_a_json_stream_is_judged_where_it_stands(between: str) -> None:
    text = JSON_POD + between + JSON_POD
    told = [f.at for f in judged(text, only="CONF001").findings]
    assert not judged(text).not_judged
    assert [a.source[a.column - 1 - a.cut :].startswith('-tp"') for a in told] == [True] * 2
    assert len({(a.line, a.column) for a in told}) == 2


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        (f"{JSON_POD} }}}}}} garbage", 1, len(JSON_POD) + 2),
        (f"# c\n{JSON_POD}\n{JSON_POD}\n", 3, 1),
        ("{kind: Pod}\n# c\n{kind: Pod}\n...\n---\nkind: Pod\n", 3, 1),
        (f"{JSON_POD}{JSON_POD}\nx", 2, 1),
    ],
)
def test_what_follows_a_document_is_told(text: str, line: int, column: int) -> None:
    told = [(n.line, n.column) for n in judged(text).not_judged if n.says == REST]
    assert told == [(line, column)]


def test_the_end_of_a_document_may_be_marked() -> None:
    for end in ("...\n", "... # c\n# d\n", "...\n%YAML 1.1\n---\n", "...\n---\nkind: Pod\n"):
        report = judged(f"kind: Pod\n{end}")
        assert report.objects
        assert all(n.says != REST for n in report.not_judged)


def test_an_object_that_begins_without_dashes_is_told_once() -> None:
    first = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {replicas: 1}\n"
    text = first + "kind: Service\napiVersion: v1\nmetadata: {name: a}\nspec: {ports: []}\n"
    (one,) = found(text, "CONF072")
    assert (one.at.line, one.says.partition(":")[2]) == (5, " another object begins without `---`")
    assert len(found(text + first, "CONF072")) == 2


def test_text_where_a_secret_has_a_mapping_is_called_text_and_not_shown() -> None:
    (one,) = found(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: url = me:pass\n", "CONF070"
    )
    assert one.says == "data must be a mapping, and is text"
    assert "pass" not in one.at.source


def test_what_sops_writes_into_a_file_that_it_encrypts_is_no_unknown_field() -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {a: 'ENC[x]'}\n"
    assert not judged(secret + "sops: {mac: 'ENC[y]', version: 3.9.0}\n").findings
    assert found(secret + "sop: {}\n", "CONF071")
