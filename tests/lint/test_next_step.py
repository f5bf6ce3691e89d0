"""A fix leads to a right manifest, not to the next finding, and stands at its place."""

import pytest
from tests.lint.judge import found, judged

NIM = """\
apiVersion: apps.nvidia.com/v1alpha1
kind: NIMCache
metadata: {name: deepseek-cache, namespace: nim}
spec: {source: {ngc: {modelPuller: m, pullSecret: s, authSecret: a}}}
---
apiVersion: apps.nvidia.com/v1alpha1
kind: NIMService
metadata: {name: deepseek, namespace: nim}
spec:
  authSecret: ngc-api
  image: {repository: nvcr.io/nim/deepseek-ai/deepseek-r1, tag: 1.7.3}
  env:
  - {name: NIM_TENSOR_PARALLEL_SIZE, value: "16"}
  - {name: NIM_PIPELINE_PARALLEL_SIZE, value: "1"}
  storage: {nimCache: {name: deepseek-cache}}
  multiNode:
    backendType: lws
    parallelism: {tensor: 8, pipeline: 2}
    mpi: {mpiStartTimeout: 6000}
  resources: {limits: {nvidia.com/gpu: 8}}
"""


def test_the_size_that_wins_is_the_one_that_is_marked() -> None:
    """NIM's own variable wins over `parallelism` of its operator."""
    assert not found(NIM, "CONF001")
    (one,) = found(NIM.replace("gpu: 8", "gpu: 4"), "CONF001")
    assert (one.at.line, "TP=16" in one.says) == (13, True)
    text = NIM.replace('{name: NIM_TENSOR_PARALLEL_SIZE, value: "16"}', "{name: A, value: b}")
    text = text.replace('{name: NIM_PIPELINE_PARALLEL_SIZE, value: "1"}', "{name: C, value: d}")
    (one,) = found(text.replace("gpu: 8", "gpu: 4"), "CONF001")
    assert "parallelism" in one.at.source


@pytest.mark.parametrize("name", ["mpi", "LeaderWorkerSet"])
def test_the_operator_takes_lws_alone(name: str) -> None:
    assert not found(NIM, "CONF106")
    (one,) = found(NIM.replace("lws", name), "CONF106")
    assert (one.level, one.fix, one.at.line) == ("error", "Write lws.", 17)


def test_a_cache_that_is_called_otherwise_is_told() -> None:
    assert not found(NIM, "CONF103")
    (one,) = found(
        NIM.replace("{name: deepseek-cache}", "{name: deepsek-cache}"),
        "CONF103",
    )
    assert (one.level, one.fix) == ("warning", "Write deepseek-cache.")
    (one,) = found(NIM.replace("{name: deepseek-cache}", "{name: llama}"), "CONF103")
    assert (one.level, one.unseen) == ("hint", "NIMCaches that are not in the input")


MPI = """\
apiVersion: kubeflow.org/v2beta1
kind: MPIJob
metadata: {name: trtllm}
spec:
  slotsPerWorker: 8
  mpiReplicaSpecs:
    Launcher:
      template:
        spec:
          containers:
          - name: launcher
            image: nvcr.io/nvidia/tensorrt-llm/release:1.0.0
            command: [mpirun, -np, "16", trtllm-llmapi-launch, trtllm-serve, /m, --tp_size, "8",
              --pp_size, "2"]
    Worker:
      replicas: 2
      template:
        spec:
          containers:
          - name: worker
            image: nvcr.io/nvidia/tensorrt-llm/release:1.0.0
            resources: {limits: {nvidia.com/gpu: 8}}
"""


def test_no_more_ranks_are_asked_for_than_the_workers_have_gpus() -> None:
    assert not found(MPI, "CONF113")
    (one,) = found(MPI.replace('"8"', '"16"'), "CONF113")
    assert one.fix == "Make TP x PP 16, the GPUs of the workers, and start as many: `-np 16`."
    (one,) = found(MPI.replace('"16"', '"8"'), "CONF113")
    assert one.fix == "Start as many as TP x PP: `-np 16`."


def test_slots_are_raised_where_the_workers_have_the_gpus() -> None:
    text = MPI.replace("slotsPerWorker: 8", "slotsPerWorker: 4")
    (one,) = found(text, "CONF018")
    assert one.fix == "Write `slotsPerWorker: 8`, the GPUs of a worker."
    (one,) = found(text.replace("gpu: 8", "gpu: 4"), "CONF018")
    assert one.fix == "Start 8."


SPLIT = """\
apiVersion: v1
kind: Service
metadata: {name: head}
spec: {clusterIP: None, selector: {app: head}, ports: [{port: 6379}]}
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
        image: vllm/vllm-openai:v0.10.2
        command: [ray, start, "--address=head:6379", --block]
        resources: {limits: {nvidia.com/gpu: 4}}
"""


def test_a_service_for_pods_that_are_not_seen_is_not_turned_to_others() -> None:
    (one,) = found(SPLIT, "CONF024")
    assert (one.level, "app: worker" in one.fix) == ("hint", False)


def test_dp_attention_is_no_copies() -> None:
    text = """\
apiVersion: v1
kind: Pod
metadata: {name: s}
spec:
  containers:
  - name: s
    image: lmsysorg/sglang:v0.5.3
    command: [python3, -m, sglang.launch_server, --model-path, /m, --tp, "8", --dp, "4"]
    resources: {limits: {nvidia.com/gpu: 8}}
"""
    (words,) = judged(text.replace('"4"]', '"4", --enable-dp-attention]')).groups
    assert "TP=8, DP attention=4" in words
    (words,) = judged(text.replace('"8", --dp', '"2", --dp')).groups
    assert "TP=2, DP=4" in words


ROLLOUT = """\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: q}
spec:
  selector: {matchLabels: {app: q}}
  strategy: {canary: {canaryService: q-canary, stableService: q-stable}}
  template:
    metadata: {labels: {app: q}}
    spec:
      containers:
      - {name: vllm, image: "vllm/vllm-openai:v0.11.0", args: [--model, /m]}
---
apiVersion: v1
kind: Service
metadata: {name: q-stable}
spec: {selector: {app: q}, ports: [{port: 8000}]}
---
apiVersion: v1
kind: Service
metadata: {name: q-canary}
spec: {selector: {app: q}, ports: [{port: 8000}]}
"""


def test_a_rollout_has_the_services_between_which_it_moves() -> None:
    assert not found(ROLLOUT, "CONF027")
    (one,) = found(ROLLOUT.replace("canaryService: q-canary", "canaryService: q-canry"), "CONF027")
    assert (one.level, one.at.line) == ("hint", 6)


GROUP = """\
apiVersion: v1
kind: Service
metadata: {name: api}
spec: {selector: {leaderworkerset.sigs.k8s.io/name: v}, ports: [{port: 8000}]}
---
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: v}
spec:
  leaderWorkerTemplate:
    size: 2
    leaderTemplate:
      metadata: {labels: {role: leader}}
      spec:
        containers:
        - name: v
          image: vllm/vllm-openai:v0.11.0
          command: [sh, -c, "ray start --head; vllm serve /m -tp 8 -pp 2"]
          resources: {limits: {nvidia.com/gpu: 8}}
    workerTemplate:
      spec:
        containers:
        - name: v
          image: vllm/vllm-openai:v0.11.0
          command: [sh, -c, "ray start --address=$(LWS_LEADER_ADDRESS):6379 --block"]
          resources: {limits: {nvidia.com/gpu: 8}}
"""


def test_a_label_that_the_leader_has_is_the_one_to_choose_by() -> None:
    (one,) = found(GROUP, "CONF118")
    assert "Add `role: leader` to the selector" in one.fix
    (one,) = found(GROUP.replace("metadata: {labels: {role: leader}}", "metadata: {}"), "CONF118")
    assert "a label of its own" in one.fix
    assert not found(GROUP.replace("name: v}, ports", "name: v, role: leader}, ports"), "CONF118")


def test_each_variable_has_a_fix_of_its_own() -> None:
    pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: v\n"
    pod += "    image: vllm/vllm-openai:v0.11.0\n    env: [%s]\n"
    (one,) = found(pod % "{name: NCCL_IB_HCA, value: eth0}", "CONF041")
    assert one.fix.startswith("Name the adapter")
    (one,) = found(pod % "{name: NCCL_SOCKET_IFNAME, value: mlx5_0}", "CONF041")
    assert one.fix.startswith("Name the interface")
