"""A script that tells the pods apart by its branches says of each only what its branch says."""

import pytest
from tests.lint.judge import judged

VLLM, SGLANG = "vllm/vllm-openai:v0.13.0", "lmsysorg/sglang:v0.5.3"
LWS = """\
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: llm}
spec:
  leaderWorkerTemplate:
    size: %d
    workerTemplate:
      spec:
        containers:
        - name: llm
          image: %s
          env: [{name: NCCL_DEBUG, value: INFO}]
          command: [bash, -c]
          args:
          - |
            %s
          resources: {limits: {nvidia.com/gpu: 8, memory: 900Gi}}
          volumeMounts: [{name: dshm, mountPath: /dev/shm}]
        volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 32Gi}}]
"""
FORMS = [
    'if [ "$LWS_WORKER_INDEX" = 0 ]; then {0}; else {1}; fi',
    "if [[ $LWS_WORKER_INDEX -gt 0 ]]; then {1}; exit; fi; {0}",
    'case "$LWS_WORKER_INDEX" in 0) {0} ;; *) {1} ;; esac',
    '[ "$LWS_WORKER_INDEX" = 0 ] && exec {0}; exec {1}',
    'head() {{ {0}; }}; node() {{ {1}; }}; [ "$LWS_WORKER_INDEX" = 0 ] && head || node',
]
_NODE = "vllm serve /m -tp 8 -pp {n} --nnodes {n} --master-addr"
_COPY = "vllm serve /m -dp 16 --data-parallel-size-local 8 --data-parallel-address"
_AT = "$LWS_LEADER_ADDRESS"
BRANCHES = {
    "ranks": (VLLM, f"{_NODE} {_AT} --node-rank 0",
              f"{_NODE} {_AT} --node-rank $LWS_WORKER_INDEX --headless"),
    "no rank": (VLLM, f"{_NODE} {_AT}", f"{_NODE} {_AT} --node-rank 1 --headless"),
    "own address": (VLLM, f"{_NODE} 127.0.0.1 --node-rank 0",
                    f"{_NODE} {_AT} --node-rank 1 --headless"),
    "unread": (VLLM, f"{_NODE} {_AT} --node-rank 0", "/worker.sh"),
    "copies": (VLLM, f"{_COPY} {_AT} --data-parallel-start-rank 0",
               f"{_COPY} {_AT} --data-parallel-start-rank $((LWS_WORKER_INDEX * 8)) --headless"),
}  # fmt: skip


def alarms(script: str, image: str = VLLM, size: int = 2) -> list[str]:
    found = judged(LWS % (size, image, script)).findings
    return [f"{f.id}: {f.says}" for f in found if f.level == "error"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("branches", BRANCHES)
def test_what_one_branch_says_is_not_told_of_pods_that_take_another(
    form: str, branches: str
) -> None:
    image, first, others = BRANCHES[branches]
    script = form.format(first.format(n=2), others.format(n=2))
    assert alarms(script, image) == []


@pytest.mark.parametrize("form", FORMS)
def test_a_rank_of_its_own_in_one_branch_and_computed_in_the_other_is_one_each(form: str) -> None:
    command = f"python3 -m sglang.launch_server --model-path /m --tp 32 --nnodes 4 --host 0.0.0.0\
 --dist-init-addr {_AT}:5000 --node-rank"
    assert alarms(form.format(f"{command} 0", f"{command} $LWS_WORKER_INDEX"), SGLANG, 4) == []


def test_the_same_rank_for_all_pods_is_an_error_where_no_branch_tells_them_apart() -> None:
    script = f"[ -d /m ] || mkdir /m; {_NODE.format(n=3)} {_AT} --node-rank 0"
    assert any(a.startswith("CONF008: --node-rank is 0") for a in alarms(script, size=3))


STATEFUL = """\
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: v}
spec:
  serviceName: v
  replicas: 2
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: v}}
  template:
    metadata: {labels: {app: v}}
    spec:
      containers:
      - name: vllm
        image: vllm/vllm-openai:v0.13.0
        env: [{name: NCCL_DEBUG, value: INFO}]
        command: [bash, -c]
        args:
        - |
          [[ "$HOSTNAME" == "v-0" ]] && exec %s
          exec %s
        resources: {limits: {nvidia.com/gpu: 8, memory: 900Gi}}
        volumeMounts: [{name: shm, mountPath: /dev/shm}]
      volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: 64Gi}}]
---
apiVersion: v1
kind: Service
metadata: {name: v}
spec: {clusterIP: None, publishNotReadyAddresses: true, selector: {app: v}, ports: [{port: 29500}]}
"""


@pytest.mark.parametrize("branches", BRANCHES)
def test_a_script_is_not_read_for_the_first_pod_of_a_stateful_set_alone(branches: str) -> None:
    _, first, others = BRANCHES[branches]
    first, others = (text.format(n=2).replace(_AT, "v-0.v") for text in (first, others))
    computed = others.replace("LWS_WORKER_INDEX", "{HOSTNAME##*-}").replace("$(({", "$((${")
    text = STATEFUL % (first, computed)
    assert [f.says for f in judged(text).findings if f.level == "error"] == []


def test_the_same_rank_in_every_branch_is_an_error_whichever_a_pod_takes() -> None:
    command = f"python3 -m sglang.launch_server --tp 24 --nnodes 3 --dist-init-addr {_AT}:5000"
    first, other = (
        f"{command} --model-path /a --node-rank",
        f"{command} --model-path /b --node-rank",
    )
    script = "if [ -f /a/config.json ]; then {0} 1; else {1} {rank}; fi"
    same = alarms(script.format(first, other, rank=1), SGLANG, 3)
    assert [a for a in same if "CONF008" in a] == [
        "CONF008: --node-rank is 1 in both pods of LeaderWorkerSet llm (worker)"
    ]
    assert not any("CONF008" in a for a in alarms(script.format(first, other, rank=2), SGLANG, 3))
    hidden = f"/opt/start.sh && exit; {script.format(first, other, rank=1)}"
    assert not any("CONF008" in a for a in alarms(hidden, SGLANG, 3))
