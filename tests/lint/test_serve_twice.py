"""vLLM's image runs `vllm serve`: `serve` and a model behind it are arguments too many."""

import pytest
from tests.lint.judge import found

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: v}
spec:
  containers:
  - {name: v, image: "%s", args: %s, %s resources: {limits: {nvidia.com/gpu: 1}}}
"""
VLLM = "vllm/vllm-openai:v0.11.0"


@pytest.mark.parametrize(
    ("image", "args", "command", "count"),
    [
        (VLLM, "[serve, Qwen/Qwen3-8B, --port, '8000']", "", 1),
        (VLLM, "[serve, Qwen/Qwen3-8B]", "command: [vllm],", 0),
        (VLLM, "[serve, --port, '8000']", "", 0),
        (VLLM, "[Qwen/Qwen3-8B, --port, '8000']", "", 0),
        ("registry.io/ours/vllm:1", "[serve, Qwen/Qwen3-8B]", "", 0),
    ],
)
def test_serve_is_said_once(image: str, args: str, command: str, count: int) -> None:
    findings = found(POD % (image, args, command), "CONF077")
    assert ["starts vLLM's server" in f.says for f in findings] == [True] * count
