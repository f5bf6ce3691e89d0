"""The least and the most of autoscalers, and `replicas` of what they scale."""

import pytest
from tests.lint.judge import found

SERVER = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: llm}
spec:
  REPLICAS
  selector: {matchLabels: {app: llm}}
  template:
    metadata: {labels: {app: llm}}
    spec:
      containers:
      - name: vllm
        image: vllm/vllm-openai:v0.11.0
        args: [--model, /m]
        resources: {limits: {nvidia.com/gpu: 1}}
---
"""
HPA = """
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: llm}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: llm}
  minReplicas: %s
  maxReplicas: %s
"""
KEDA = """
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: llm}
spec:
  scaleTargetRef: {name: llm}
  minReplicaCount: %s
  maxReplicaCount: %s
"""
KSERVE = """
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata: {name: llm}
spec:
  predictor:
    minReplicas: %s
    maxReplicas: %s
    model: {modelFormat: {name: vLLM}, runtime: ours, resources: {limits: {nvidia.com/gpu: 1}}}
"""
NIM = """
apiVersion: apps.nvidia.com/v1alpha1
kind: NIMService
metadata: {name: llm}
spec:
  authSecret: ngc
  image: {repository: nvcr.io/nim/meta/llama-3.1-8b-instruct, tag: 1.8.3}
  resources: {limits: {nvidia.com/gpu: 1}}
  scale: {enabled: true, hpa: {minReplicas: %s, maxReplicas: %s}}
"""
KINDS = [SERVER + HPA, SERVER + KEDA, KSERVE, NIM]


def told(text: str, *ends: object, replicas: str = "") -> list[str]:
    whole = (text % ends).replace("REPLICAS", replicas)
    return [f"{f.level} {f.says}" for f in found(whole, "CONF056")]


@pytest.mark.parametrize("text", KINDS, ids=["HPA", "KEDA", "KServe", "NIM"])
def test_a_range_without_a_number_in_it_is_refused(text: str) -> None:
    (says,) = told(text, 3, 1)
    assert says.startswith("error min")
    assert "refuses" in says


@pytest.mark.parametrize("text", KINDS, ids=["HPA", "KEDA", "KServe", "NIM"])
@pytest.mark.parametrize("ends", [(1, 3), (2, 2), (3, "${MOST}"), ("null", 1)])
def test_a_range_with_numbers_or_with_an_end_that_is_not_known(
    text: str, ends: tuple[object, object]
) -> None:
    assert not told(text, *ends)


def test_kserve_reads_a_most_of_0_as_none_and_nim_a_scale_that_is_off_not_at_all() -> None:
    assert not told(KSERVE, 3, 0)
    assert not told(NIM.replace("true", "false"), 3, 1)


@pytest.mark.parametrize("scaler", [HPA, KEDA])
def test_replicas_of_what_is_scaled_are_set_back(scaler: str) -> None:
    (says,) = told(SERVER + scaler, 1, 4, replicas="replicas: 2")
    assert says.startswith("hint replicas is 2, and ")


def test_replicas_that_nothing_here_scales_or_that_are_the_most() -> None:
    assert not told(
        SERVER + HPA.replace("name: llm}\n  min", "name: other}\n  min"),
        1,
        4,
        replicas="replicas: 2",
    )
    assert not told(SERVER + HPA, 4, 4, replicas="replicas: 4")
    assert not told(SERVER + HPA, 1, 4, replicas='replicas: "${N}"')
