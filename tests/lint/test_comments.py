"""Only comments silence, and only what they stand at; documents end where YAML ends them."""

import pytest
from tests.lint.judge import found, judged

from distcheck.agent.manifests.source import REST

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: vllm}
spec:
  containers:
  - name: vllm
    image: vllm/vllm-openai:latest
"""
FLOW = """\
kind: Pod
metadata: {name: vllm}
spec:
  containers:
  - {name: vllm, image: %s}"""
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 80}]}\n"
IGNORE = "# distcheck: ignore CONF075 as is"


def reasons(text: str) -> list[str | None]:
    return [f.silenced for f in found(text, "CONF075")]


@pytest.mark.parametrize(
    "text",
    [
        f"kind: ConfigMap\ndata:\n  readme: |\n    {IGNORE}\n---\n{POD}",
        f"kind: ConfigMap\ndata:\n  readme: |\n    {IGNORE}\n\n---\n{POD}",
        FLOW % f'"vllm/vllm-openai:latest", args: ["x {IGNORE}"]',
        FLOW % f"vllm/vllm-openai:latest, args: ['x {IGNORE}']",
        POD.replace("image:", f"args:\n    - |\n      sleep 5\n      {IGNORE}\n    image:"),
        POD.replace("image: v", f"env: [{{name: x, value: '\n     {IGNORE}'}}]\n    image: v"),
        f"{SERVICE}{IGNORE}\n---\n{POD}",
        f"{SERVICE}{IGNORE}\n...\n{POD}",
    ],
)  # fmt: skip
def test_a_text_silences_nothing_beside_it(text: str) -> None:
    assert reasons(text) == [None]


@pytest.mark.parametrize(
    "text",
    [
        f"{IGNORE}\n---\n{POD}",
        f"%YAML 1.1\n{IGNORE}\n---\n{POD}",
        f"---\n{SERVICE}---\n{IGNORE}\n{POD}",
        f"{SERVICE}...\n{IGNORE}\n---\n{POD}",
        POD.replace("latest", f"latest {IGNORE}"),
        POD.replace("vllm/vllm-openai:latest", f"'vllm/vllm-openai:latest' {IGNORE}"),
        POD.replace("image: v", f"image: |- {IGNORE}\n      v"),
        FLOW % "\"vllm/vllm-openai:latest\", args: [' # distcheck: ignore x']" + f" {IGNORE}\n",
    ],
)  # fmt: skip
def test_a_comment_silences_what_follows_it(text: str) -> None:
    assert reasons(text) == ["as is"]


@pytest.mark.parametrize("mark", ["...\n", "...\n---\n", "--- # one\n", "...\n# two\n"])
def test_each_document_of_a_stream_is_read(mark: str) -> None:
    report = judged(f"{SERVICE}{mark}{POD}", only="CONF075")
    assert (report.objects, [f.at.line for f in report.findings]) == (
        2,
        [11 + mark.count("\n")],
    )
    left = [n.says for n in report.not_judged if n.says == REST]
    assert left == [REST] * ("---" not in mark)


def test_a_text_of_one_json_object_is_no_comment_on_the_next() -> None:
    pod = '{"kind": "Pod", "spec": {"containers": [{"name": "x %s", "image": "vllm/vllm-openai"}]}}'
    assert set(reasons(pod % IGNORE + pod % "")) == {None}


@pytest.mark.parametrize("end", ["\x85", "\u2028", "\u2029"])
def test_lines_are_those_that_an_editor_counts(end: str) -> None:
    env = f'    env: [{{name: a, value: "x{end}y"}}, {{name: é, value: 7}}]\n'
    (one,) = found(POD + env, "CONF070")
    assert (one.at.line, one.at.source[one.at.column - 1 : one.at.end_column - 1]) == (8, "7")
