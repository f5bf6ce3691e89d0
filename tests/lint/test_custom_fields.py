"""Fields of custom resources: misspelt ones are errors, others may be newer than the table."""

import pytest
from tests.lint.judge import found, judged

LWS = """
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: l}
spec:
  leaderWorkerTemplate:
    size: 2
    workerTemplate: {spec: {containers: [{name: e, image: "vllm/vllm-openai:v0.11.0"}]}}
"""
RAY = """
apiVersion: ray.io/v1
kind: RayService
metadata: {name: r}
spec:
  serveConfigV2: ""
  rayClusterConfig:
    rayVersion: "2.49.0"
    headGroupSpec:
      rayStartParams: {anything-at-all: "1"}
      template: {spec: {containers: [{name: h, image: "rayproject/ray:2.49.0"}]}}
    workerGroupSpecs: []
"""
NIM = """
apiVersion: apps.nvidia.com/v1alpha1
kind: NIMService
metadata: {name: nim}
spec:
  image: {repository: nvcr.io/nim/meta/llama, tag: "1.8.0"}
  multiNode: {backendType: lws, parallelism: {tensor: 8, pipeline: 2}}
"""
ROLLOUT = """
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: r}
spec:
  replicas: 1
  strategy: {canary: {steps: []}}
  template: {spec: {containers: [{name: e, image: "vllm/vllm-openai:v0.11.0"}]}}
"""
MPI = """
apiVersion: kubeflow.org/v2beta1
kind: MPIJob
metadata: {name: m}
spec:
  slotsPerWorker: 8
  mpiReplicaSpecs:
    Worker:
      replicas: 2
      template: {spec: {containers: [{name: e, image: "vllm/vllm-openai:v0.11.0"}]}}
"""


@pytest.mark.parametrize("text", [LWS, RAY, NIM, ROLLOUT, MPI])
def test_known_fields_are_not_told(text: str) -> None:
    assert not found(text, "CONF071")
    assert not found(text, "CONF070")


@pytest.mark.parametrize(
    ("text", "right", "wrong"),
    [
        (LWS, "size", "sized"),
        (LWS, "leaderWorkerTemplate", "leaderWorkertemplate"),
        (RAY, "rayStartParams", "rayStartParms"),
        (RAY, "workerGroupSpecs", "workerGroupSpec"),
        (RAY, "rayClusterConfig", "rayClusterconfig"),
        (NIM, "pipeline", "pipline"),
        (NIM, "backendType", "backend_type"),
        (ROLLOUT, "replicas", "replica"),
    ],
)
def test_a_misspelt_field_is_an_error(text: str, right: str, wrong: str) -> None:
    (one,) = found(text.replace(f"{right}:", f"{wrong}:"), "CONF071")
    assert (one.level, one.fix) == ("error", f"Write {right}.")
    assert one.at.source[one.at.column - 1 : one.at.end_column - 1] == wrong


def test_a_field_of_the_level_below_is_led_there() -> None:
    text = LWS.replace("    size: 2\n", "").replace("spec:\n", "spec:\n  size: 2\n", 1)
    (one,) = found(text, "CONF071")
    assert (one.level, one.fix) == ("error", "Move it to leaderWorkerTemplate.size.")


def test_an_unknown_field_may_be_of_a_newer_release() -> None:
    (one,) = found(LWS.replace("size: 2", "size: 2\n    gangPolicy: {}"), "CONF071")
    assert one.level == "hint"
    assert one.unseen == "whether a release newer than lws v0.10.0 has it"


def test_a_mpijob_drops_what_its_definition_has_not() -> None:
    (one,) = found(MPI.replace("slotsPerWorker", "slotPerWorker"), "CONF071")
    assert one.level == "warning"


def test_numbers_of_custom_resources_are_numbers() -> None:
    (one,) = found(NIM.replace("tensor: 8", 'tensor: "8"'), "CONF070")
    assert one.says == "tensor must be a whole number, and is the text '8'"


def test_a_field_that_hides_all_workers_is_told_where_nothing_serves() -> None:
    report = judged(RAY.replace("workerGroupSpecs", "workerGroupSpec"))
    assert [f.id for f in report.findings] == ["CONF071"]
