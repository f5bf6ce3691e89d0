"""Ways to load weights that hold them as they are, and ways that hold others."""

import pytest
from tests.lint.judge import found

POD = """
apiVersion: v1
kind: Pod
metadata: {name: vllm}
spec:
  containers:
  - name: vllm
    image: vllm/vllm-openai:v0.11.0
    args: [--model, deepseek-ai/DeepSeek-V3, -tp, "1", FORMAT]
    resources: {limits: {nvidia.com/gpu: 1}}
"""


def loaded(words: str) -> list[str]:
    return [one.level for one in found(POD.replace("FORMAT", words), "CONF006")]


@pytest.mark.parametrize(
    "words", ["--load-format, modelexpress", "--load_format=runai_streamer", "--load-format, auto"]
)
def test_how_weights_are_read_makes_them_no_smaller(words: str) -> None:
    assert loaded(words) == ["error"]


@pytest.mark.parametrize("name", ["dummy", "bitsandbytes", "gguf", "sharded_state", "tensorizer"])
def test_other_weights_are_not_judged_by_the_models_name(name: str) -> None:
    assert not loaded(f"--load-format, {name}")


def test_a_format_that_is_filled_later_is_not_known() -> None:
    assert not loaded("--load-format, $(FORMAT)")
    assert not loaded("--load-format")
