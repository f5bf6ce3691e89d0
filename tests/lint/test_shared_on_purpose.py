"""Services for metrics, and claims that pods of one node share, are no alarm."""

import pytest
from tests.lint.judge import judged


def alarms(report: str, rule: str) -> list[str]:
    return [f.says for f in judged(report, only=rule).findings if f.level != "hint"]


SCRAPED = """\
apiVersion: v1
kind: Service
metadata: {name: %s}
spec: {selector: {app: vllm}, ports: [{name: %s, port: 8000}]}
---
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: vllm}
spec:
  leaderWorkerTemplate:
    size: 2
    leaderTemplate:
      metadata: {labels: {app: vllm}}
      spec:
        containers:
        - name: vllm
          image: vllm/vllm-openai:v0.11.0
          command: [sh, -c, "ray start --head; vllm serve /m -tp 8 -pp 2"]
          resources: {limits: {nvidia.com/gpu: 8}}
    workerTemplate:
      metadata: {labels: {app: vllm}}
      spec:
        containers:
        - name: vllm
          image: vllm/vllm-openai:v0.11.0
          command: [sh, -c, "ray start --address=$(LWS_LEADER_ADDRESS):6379 --block"]
          resources: {limits: {nvidia.com/gpu: 8}}
"""


@pytest.mark.parametrize(
    ("name", "port", "alarm"),
    [("vllm-metrics", "http", 0), ("vllm", "http-metrics", 0), ("vllm", "http", 1)],
)
def test_a_service_for_metrics_chooses_every_pod(name: str, port: str, alarm: int) -> None:
    assert len(alarms(SCRAPED % (name, port), "CONF118")) == alarm


SHARED_CLAIM = """\
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: m}
spec: {accessModes: [%s], resources: {requests: {storage: 1Ti}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: a}
spec:
  replicas: 2
  selector: {matchLabels: {app: a}}
  template:
    metadata: {labels: {app: a}}
    spec:
      %s
      containers:
      - {name: v, image: "vllm/vllm-openai:v0.11.0", resources: {limits: {nvidia.com/gpu: 1}}}
      volumes: [{name: m, persistentVolumeClaim: {claimName: m}}]
"""
ONE_NODE = "nodeSelector: {kubernetes.io/hostname: n1}"


@pytest.mark.parametrize(
    ("mode", "where", "many"),
    [
        ("ReadWriteOnce", ONE_NODE, 0),
        ("ReadWriteOnce", "nodeName: n1", 0),
        ("ReadWriteOnce", "nodeSelector: {pool: gpu}", 1),
        ("ReadWriteOncePod", ONE_NODE, 1),
    ],
)
def test_pods_that_are_held_to_one_node_share_a_claim(mode: str, where: str, many: int) -> None:
    assert len(judged(SHARED_CLAIM % (mode, where), only="CONF090").findings) == many
