"""A Service by whose name workers join must lead to the leader alone."""

import pytest
from tests.lint.judge import found

SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: head}
spec: {%s, ports: [{port: 6379, targetPort: %s}]}
---
"""
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: %s, labels: {app: vllm, role: %s}}
spec:
  containers:
  - name: vllm
    image: vllm/vllm-openai:v0.11.0
    command: [sh, -c, "%s"]
    ports: [{containerPort: 6379, name: gcs}]
    readinessProbe: %s
    resources: {limits: {nvidia.com/gpu: 8}}
---
"""
HEADLESS = "clusterIP: None, publishNotReadyAddresses: true"
HEAD = POD % ("h", "head", "ray start --head; vllm serve /m -tp 8 -pp 2", "")


def of(spec: str, target: str = "6379", address: str = "head:6379", probe: str = "") -> list[str]:
    worker = POD % ("w", "worker", f"ray start --address={address} --block", probe)
    every = found(SERVICE % (spec, target) + HEAD + worker, "CONF020")
    return [f"{f.level}: {f.says}" for f in every]


@pytest.mark.parametrize("headless", [HEADLESS, "clusterIP: None", "type: ClusterIP"])
def test_a_name_that_stands_for_the_workers_too_is_no_leader(headless: str) -> None:
    (one,) = of(f"{headless}, selector: {{app: vllm}}")
    assert one == (
        "error: Service head, by which the workers join, leads to Pod h and Pod w:"
        " only the leader listens there"
    )


@pytest.mark.parametrize(
    ("spec", "target"),
    [
        (f"{HEADLESS}, selector: {{app: vllm, role: head}}", "6379"),
        ("selector: {app: vllm}", "gcs"),
    ],
)
def test_a_name_that_stands_for_the_leader_alone_is_right(spec: str, target: str) -> None:
    assert not of(spec, target)


def test_workers_that_are_ready_once_they_joined_may_be_left_out_till_then() -> None:
    (one,) = of("clusterIP: None, selector: {app: vllm}", probe="{exec: {command: [ray, status]}}")
    assert one.startswith("hint")


RANKS = """\
apiVersion: v1
kind: Service
metadata: {name: sg}
spec: {clusterIP: None, publishNotReadyAddresses: true, selector: {app: sg}, ports: [{port: 20000}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: sg}
spec:
  serviceName: sg
  replicas: 2
  selector: {matchLabels: {app: sg}}
  template:
    metadata: {labels: {app: sg}}
    spec:
      containers:
      - name: sglang
        image: lmsysorg/sglang:v0.5.3
        command: [sh, -c, "python3 -m sglang.launch_server --model-path /m --tp 16 --nnodes 2
          --node-rank ${HOSTNAME##*-} --dist-init-addr %s:20000"]
        resources: {limits: {nvidia.com/gpu: 8}}
"""


def test_all_pods_of_a_statefulset_are_no_leader_and_its_first_pod_is() -> None:
    (one,) = found(RANKS % "sg", "CONF020")
    assert (one.level, one.fix) == ("error", "Join sg-0.sg.")
    assert not found(RANKS % "sg-0.sg", "CONF020")
