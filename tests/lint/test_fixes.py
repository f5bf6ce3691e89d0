"""What to do is said for the finding, not for all that its rule finds."""

import pytest
from tests.lint.judge import found

POD = """
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  containers:
  - name: e
    image: %s
    command: %s
    env: [%s]
    resources: {limits: {nvidia.com/gpu: %s}}
"""
VLLM = "vllm/vllm-openai:v0.11.0"
TRT = "nvcr.io/nvidia/tritonserver:24.09-trtllm-python-py3"


def pod(
    command: str = "[vllm, serve, m/x]", env: str = "", gpus: int = 8, image: str = VLLM
) -> str:
    return POD % (image, command, env, gpus)


SHM = (
    pod().rstrip()
    + """
    volumeMounts: [{name: s, mountPath: /dev/shm}]
  volumes: [{name: s, emptyDir: {%s}}]
"""
)


@pytest.mark.parametrize(
    ("text", "rule", "fix"),
    [
        (
            pod("[mpirun, -np, '4', trtllm-serve, m/x, --tp_size, '8']", image=TRT),
            "CONF113",
            "Start as many as TP x PP: `-np 8`.",
        ),
        (pod("[vllm, serve, m/x, --dtype, bf16]"), "CONF117", "Write bfloat16."),
        (pod().replace("name: e", "name: My.Engine"), "CONF102", "Write my-engine."),
        (pod().replace("name: p", "name: 日本語"), "CONF102", "Write another one, such as vllm."),
        (pod().replace("name: p", "name: é" + "A" * 300), "CONF102", f"Write {'a' * 252}."),
        (
            pod(image="nvcr.io/nim/meta/llama-3.1-8b-instruct:1.8.0")
            + "    startupProbe: {periodSeconds: 9}",
            "CONF087",
            "Add `httpGet: {path: /v1/health/ready, port: ...}`, or take the probe out.",
        ),
        (pod("[vllm, serve, m/x, --dtype=Float16]"), "CONF117", "Write float16."),
        (
            pod("[vllm, serve, m/x, --dtype=float8]"),
            "CONF117",
            "Write one of auto, bfloat16, float, float16, float32, half.",
        ),
        (pod("[vllm, serve, m/x, -tp, two]"), "CONF117", "Write a whole number, in digits."),
        (
            pod("[vllm, serve, m/x, --distributed-executor-backend=rya]"),
            "CONF117",
            "Write one of external_launcher, mp, ray, uni.",
        ),
        (
            SHM % "sizeLimit: 15Gi",
            "CONF065",
            "Set `emptyDir: {medium: Memory, sizeLimit: 15Gi}`.",
        ),
        (SHM % "", "CONF065", "Set `emptyDir: {medium: Memory, sizeLimit: 8Gi}`."),
        (pod(env="{name: NCCL_P2P_LEVEL, value: '2'}"), "CONF047", "Write the distance: PXB."),
        (
            pod(env="{name: NCCL_IB_GID_INDEX, value: '3'}"),
            "CONF047",
            "Leave it out: NCCL from 2.21 on finds the index of RoCE v2 by itself.",
        ),
        (pod(env="{name: NCCL_IB_DISABLE, value: 'true'}"), "CONF046", 'Write "1".'),
        (pod(env="{name: NCCL_P2P_LEVEL, value: sys}"), "CONF046", "Write SYS."),
        (
            pod(env="{name: NCCL_NET, value: tcp}"),
            "CONF046",
            "Write Socket, or leave it out: NCCL chooses the fastest.",
        ),
        (
            pod("[vllm, serve, m/x, -tp, '4']"),
            "CONF001",
            "Make TP x PP x DP 8, or give the group 4 GPUs only.",
        ),
    ],
)
def test_the_fix_is_of_the_finding(text: str, rule: str, fix: str) -> None:
    assert [f.fix for f in found(text, rule)] == [fix]


STS = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: s}
spec:
  serviceName: s
  replicas: 2
  selector: {matchLabels: {app: s}}
  template:
    metadata: {labels: {app: s}}
    spec:
      containers:
      - name: e
        image: lmsysorg/sglang:v0.5.3
        command: [python3, -m, sglang.launch_server, --model-path=m/x, --tp=16, --nnodes=2,
          --node-rank=RANK, "--dist-init-addr=s-0.s:20000", --port=30000]
        readinessProbe: {httpGet: {path: /health, port: 30000}}
        resources: {limits: {nvidia.com/gpu: 8}}
"""


def test_a_statefulset_is_not_told_of_fields_of_others() -> None:
    (made,) = found(STS.replace("RANK", "$(I)"), "CONF031")
    assert made.fix.startswith("Set `podManagementPolicy: Parallel`")
    (rank,) = found(STS.replace("RANK", "0"), "CONF008")
    assert rank.fix == "Compute it from the host name: `--node-rank=${HOSTNAME##*-}` in a shell."


def test_one_rank_in_all_pods_names_their_template_once() -> None:
    (one,) = found(STS.replace("RANK", "0"), "CONF008")
    assert one.says.count("StatefulSet s") == 1


def test_why_a_small_shm_is_an_error_or_less() -> None:
    several, one = found(STS, "CONF060"), found(pod(), "CONF060")
    assert (several[0].level, one[0].level) == ("error", "warning")
    assert several[0].says.endswith("it gets 64 MiB, too little for NCCL's pools between nodes")
    assert one[0].says.endswith("it gets 64 MiB, which may do on one node")


@pytest.mark.parametrize(
    ("address", "fix"),
    [
        ("s-0.t:20000", "Join s-0.s."),
        ("s:20000", "Join s-0.s."),
        ("head:20000", "Add Service head, or join the one that there is."),
    ],
)
def test_an_address_that_leads_nowhere_is_mended_by_the_pods_own_name(
    address: str, fix: str
) -> None:
    (one,) = found(STS.replace("RANK", "$(I)").replace("s-0.s:20000", address), "CONF020")
    assert one.fix == fix


GROUP = """
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: l}
spec:
  leaderWorkerTemplate:
    size: 2
    leaderTemplate:
      spec:
        containers:
        - name: e
          image: lmsysorg/sglang:v0.5.3
          command: [python3, -m, sglang.launch_server, --model-path=m/x, --tp=16, --nnodes=2]
          env: [{name: NCCL_IB_HCA, value: s3cr3t-0f-4ll}, {name: API_KEY, value: s3cr3t-0f-4ll}]
          resources: {limits: {nvidia.com/gpu: 8}}
    workerTemplate:
      spec:
        containers:
        - name: e
          image: lmsysorg/sglang:v0.5.3
          command: [python3, -m, sglang.launch_server, --model-path=m/x, --tp=16, --nnodes=2]
          resources: {limits: {nvidia.com/gpu: 8}}
"""


def test_what_to_write_holds_no_secret() -> None:
    (one,) = found(GROUP, "CONF045")
    assert one.fix.startswith("Set NCCL_IB_HCA=")
    assert "s3cr3t" not in f"{one.says} {one.fix} {one.at.source}"


@pytest.mark.parametrize(
    ("sizes", "pods", "fix"),
    [
        ("-tp 6 -pp 2", 2, "Write 8: with PP=2 that is all 16 GPUs."),
        ("-tp 6", 2, "Write 8, and 2 as the pipeline-parallel size: all 16 GPUs."),
        ("-tp 3", 1, "Write 8: with PP=1 that is all 8 GPUs."),
    ],
)
def test_the_size_that_divides_the_heads_fills_a_pod(sizes: str, pods: int, fix: str) -> None:
    serve = f"vllm serve Qwen/Qwen2.5-72B-Instruct {sizes}"
    text = f"""
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {{name: vllm}}
spec:
  leaderWorkerTemplate:
    size: {pods}
    workerTemplate:
      spec:
        containers:
        - name: e
          image: {VLLM}
          command: [sh, -c, "{serve}"]
          resources: {{limits: {{nvidia.com/gpu: 8}}}}
"""
    (one,) = found(text, "CONF005")
    assert one.fix == fix


@pytest.mark.parametrize(("number", "level"), [(2, "warning"), (16, "error")])
def test_a_count_of_lines_waits_for_no_gpus(number: int, level: str) -> None:
    wait = f"until [ $(ray status | grep -c GPU) -ge {number} ]; do sleep 5; done"
    (one,) = found(pod(f'[bash, -c, "{wait}; vllm serve m/x"]'), "CONF004")
    assert one.level == level
