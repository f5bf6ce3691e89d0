"""Names of a StatefulSet's pods, of which only the first sixteen are made on paper."""

import pytest
from tests.lint.judge import found

MANY = """\
apiVersion: v1
kind: Service
metadata: {name: vllm}
spec: {clusterIP: None, selector: {app: vllm}, ports: [{port: 6379}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: pods}
spec:
  serviceName: vllm
  replicas: 20
  ordinals: {start: 5}
  selector: {matchLabels: {app: vllm}}
  template:
    metadata: {labels: {app: vllm}}
    spec:
      containers:
      - name: vllm
        image: vllm/vllm-openai:v0.11.0
        command: [ray, start, "--address=pods-%d.vllm:6379", --block]
"""


@pytest.mark.parametrize(("ordinal", "wrong"), [(4, 1), (5, 0), (22, 0), (24, 0), (25, 1)])
def test_ordinals_count_from_where_they_start(ordinal: int, wrong: int) -> None:
    assert len(found(MANY % ordinal, "CONF020")) == wrong
