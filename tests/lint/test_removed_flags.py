"""Flags that vLLM has dropped are told of images of a release without them, and of no others."""

import pytest
from tests.lint.judge import found

from distcheck.checks.knowledge.vllm_flags import GONE

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: v}
spec:
  containers:
  - name: v
    image: %s
    args: [--model, /m, %s]
    resources: {limits: {nvidia.com/gpu: 1}}
"""


@pytest.mark.parametrize(
    ("image", "told", "says"),
    [
        ("vllm/vllm-openai:v0.16.0", "--disable-log-requests", ""),
        ("vllm/vllm-openai:v0.17.0", "--disable-log-requests", "from 0.17.0 on"),
        ("vllm/vllm-openai:v0.17.0", "--disable_log_requests", "from 0.17.0 on"),
        ("vllm/vllm-openai:v0.10.1", "--num-scheduler-steps=8", "from 0.10.1 on"),
        ("vllm/vllm-openai:v0.9.2", "--num-scheduler-steps=8", ""),
        ("vllm/vllm-openai:latest", "--disable-log-requests", ""),
        ("registry.io/ours/llm:v0.17.0", "--disable-log-requests", ""),
        ("vllm/vllm-openai:v0.17.0", "--no-enable-log-requests", ""),
    ],
)
def test_a_dropped_flag_is_told_by_release(image: str, told: str, says: str) -> None:
    findings = found(POD % (image, told), "CONF115")
    assert [says in f.says and f.level == "error" for f in findings] == [True] * bool(says)


@pytest.mark.parametrize("flag", GONE)
def test_each_is_told_from_its_release_on_and_not_before(flag: str) -> None:
    (major, minor, patch), _ = GONE[flag]
    at = POD % (f"vllm/vllm-openai:v{major}.{minor}.{patch}", flag)
    before = POD % (f"vllm/vllm-openai:v{major}.{minor - 1}.0", flag)
    assert [f.level for f in found(at, "CONF115")] == ["error"]
    assert not found(before, "CONF115")
