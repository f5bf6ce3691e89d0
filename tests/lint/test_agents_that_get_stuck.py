"""Releases of Ray whose dashboard agent stops answering the probes that KubeRay sets."""

import pytest
from tests.lint.judge import found

CLUSTER = """
apiVersion: ray.io/v1
kind: KIND
metadata: {name: llm}
spec:
  rayClusterConfig:
    headGroupSpec:
      rayStartParams: {}
      template:
        spec:
          containers:
          - name: head
            image: IMAGE
    workerGroupSpecs:
    - groupName: gpus
      rayStartParams: {}
      replicas: 1
      template:
        spec:
          containers:
          - {name: worker, image: IMAGE, resources: {limits: {nvidia.com/gpu: 8}}}
"""


def cluster(image: str, kind: str = "RayService") -> str:
    text = CLUSTER.replace("IMAGE", image).replace("KIND", kind)
    return text.replace("rayClusterConfig", "rayClusterSpec") if kind == "RayJob" else text


@pytest.mark.parametrize(
    ("kind", "unseen"),
    [("RayService", "whether a Ray job is created"), ("RayJob", "how long the job runs")],
)
def test_rays_that_its_guide_warns_of_are_hinted_once(kind: str, unseen: str) -> None:
    (one,) = found(cluster("rayproject/ray:2.34.0-py310-gpu", kind), "CONF075")
    assert (one.level, one.unseen) == ("hint", unseen)


@pytest.mark.parametrize("tag", ["2.10.0", "2.38.0", "2.9.0", "2.52.0-py312"])
def test_other_releases_are_right(tag: str) -> None:
    assert not found(cluster(f"rayproject/ray:{tag}"), "CONF075")


def test_probes_of_ones_own_and_images_of_ones_own_are_not_known() -> None:
    text = cluster("rayproject/ray:2.34.0")
    own = "image: rayproject/ray:2.34.0\n            livenessProbe: {tcpSocket: {port: 6379}}"
    assert not found(text.replace("image: rayproject/ray:2.34.0", own, 1), "CONF075")
    assert not found(cluster("ours/ray:2.34.0"), "CONF075")
