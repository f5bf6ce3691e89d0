"""Unquoted words as sigs.k8s.io/yaml (goyaml.v2, resolve.go) gives them to the API server."""

import pytest
from tests.lint.judge import found

from distcheck.agent.manifests.scalars import plain_value

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  terminationGracePeriodSeconds: %s
  containers: [{name: v, image: "vllm/vllm-openai:v0.11.0", env: [{name: A, value: %s}]}]
"""


@pytest.mark.parametrize("word", ["y", "Y", "n", "yes", "On", "OFF", "TRUE", "False"])
def test_a_switch_of_yaml_1_1_is_no_text(word: str) -> None:
    says = [f.says for f in found(POD % (1, word), "CONF070")]
    assert says == [f"value must be text, and is the boolean {str(plain_value(word)).lower()}"]


@pytest.mark.parametrize(
    ("word", "means"),
    [
        ("8", 8), ("+8", 8), ("1_000", 1000), ("0b11", 3), ("0o10", 8), ("010", 8), ("0x1F", 31),
        ("08", 8.0), ("1e3", 1000.0), (".5", 0.5), ("-.Inf", -float("inf")),
        ("9" * 25, int("9" * 25)),
    ],
)  # fmt: skip
def test_a_number_is_no_text(word: str, means: float) -> None:
    assert plain_value(word) == means
    assert found(POD % (1, word), "CONF070")


@pytest.mark.parametrize(
    "word", ["tRue", "yEs", "oFF", "1:30", "2024-01-01", "1e999", "0x", "8Gi", "_1", "1.5.2", "."]
)
def test_what_only_looks_like_a_number_or_a_switch_is_text(word: str) -> None:
    assert plain_value(word) == word
    assert found(POD % (1, word), "CONF070") == ()


@pytest.mark.parametrize("word", ["~", "null", "Null", "NULL", ""])
def test_nothing_is_no_value(word: str) -> None:
    assert plain_value(word) is None


@pytest.mark.parametrize(("number", "wrong"), [("30.0", 0), ("1e3", 0), ("1.5", 1), (".inf", 1)])
def test_a_whole_number_may_be_written_with_a_point(number: str, wrong: int) -> None:
    assert len(found(POD % (number, "a"), "CONF070")) == wrong


@pytest.mark.parametrize(
    ("value", "level"),
    [
        ("template-num-nodes", "hint"),
        ("YOUR_REPLICAS", "hint"),
        ("two", "error"),
        ("nodes-2", "error"),
    ],
)
def test_words_that_sed_puts_a_number_in_for_are_told_as_such(value: str, level: str) -> None:
    text = (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec:\n"
        f"  replicas: {value}\n"
        "  template: {spec: {containers: [{image: 'vllm/vllm-openai:v1'}]}}\n"
    )
    assert [f.level for f in found(text, "CONF070")] == [level]


def test_where_a_claims_source_stood_until_kubernetes_1_31_is_said() -> None:
    text = (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n"
        "  resourceClaims: [{name: g, source: {resourceClaimName: g}}]\n"
        "  containers: [{name: vllm, image: 'vllm/vllm-openai:v0.11.0'}]\n"
    )
    (one,) = found(text, "CONF071")
    assert one.says == "PodResourceClaim has no field source since Kubernetes 1.31"
