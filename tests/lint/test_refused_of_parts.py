"""Ports that have one name, and devices that are asked for where no container has them."""

import pytest
from tests.lint.judge import found

POD = """
apiVersion: v1
kind: Pod
metadata: {name: llm}
spec:
  SPEC
  containers:
  - name: vllm
    image: vllm/vllm-openai:v0.11.0
    args: [--model, /m]
    ports: [%s]
    resources: {limits: {nvidia.com/gpu: 1}}
"""
KSERVE = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: llm, annotations: {serving.kserve.io/autoscalerClass: none}}
spec:
  predictor:
    model:
      modelFormat: {name: vLLM}
      runtime: ours
      storageUri: pvc://llm/m
      resources: {limits: {nvidia.com/gpu: 8}}
    workerSpec:
      pipelineParallelSize: 2
      %s
"""
OWN = "resources: {limits: {%s: 8}}"


def pod(ports: str = "", spec: str = "") -> str:
    return (POD % ports).replace("SPEC", spec)


def test_two_ports_of_a_container_have_one_name() -> None:
    ports = "{name: http, containerPort: 8000}, {name: http, containerPort: 5557}"
    (one,) = found(pod(ports), "CONF087")
    assert (one.level, one.says) == ("error", "two ports of vllm are called http")


@pytest.mark.parametrize(
    "ports",
    [
        "{name: http, containerPort: 8000}, {name: nixl, containerPort: 5557}",
        "{containerPort: 8000}, {containerPort: 8000}",
    ],
)
def test_ports_of_other_names_or_of_none_are_taken(ports: str) -> None:
    assert not found(pod(ports), "CONF087")


@pytest.mark.parametrize(
    ("device", "count"), [("nvidia.com/gpu", 1), ("cpu", 0), ("hugepages-2Mi", 0)]
)
def test_a_pod_as_a_whole_is_given_no_devices(device: str, count: int) -> None:
    text = pod(spec=OWN % device)
    assert [f.level for f in found(text, "CONF098")] == ["error"] * count


@pytest.mark.parametrize("device", ["nvidia.com/gpu", "cpu"])
def test_resources_of_kserves_workers_as_a_whole_give_them_no_gpus(device: str) -> None:
    told = found(KSERVE % (OWN % device), "CONF108")
    assert [f.level for f in told] == ["warning"] * (device != "cpu")


def test_resources_of_the_worker_container_are_its_own() -> None:
    worker = f"containers: [{{name: worker-container, {OWN % 'nvidia.com/gpu'}}}]"
    assert not found(KSERVE % worker, "CONF108")
