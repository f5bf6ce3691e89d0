"""Words that the API server does not know, versions and names of images: CONF087."""

import pytest
from tests.lint.judge import found, judged

RIGHT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: vllm}
spec:
  selector: {matchLabels: {app: vllm}}
  template:
    metadata: {labels: {app: vllm}}
    spec:
      dnsPolicy: ClusterFirst
      tolerations: [{key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}]
      containers:
      - name: vllm
        image: r.Example.com:5000/vllm/vllm-openai:v0.11.0-CUDA
        imagePullPolicy: IfNotPresent
        ports: [{containerPort: 8000, protocol: TCP}]
        args: [--model, Qwen/Qwen3-32B]
        env: [{name: A, value: b}]
        resources: {limits: {nvidia.com/gpu: 1}}
"""


@pytest.mark.parametrize(
    ("old", "new", "fix"),
    [
        ("operator: Exists", "operator: exists", "Write Exists."),
        ("operator: Exists", "operator: Has", "Write Exists or Equal."),
        ("effect: NoSchedule", "effect: noSchedule", "Write NoSchedule."),
        ("IfNotPresent", "ifNotPresent", "Write IfNotPresent."),
        ("protocol: TCP", "protocol: tcp", "Write TCP."),
        ("dnsPolicy: ClusterFirst", "dnsPolicy: ClusterDefault",
         "Write ClusterFirst, ClusterFirstWithHostNet, Default or None."),
        ("value: b", "value: b, valueFrom: {fieldRef: {fieldPath: status.podIP}}",
         "Keep one of them."),
        ("apps/v1", "v1", "Write apps/v1."),
        ("apps/v1", "apps/v1beta1", "Write apps/v1."),
        ("r.Example.com:5000/vllm/vllm-openai", "vLLM/vllm-openai", "Write vllm/vllm-openai."),
        ("5000/vllm/", "5000/vLLM/", "Write r.Example.com:5000/vllm/vllm-openai."),
    ],
)  # fmt: skip
def test_what_the_api_server_refuses_is_found_where_it_stands(old: str, new: str, fix: str) -> None:
    text = RIGHT.replace(old, new, 1)
    (one,) = found(text, "CONF087")
    assert (one.level, one.fix) == ("error", fix)
    assert text[: text.index(new)].count("\n") + 1 == one.at.line


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("operator: Exists", "operator: Gt, value: '5'"),
        ("effect: NoSchedule", "effect: ''"),
        ("r.Example.com:5000/vllm/vllm-openai:v0.11.0-CUDA", "vllm/x@sha256:ABC"),
        ("r.Example.com:5000/vllm", "<REGISTRY>"),
        ("r.Example.com:5000/vllm", "MY_REGISTRY/vllm"),
        ("r.Example.com:5000/vllm/vllm-openai:v0.11.0-CUDA", "IMAGE"),
    ],
)
def test_what_newer_servers_or_registries_take_is_not_told(old: str, new: str) -> None:
    assert not found(RIGHT.replace(old, new), "CONF087")


def test_a_whole_part_in_capitals_may_be_filled_in_later() -> None:
    assert not found(RIGHT, "CONF087")
    (one,) = found(RIGHT.replace("r.Example.com:5000/vllm", "REGISTRY/vllm"), "CONF087")
    assert one.level == "hint"
    assert one.unseen


def test_localhost_is_told_of_once_as_no_address_for_others() -> None:
    """No Service can be called so: CONF034 alone tells of it."""
    told = "[--model, m, --nnodes, '2', --node-rank, '1', --master-addr, localhost]"
    text = RIGHT.replace("[--model, Qwen/Qwen3-32B]", told)
    assert "CONF020" not in {f.id for f in judged(text).findings}
