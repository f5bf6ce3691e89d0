"""What a claim, a mounted file, a script or the order of applying gives is not missed."""

import pytest
from tests.lint.judge import found, judged

LWS = """\
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: vllm}
spec:
  leaderWorkerTemplate:
    size: 2
    workerTemplate:
      metadata: {labels: {app: vllm}}
      spec:
        %s
        containers:
        - name: vllm
          image: vllm/vllm-openai:v0.12.0
          command: [bash, -c, '%s vllm serve /m -tp 8 -pp 2 --nnodes 2
            --node-rank $LWS_WORKER_INDEX --master-addr $LWS_LEADER_ADDRESS']
          readinessProbe: {httpGet: {path: /health, port: 8000}}
          resources: {limits: {nvidia.com/gpu: 8}}
          %s
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: vllm}
spec: {selector: {app: vllm}, ports: [{port: 80, targetPort: 8000}]%s}
"""
FILE = "volumeMounts: [{name: c, mountPath: /etc/nccl.conf, subPath: nccl.conf}]"
RAY = """\
apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: pool}
spec:
  headGroupSpec:
    template: {spec: {containers: [{name: head, image: "rayproject/ray:2.46.0"}]}}
  workerGroupSpecs:
  - groupName: gpu
    replicas: 2
    template:
      spec:
        containers:
        - name: worker
          image: rayproject/ray:2.46.0-gpu
          resources: {limits: {nvidia.com/gpu: 8}}
"""


def lws(*, spec: str = "", script: str = "exec", container: str = "") -> str:
    return LWS % (spec, script, container)


def test_adapters_that_a_pod_claims_are_seen_where_no_container_names_the_claim() -> None:
    told = "env: [{name: NCCL_IB_HCA, value: mlx5}]"
    claim = "resourceClaims: [{name: nics, resourceClaimTemplateName: all-nic}]"
    (one,) = found(lws(spec=claim, container=told), "CONF040")
    assert (one.level, one.unseen) == ("hint", "what the pod's resourceClaims give")
    assert [f.level for f in found(lws(container=told), "CONF040")] == ["warning"]


@pytest.mark.parametrize(
    "container", [FILE, "env: [{name: NCCL_CONF_FILE, value: /opt/nccl.conf}]"]
)
def test_settings_in_a_file_of_nccl_may_be_loud_enough(container: str) -> None:
    assert not found(lws(container=container), "CONF121")
    assert found(lws(), "CONF121")


def test_a_script_of_the_image_may_set_what_nccl_says() -> None:
    script = "source /usr/local/gib/scripts/set_nccl_env.sh &&"
    (one,) = found(lws(script=script), "CONF121")
    assert one.unseen == "what /usr/local/gib/scripts/set_nccl_env.sh sets"


def test_of_a_ray_cluster_that_nothing_runs_on_yet_nobody_knows_which_nodes_talk() -> None:
    (one,) = found(RAY, "CONF121")
    assert one.unseen == "whether what it runs has ranks on several nodes"


@pytest.mark.parametrize(
    ("text", "level"),
    [
        (f"{SERVICE % ''}---\n{lws()}", "error"),
        (f"{lws()}---\n{SERVICE % ''}", "hint"),
        (f"{lws()}---\n{SERVICE % ', clusterIPs: [10.0.0.7]'}", "error"),
    ],
)
def test_a_service_behind_its_lws_may_find_the_one_that_lws_makes(text: str, level: str) -> None:
    """`kubectl apply` changes what is there, and lws's own stays headless."""
    assert [f.level for f in found(text, "CONF025")] == [level]


COPIES = """\
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: embed}
spec:
  serviceName: embed
  replicas: 3
  selector: {matchLabels: {app: embed}}
  template:
    metadata: {labels: {app: embed}}
    spec:
      containers:
      - name: vllm
        image: vllm/vllm-openai:v0.11.0
        args: [--model, Qwen/Qwen3-8B%s]
        resources: {limits: {nvidia.com/gpu: 1}}
"""


@pytest.mark.parametrize(
    ("more", "pods"), [("", 1), (", -tp, '1'", 1), (", -tp, '3'", 3), (", --nnodes, '3'", 3)]
)
def test_servers_that_are_told_of_nobody_are_copies_whatever_makes_their_pods(
    more: str, pods: int
) -> None:
    report = judged(COPIES % more)
    words = "3 copies of 1 pod, 1 GPU each" if pods == 1 else "3 pods, 3 GPUs"
    assert words in report.groups[0]
    assert bool([f for f in report.findings if f.id == "CONF121"]) == (pods > 1)


PROXIED = """\
apiVersion: v1
kind: Service
metadata: {name: llm}
spec: {selector: {app: llm}, ports: [{port: 443}]}
---
apiVersion: v1
kind: Pod
metadata: {name: llm, labels: {app: llm}}
spec:
  containers:
  - name: vllm
    image: vllm/vllm-openai:v0.11.0
    args: [--model, /m, --host, 127.0.0.1]
    resources: {limits: {nvidia.com/gpu: 1}}
  - {name: proxy, image: "envoyproxy/envoy:v1.33.0"%s}
"""


def test_a_proxy_that_is_ready_with_the_engine_keeps_requests_back() -> None:
    probe = ", readinessProbe: {httpGet: {path: /health, port: 443, scheme: HTTPS}}"
    (one,) = found(PROXIED % probe, "CONF082")
    assert one.unseen == "whether the probe of proxy asks the engine, too"
    assert [f.unseen for f in found(PROXIED % "", "CONF082")] == [""]


def test_a_script_that_mounts_shared_memory_anew_needs_no_volume() -> None:
    assert found(lws(), "CONF060")
    assert not found(lws(script="mount -o remount,size=16G /dev/shm && exec"), "CONF060")


@pytest.mark.parametrize("adapters", ["eth0", "=eth0", "eth0,eth1", "none"])
def test_what_no_adapter_is_called_asks_for_no_rdma(adapters: str) -> None:
    assert not found(lws(container=f"env: [{{name: NCCL_IB_HCA, value: '{adapters}'}}]"), "CONF040")


@pytest.mark.parametrize("adapters", ["mlx5_0,eth0", "^mlx5_1", "ibp", "bnxt_re0"])
def test_one_adapter_among_interfaces_asks_for_rdma(adapters: str) -> None:
    text = lws(container=f"env: [{{name: NCCL_IB_HCA, value: '{adapters}'}}]")
    assert [f.level for f in found(text, "CONF040")] == ["warning"]


@pytest.mark.parametrize(
    ("device", "level"),
    [("rdma/ib", "hint"), ("rdma/hca", "warning"), ("rdma/ib_shared", "warning")],
)
def test_where_locked_memory_may_be_free_the_capability_is_a_hint(device: str, level: str) -> None:
    text = lws().replace("gpu: 8}", f"gpu: 8, {device}: 1}}")
    (one,) = found(text, "CONF043")
    assert (one.level, bool(one.unseen)) == (level, level == "hint")


STS = """\
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: s}
spec:
  serviceName: hl
  replicas: 2
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: s}}
  template:
    metadata: {labels: {app: s}}
    spec:
      containers:
      - name: sglang
        image: lmsysorg/sglang:v0.5.3
        command: [sh, -c, "python3 -m sglang.launch_server --model-path /m --tp 16
          --nnodes 2 --node-rank ${HOSTNAME##*-} --dist-init-addr %s:20000"]
        resources: {limits: {nvidia.com/gpu: 8}}
"""
OTHER = "---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n"


@pytest.mark.parametrize("host", ["s-0.hl", "s-0.hl.default", "s-0.hl.prod.svc.cluster.local"])
@pytest.mark.parametrize("more", ["", OTHER])
def test_the_own_name_of_a_pod_is_right_where_its_service_is_elsewhere(
    host: str, more: str
) -> None:
    assert found(STS % host + more, "CONF020") == ()
    assert bool(found(STS % host + more, "CONF027")) == bool(more)


@pytest.mark.parametrize("host", ["s-0.other", "s-0.other.svc"])
def test_the_name_of_a_pod_by_another_service_is_a_hint_where_services_are_elsewhere(
    host: str,
) -> None:
    (one,) = found(STS % host, "CONF020")
    assert (one.level, "known as s-0.hl" in one.says) == ("hint", True)


PODS = "".join(
    f"""\
---
apiVersion: v1
kind: Pod
metadata: {{name: q-{n}, labels: {{app: q}}}}
spec:
  hostname: q-{n}
  subdomain: q
  containers:
  - name: vllm
    image: vllm/vllm-openai:v0.14.0
    args: [--model, /m, -tp, "16", --nnodes, "2", --node-rank, "{n}", --master-addr, q-0.q.default]
    resources: {{limits: {{nvidia.com/gpu: 8}}}}
"""
    for n in range(2)
)


def test_pods_that_are_named_by_a_service_elsewhere_are_right() -> None:
    assert found(PODS, "CONF020") == ()
    told = found(PODS + OTHER, "CONF020")
    assert {f.says for f in told} == {
        "no Service q is in the input, which gives q-0.q.default its record"
    }
    assert {f.level for f in told} == {"hint"}
