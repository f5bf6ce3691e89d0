"""vLLM's `--swap-space`, by releases: GiB for each GPU, ignored from 0.8, and gone in 0.18."""

import pytest
from tests.lint.judge import found

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: v}
spec:
  containers:
  - name: v
    image: vllm/vllm-openai:%s
    args: [--model, /m, --tensor-parallel-size, "4", %s]
    resources: {limits: {nvidia.com/gpu: 4, memory: 64Gi}}
"""


@pytest.mark.parametrize(
    ("release", "words", "says"),
    [
        ("v0.6.6", '--swap-space, "32"', "32 GiB x 4 GPUs of memory, and the limit is 64 GiB"),
        ("v0.6.6", '--swap-space, "16"', ""),
        ("v0.11.0", '--swap-space, "32"', ""),
        ("v0.11.0", '--swap-space, "4294967296"', "more than any node has"),
        ("v0.17.1", "--swap-space=0", ""),
        ("v0.18.0", "--swap-space=0", "no flag --swap-space from 0.18 on"),
        ("latest", "--swap-space=8", ""),
    ],
)
def test_what_it_means_is_told_by_release(release: str, words: str, says: str) -> None:
    findings = found(POD % (release, words), "CONF117")
    assert [says in f.says and f.level == "error" for f in findings] == [True] * bool(says)
