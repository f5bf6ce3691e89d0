"""What is told in a file of flags, behind a loop, or in a script is judged there, too."""

import pytest
from tests.lint.judge import found

FILE = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
data:
  vllm.yaml: |
    model: Qwen/Qwen3-32B
    %s
---
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  containers:
  - name: vllm
    image: vllm/vllm-openai:v0.11.0
    args: [--config, /c/vllm.yaml]
    volumeMounts: [{name: c, mountPath: /c}]
  volumes: [{name: c, configMap: {name: c}}]
"""
SCRIPT = """\
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  containers:
  - name: vllm
    image: vllm/vllm-openai:v0.11.0
    command: [sh, -c, '%s']
    resources: {limits: {nvidia.com/gpu: 8}}
"""
JOIN = "ray start --address=head:6379"


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("gpu_memory_utilisation: 0.9", "gpu-memory-utilization"),
        ("tensor-paralel-size: 8", "tensor-parallel-size"),
        ("gpu_memory_utilization: 0.9", ""),
        ("hf-overrides: {tensor-paralel-size: 8}", ""),
    ],
)
def test_a_misspelt_key_of_vllms_file_of_flags_is_found(line: str, meant: str) -> None:
    said = [f.fix for f in found(FILE % line, "CONF115")]
    assert said == ([f"Write {meant}."] if meant else [])


@pytest.mark.parametrize(
    ("script", "ends"),
    [
        (f"until ray health-check; do sleep 2; done; exec {JOIN}", 1),
        (f"echo waiting for head; RAY_DEDUP_LOGS=0 {JOIN}", 1),
        (f"{JOIN}; wait", 0),
        (f"exec {JOIN} --block", 0),
        (f"exec {JOIN} && sleep infinity", 0),
    ],
)
def test_ray_without_block_ends_the_container_also_behind_exec(script: str, ends: int) -> None:
    assert len(found(SCRIPT % script, "CONF033")) == ends


@pytest.mark.parametrize(
    ("length", "wrong"),
    [("99x", 1), ("32k", 0), ("25.6k", 0), ("32K", 0), ("auto", 0), ("-1", 0), ("$LEN", 0)],
)
def test_a_length_is_a_number_or_one_with_a_letter_for_thousands(length: str, wrong: int) -> None:
    said = found(SCRIPT % f"vllm serve /m --max-model-len {length}", "CONF117")
    assert [f.fix for f in said] == [
        "Write a whole number of tokens, such as 32768 or 32K."
    ] * wrong


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("MY_SECRET=abcd1234efgh5678ijkl", ["warning"]),
        ("WANDB_PASSWD=supersecretpw123456", ["warning"]),
        ("TLS_SECRET=model-server-certificate", []),
        ("MY_SECRET=$(cat /run/secret)", []),
    ],
)
def test_secrets_of_scripts_are_found_by_their_variables_names(line: str, told: list[str]) -> None:
    said = found(SCRIPT % f"export {line}; vllm serve /m", "CONF076")
    assert [f.level for f in said] == told
