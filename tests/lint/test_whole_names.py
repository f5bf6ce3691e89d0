"""Names that begin like others, and words that have `address` in them."""

import pytest
from tests.lint.judge import found

from distcheck.checks.manifest.whole_name import has_name

NODES = """\
apiVersion: v1
kind: Service
metadata: {name: sglang-nodes}
spec: {clusterIP: None, publishNotReadyAddresses: true, selector: {app: sglang}}
---
apiVersion: v1
kind: Service
metadata: {name: sglang}
spec: {clusterIP: None, selector: {app: sglang}, ports: [{port: 80, targetPort: 30000}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: sglang}
spec:
  replicas: 2
  serviceName: %s
  selector: {matchLabels: {app: sglang}}
  template:
    metadata: {labels: {app: sglang}}
    spec:
      containers:
      - name: sglang
        image: lmsysorg/sglang:v0.5.3
        command: [bash, -c, "exec python3 -m sglang.launch_server --model-path /m --tp 16
          --nnodes 2 --node-rank ${HOSTNAME##*-} --dist-init-addr sglang-0.%s:50000 --port 30000"]
        readinessProbe: {httpGet: {path: /health, port: 30000}}
        resources: {limits: {nvidia.com/gpu: 8}}
"""
HEADS = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: head}
spec:
  replicas: 2
  strategy: {type: Recreate}
  selector: {matchLabels: {app: head}}
  template:
    metadata: {labels: {app: head}}
    spec:
      containers:
      - name: vllm
        image: vllm/vllm-openai:v0.11.0
        command: [bash, -c, '%s']
        resources: {limits: {nvidia.com/gpu: 8}}
"""
WORKER = """\
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: worker}
spec:
  selector: {matchLabels: {app: worker}}
  template:
    metadata: {labels: {app: worker}}
    spec:
      containers:
      - name: vllm
        image: vllm/vllm-openai:v0.11.0
        command: [ray, start, "--address=head:6379", --block]
        resources: {limits: {nvidia.com/gpu: 8}}
---
apiVersion: v1
kind: Service
metadata: {name: head}
spec: {clusterIP: None, publishNotReadyAddresses: true, selector: {app: head}}
"""


def test_a_service_whose_name_only_begins_the_joined_one_is_not_joined() -> None:
    assert not found(NODES % ("sglang-nodes", "sglang-nodes"), "CONF025")


def test_what_is_marked_is_the_name_that_is_joined() -> None:
    text = NODES % ("sglang", "sglang")
    (one,) = found(text, "CONF025")
    assert one.says.startswith("workers join through Service sglang,")
    marked = text.splitlines()[one.at.line - 1][one.at.column - 1 :]
    assert marked.startswith("sglang-0.sglang:50000")


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("--addr vllm-0.vllm", True),
        ("--addr=vllm-0.vllm.llm.svc:29500", True),
        ("tcp://vllm-0.vllm:1", True),
        ("--addr vllm-0.vllm-headless", False),
        ("--addr my-vllm-0.vllm", False),
        ("--addr vllm-0.vllm2", False),
        ("vllm-0.vllm-x vllm-0.vllm", True),
    ],
)
def test_a_name_is_whole_with_a_domain_or_a_port_behind_it(text: str, *, there: bool) -> None:
    assert has_name(text, "vllm-0.vllm") is there


@pytest.mark.parametrize(
    "script",
    [
        "ray start --head --node-ip-address=$VLLM_HOST_IP && vllm serve /m -tp 8 -pp 2",
        'ray start --head; ray.init(address="auto"); vllm serve /m -tp 8 -pp 2',
        "ray start --head; ray status --address 127.0.0.1:6379; vllm serve /m -tp 8 -pp 2",
    ],
)
def test_a_head_with_its_own_address_joins_no_other(script: str) -> None:
    (one,) = found(HEADS % script + WORKER, "CONF023")
    assert one.says == "Deployment head has 2 replicas, and workers join one head"


@pytest.mark.parametrize(
    "script",
    [
        "if [ $ROLE = head ]; then ray start --head; else ray start --address=$HEAD; fi",
        "if [ $ROLE = head ]; then ray start --head; else /start.sh worker; fi",
        "if [ $ROLE = head ]; then ray start --head; else /start.sh --ray_address $HEAD; fi",
    ],
)
def test_a_head_whose_script_may_join_another_may_have_copies(script: str) -> None:
    assert not found(HEADS % script + WORKER, "CONF023")


@pytest.mark.parametrize(
    ("script", "found_idle"),
    [("$VLLM_TENSOR_PARALLEL_SIZE_X", 1), ("$VLLM_TENSOR_PARALLEL_SIZE", 0)],
)
def test_a_variable_is_not_read_by_the_name_of_a_longer_one(script: str, found_idle: int) -> None:
    text = f"""\
name: vllm
image: vllm/vllm-openai:v0.11.0
command: [sh, -c, "vllm serve /m -tp {script}"]
env: [{{name: VLLM_TENSOR_PARALLEL_SIZE, value: "8"}}]
resources: {{limits: {{nvidia.com/gpu: 8}}}}
"""
    assert len(found(text, "CONF044")) == found_idle
