"""KubeRay writes parameters and entrypoints into lines of a shell, and the shell reads them."""

import pytest
from tests.lint.judge import found

JOB = """\
apiVersion: ray.io/v1
kind: RayJob
metadata: {name: batch}
spec:
  submissionMode: %s
  entrypoint: %s
  rayClusterSpec:
    headGroupSpec:
      rayStartParams: {resources: %s}
      template:
        spec:
          containers:
          - {name: ray-head, image: "rayproject/ray-llm:2.56.0"}
    workerGroupSpecs:
    - groupName: gpu
      replicas: 1
      template:
        spec:
          containers:
          - name: worker
            image: rayproject/ray-llm:%s
            resources: {limits: {nvidia.com/gpu: 8}}
"""
RESOURCES = '\'"{\\"NPU\\": 1}"\''
TAG = "2.56.0"


def told(text: str) -> list[tuple[str, str]]:
    return [(f.level, f.says) for f in found(text, "CONF104")]


@pytest.mark.parametrize(
    "entrypoint",
    [
        "python /home/ray/batch.py --tensor-parallel-size 4",
        "bash -c 'pip install datasets; python batch.py'",
        "'bash -c \"pip install datasets && python batch.py\"'",
        "python batch.py 2>&1 | tee log",
        "|\n    python batch.py \\\n      --size 4",
        "\"python -c 'import ray; ray.init()'\"",
        "'python x.py --prompt=\"a; b\" --q=it\\;s'",
        "python x.py --env=$(cd /a; pwd)",
        "|\n    python x.py |\n      tee log",
    ],
)
def test_one_command_is_submitted(entrypoint: str) -> None:
    assert not told(JOB % ("K8sJobMode", entrypoint, RESOURCES, TAG))


@pytest.mark.parametrize(
    "entrypoint",
    [
        "pip install datasets; python batch.py",
        "pip install datasets && python batch.py",
        "|\n    pip install datasets\n    python batch.py",
    ],
)
def test_what_stands_behind_the_first_command_runs_outside_the_cluster(entrypoint: str) -> None:
    ((level, says),) = told(JOB % ("K8sJobMode", entrypoint, RESOURCES, TAG))
    assert level == "hint"  # KubeRay until 1.2 submits the whole line
    assert says.startswith("`python batch.py` runs in the pod that submits the job")


@pytest.mark.parametrize("mode", ["HTTPMode", "InteractiveMode"])
def test_without_a_submitter_no_shell_cuts_it(mode: str) -> None:
    assert not told(JOB % (mode, "pip install datasets; python batch.py", RESOURCES, TAG))


@pytest.mark.parametrize(
    ("resources", "count"),
    [
        (RESOURCES, 0),
        ("'''{\"NPU\": 1}'''", 0),
        ("'{}'", 0),
        ("'{\"NPU\": 1}'", 1),
        ('\'"{"NPU": 1}"\'', 1),
        ("'$RESOURCES'", 0),
        ("'{{ resources }}'", 0),
        ("'<resources>'", 0),
    ],
)
def test_resources_are_json_behind_the_shell(resources: str, count: int) -> None:
    findings = told(JOB % ("K8sJobMode", "python batch.py", resources, TAG))
    assert [(level, "no JSON" in says) for level, says in findings] == [("error", True)] * count


@pytest.mark.parametrize(
    ("tag", "levels"),
    [
        ("2.56.0", []),
        ("nightly-py312-cu130", ["hint"]),
        ("latest", ["hint"]),
        ("2.56.0-py312-cu130", []),
    ],
)
def test_a_ray_image_that_moves_beside_a_release_is_a_hint(tag: str, levels: list[str]) -> None:
    text = JOB % ("K8sJobMode", "python batch.py", RESOURCES, tag)
    assert [f.level for f in found(text, "CONF114")] == levels
