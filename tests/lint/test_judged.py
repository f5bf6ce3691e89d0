"""How what was understood as one group is told."""

import pytest
from tests.lint.judge import judged

from distcheck.agent.manifests.lint import Asked, lint_texts
from distcheck.checks.manifest.rules import rules

SERVER = """
  template:
    metadata: {labels: {app: llm}}
    spec:
      containers:
      - name: vllm
        image: vllm/vllm-openai:v0.11.0
        args: [--model, /m, --tensor-parallel-size, "2"]
        resources: {limits: {nvidia.com/gpu: 2}}
"""


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_replicas_are_copies_of_a_pod(kind: str) -> None:
    head = f"apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: llm}}\nspec:\n"
    text = head + "  replicas: %d\n  selector: {matchLabels: {app: llm}}" + SERVER
    assert judged(text % 4).groups == (
        f"{kind} llm: 4 copies of 1 pod, 2 GPUs each, TP=2, model /m",
    )
    assert judged(text % 1).groups == (f"{kind} llm: 1 pod, 2 GPUs, TP=2, model /m",)


def test_replicas_of_a_leaderworkerset_are_copies_of_its_group() -> None:
    head = "apiVersion: leaderworkerset.x-k8s.io/v1\nkind: LeaderWorkerSet\nmetadata: {name: l}\n"
    body = SERVER.replace("\n", "\n  ").replace("template:", "workerTemplate:", 1)
    text = f"{head}spec:\n  replicas: 3\n  leaderWorkerTemplate:\n    size: 2{body}"
    (told,) = judged(text).groups
    assert told.startswith("LeaderWorkerSet l: 3 copies of 2 pods, 4 GPUs each")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--model, /m", "2 GPUs, TP not told, model /m"),
        ("--tensor-parallel-size, '2'", "2 GPUs, TP=2, model not known"),
        ("--model, /m, --tensor-parallel-size, two", "2 GPUs, TP not readable, model /m"),
    ],
)
def test_what_is_not_told_is_said(words: str, says: str) -> None:
    head = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: llm}\nspec:\n"
    text = head + SERVER.replace('--model, /m, --tensor-parallel-size, "2"', words)
    assert judged(text).groups == (f"Deployment llm: 1 pod, {says}",)


def test_an_image_of_our_own_is_an_engine_that_is_not_known() -> None:
    text = SERVER.replace("vllm/vllm-openai:v0.11.0", "x/y").replace('"2"]', '"2"]  #')
    head = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: llm}\nspec:\n"
    told = judged(head + text.replace("--model, /m, --tensor-parallel-size", "a")).groups
    assert told == (
        "Deployment llm: 1 pod, 2 GPUs, engine not known, TP not told, model not known",
    )


def test_no_secret_is_told_as_a_model() -> None:
    head = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: llm}\nspec:\n"
    key = "t0pS3cr3tKey"
    text = head + SERVER.replace("[--model, /m", f"[--api-key, {key}, --model, 's3://x:{key}@h/m'")
    assert key not in judged(text).groups[0]


def test_values_of_a_chart_are_called_what_they_make() -> None:
    text = (
        "image: {repository: nvcr.io/nim/meta/llama, tag: 2.0.0}\nmodel: {}\n"
        "multiNode: {enabled: true, workers: 1, tensorParallelSize: 8, pipelineParallelSize: 4}\n"
        "resources: {limits: {nvidia.com/gpu: 8}}\n"
    )
    report = judged(text, only="CONF001")
    assert report.groups[0].startswith("the NIM of these values: 2 pods")
    assert "the NIM of these values has 16 (1 x 8 + 1 x 8)" in report.findings[0].says


def test_what_is_no_yaml_is_called_so() -> None:
    (told,) = judged("a: [1,\nb: }").not_judged
    assert told.says.startswith("not valid YAML: ")


@pytest.mark.parametrize(
    ("name", "source", "fixable"),
    [
        ("standard input", "# Source: chart/templates/a.yaml\n", False),
        ("standard input", "", True),
        ("rendered.yaml", "# Source: chart/templates/a.yaml\n", True),
    ],
)
def test_what_a_chart_writes_to_standard_input_is_not_offered_to_be_mended(
    name: str, source: str, fixable: bool
) -> None:
    head = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: llm}\nspec:\n"
    text = f"---\n{source}{head}  selector: {{matchLabels: {{app: llm}}}}{SERVER}"
    asked = Asked(tuple(r for r in rules() if r.id == "CONF060"))
    (one,) = lint_texts([(name, text)], asked).findings
    assert one.fixable is fixable
