"""Devices, networks and what RDMA needs beside them: what is sure, and what stays a hint."""

import pytest
from tests.lint.judge import found

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: llm%s}
spec:
  %s
  containers:
  - name: llm
    image: vllm/vllm-openai:v0.12.0
    args: [--model, /m, -tp, "8"]
    %s
"""


def levels(rule: str, spec: str = "restartPolicy: Always", own: str = "", meta: str = "") -> str:
    return " ".join(f.level for f in found(POD % (meta, spec, own), rule))


@pytest.mark.parametrize(
    ("resources", "level"),
    [
        ("limits: {huawei.com/Ascend910: 8}, requests: {huawei.com/Ascend910: 6}", "error"),
        ("limits: {cpu: 8}, requests: {habana.ai/gaudi: 8}", "error"),
        ("limits: {rdma/hca_a: 1}, requests: {rdma/hca_a: 1}", ""),
        ("limits: {cpu: 8, memory: 9Gi}, requests: {cpu: 4, memory: 8Gi}", ""),
        ("limits: {cpu: 8}, requests: {ephemeral-storage: 1Gi}", ""),
        ("limits: {a.kubernetes.io/x: 8}, requests: {a.kubernetes.io/x: 4}", ""),
        ("limits: {hugepages-2Mi: 2Gi, memory: 9Gi}, requests: {hugepages-2Mi: 1Gi}", "error"),
        ("limits: {hugepages-2Mi: 2Gi, memory: 9Gi}, requests: {hugepages-2Mi: 2048Mi}", ""),
        ("limits: {nvidia.com/gpu: 8, hugepages-2Mi: 5120Mi}", "hint"),
        ("limits: {hugepages-2Mi: 5120Mi}, requests: {cpu: 8}", ""),
        ("limits: {hugepages-2Mi: 1.5Gi, memory: 9Gi}", ""),
        ('limits: {a.b/x: "${N}"}, requests: {a.b/x: "${N}"}', ""),
    ],
)
def test_requests_of_any_extended_resource_are_its_limits(resources: str, level: str) -> None:
    assert levels("CONF098", own=f"resources: {{{resources}}}") == level


def test_a_job_without_an_engine_that_only_requests_gpus_is_judged() -> None:
    text = POD % ("", "restartPolicy: Never", "resources: {requests: {nvidia.com/gpu: 8}}")
    text = text.replace("vllm/vllm-openai:v0.12.0", "r.io/nccl-tests:1").replace(
        "--model, /m, ", ""
    )
    assert [f.level for f in found(text, "CONF098")] == ["error"]


HCA = "resources: {limits: {nvidia.com/gpu: 8, rdma/hca: 1}}"
LOCK = "capabilities: {add: [IPC_LOCK]}"


@pytest.mark.parametrize(
    ("spec", "own", "level"),
    [
        ("restartPolicy: Always", f"securityContext: {{runAsUser: 1000, {LOCK}}}", "hint"),
        ("securityContext: {runAsUser: 1000}", f"securityContext: {{{LOCK}}}", "hint"),
        ("securityContext: {runAsUser: 1000}", f"securityContext: {{runAsUser: 0, {LOCK}}}", ""),
        ("restartPolicy: Always", f"securityContext: {{runAsNonRoot: true, {LOCK}}}", "hint"),
        ("securityContext: {runAsNonRoot: true}", f"securityContext: {{{LOCK}}}", "hint"),
        ("securityContext: {runAsNonRoot: false}", f"securityContext: {{{LOCK}}}", ""),
        ("restartPolicy: Always", f"securityContext: {{{LOCK}}}", ""),
        ("restartPolicy: Always", "securityContext: {runAsUser: 1000, privileged: true}", ""),
        ("restartPolicy: Always", "securityContext: {runAsUser: 1000}", "warning"),
    ],
)
def test_ipc_lock_has_no_effect_for_other_users_than_root(spec: str, own: str, level: str) -> None:
    assert levels("CONF043", spec, f"{HCA}\n    {own}") == level


MULTUS = ', annotations: {k8s.v1.cni.cncf.io/networks: "%s"}'


@pytest.mark.parametrize(
    ("spec", "networks", "interface", "level"),
    [
        ("hostNetwork: true", "ib0", "eth0", "hint"),
        ("hostNetwork: true", "ib0", "net1", "warning"),
        ("hostNetwork: true", "ib0", "=net1,net2", "warning"),
        ("hostNetwork: true", "[]", "net1", ""),
        ("hostNetwork: false", "ib0", "net1", ""),
    ],
)
def test_multus_gives_nothing_to_pods_in_the_nodes_network(
    spec: str, networks: str, interface: str, level: str
) -> None:
    own = f"env: [{{name: NCCL_SOCKET_IFNAME, value: '{interface}'}}]\n    {HCA}"
    assert levels("CONF050", spec, own, MULTUS % networks) == level


LISTED = '[{"interfaceName":"eth1","network":"a"}]'
GKE = f", annotations: {{networking.gke.io/interfaces: '{LISTED}'}}"


@pytest.mark.parametrize(
    ("spec", "name", "value", "level"),
    [
        ("hostNetwork: false", "NCCL_FASTRAK_IFNAME", "eth1,eth2", "warning"),
        ("hostNetwork: false", "NCCL_FASTRAK_IFNAME", "eth1", ""),
        ("hostNetwork: false", "NCCL_FASTRAK_CTRL_DEV", "eth0", ""),
        ("hostNetwork: false", "NCCL_GPUDIRECTTCPX_SOCKET_IFNAME", "eth4", "warning"),
        ("hostNetwork: false", "NCCL_SOCKET_IFNAME", "eth", ""),
        ("hostNetwork: false", "NCCL_SOCKET_IFNAME", "^docker", ""),
        ("hostNetwork: false", "NCCL_FASTRAK_IFNAME", "${NICS}", ""),
        ("hostNetwork: true", "NCCL_FASTRAK_IFNAME", "eth2", ""),
    ],
)
def test_gkes_pods_have_the_interfaces_that_their_annotation_lists(
    spec: str, name: str, value: str, level: str
) -> None:
    own = f"env: [{{name: {name}, value: '{value}'}}]\n    {HCA}"
    assert levels("CONF051", spec, own, GKE) == level


def test_other_networks_bring_interfaces_that_gkes_annotation_does_not_list() -> None:
    own = f"env: [{{name: NCCL_SOCKET_IFNAME, value: net1}}]\n    {HCA}"
    assert levels("CONF051", "hostNetwork: false", own, GKE) == "warning"
    both = GKE[:-1] + ", k8s.v1.cni.cncf.io/networks: rdma}"
    assert levels("CONF051", "hostNetwork: false", own, both) == ""
    claims = "resourceClaims: [{name: a, resourceClaimTemplateName: rdma}]"
    assert levels("CONF051", claims, own, GKE) == ""


EFA = "resources: {limits: {nvidia.com/gpu: 8, vpc.amazonaws.com/efa: 8}}"
MOUNT = "volumeMounts: [{name: ib, mountPath: /dev/infiniband}]"


@pytest.mark.parametrize(
    ("volume", "own", "level"),
    [
        ("hostPath: {path: /dev/infiniband}", EFA, "hint"),
        (
            "hostPath: {path: /dev/infiniband}",
            f"{EFA}\n    securityContext: {{privileged: true}}",
            "",
        ),
        ("hostPath: {path: /dev/infiniband}", HCA, ""),
        ("emptyDir: {}", EFA, ""),
    ],
)
def test_all_of_the_nodes_adapters_beside_efa_may_hide_it(
    volume: str, own: str, level: str
) -> None:
    spec = f"volumes: [{{name: ib, {volume}}}]"
    assert levels("CONF040", spec, f"{own}\n    {MOUNT}") == level


@pytest.mark.parametrize(
    ("image", "words", "level"),
    [
        ("openmmlab/lmdeploy:v0.7.2-cu12", "lmdeploy, serve, api_server, /m, --tp, '4'", "warning"),
        ("kserve/huggingfaceserver:v0.13.0", "a, --tensor-parallel-size=2", "warning"),
        ("kserve/huggingfaceserver:v0.13.0", "a, --tensor_parallel_size, '2'", "warning"),
        ("xprobe/xinference:v1.0", "xinference-worker", "hint"),
        ("openmmlab/lmdeploy:v0.7.2-cu12", "lmdeploy, serve, api_server, /m", "hint"),
        ("our/tools:1", "python3, convert_checkpoint.py, --tp_size, '8'", "hint"),
    ],
)
def test_ranks_of_other_servers_need_shared_memory_where_they_are_told_of_several(
    image: str, words: str, level: str
) -> None:
    text = POD % ("", "restartPolicy: Always", "resources: {limits: {nvidia.com/gpu: 4}}")
    text = text.replace("vllm/vllm-openai:v0.12.0", image)
    text = text.replace('args: [--model, /m, -tp, "8"]', f"command: [{words}]")
    assert [f.level for f in found(text, "CONF060")] == [level]


NODES = """\
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: r1}
spec:
  leaderWorkerTemplate:
    size: 2
    workerTemplate:
      spec:
        hostNetwork: %s
        containers:
        - name: sglang
          image: lmsysorg/sglang:v0.5.3
          env: [{name: NCCL_SOCKET_IFNAME, value: "%s"}]
          resources: {limits: {nvidia.com/gpu: 8, %s: 8}}
"""
OF_EFA, OF_IB = "vpc.amazonaws.com/efa", "rdma/ib"


@pytest.mark.parametrize(
    ("host", "names", "device", "count"),
    [
        ("true", "^lo,docker,veth,eni", OF_EFA, 1),
        ("true", "^=lo,docker0", OF_EFA, 1),
        ("true", "^lo,docker,pod-id-link0", OF_EFA, 0),
        ("true", "enp73s0", OF_EFA, 0),
        ("true", "^lo,docker", OF_IB, 0),
        ("false", "^lo,docker", OF_EFA, 0),
    ],
)
def test_nccl_may_take_the_interface_of_pod_identity(
    host: str, names: str, device: str, count: int
) -> None:
    held = found(NODES % (host, names, device), "CONF051")
    assert [f.level for f in held] == ["hint"] * count


DEFINITION = """\
---
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: {name: ib, namespace: %s, annotations: {%s}}
spec: {config: '{"cniVersion": "0.3.1", "type": "%s"%s}'}
"""
RESOURCE = "k8s.v1.cni.cncf.io/resourceName: nvidia.com/hostdev"


def defined(space: str, note: str, plugin: str, more: str = "") -> str:
    return DEFINITION % (space, note, plugin, more)


@pytest.mark.parametrize(
    ("asked", "definition", "resource", "level"),
    [
        ("ib", defined("llm", "a: b", "host-device"), "nvidia.com/hostdev", "warning"),
        ("llm/ib@net1", defined("llm", "a: b", "ib-sriov"), "nvidia.com/hostdev", "warning"),
        ('[{\\"name\\": \\"ib\\"}]', defined("llm", "a: b", "sriov"), "nvidia.com/ib", "warning"),
        ("ib", defined("llm", RESOURCE, "host-device"), "rdma/hca", "hint"),
        ("ib", defined("llm", RESOURCE, "host-device"), "nvidia.com/hostdev", ""),
        ("ib", defined("llm", "a: b", "host-device", ', "pciBusID": "0"'), "rdma/hca", ""),
        ("ib", defined("llm", "a: b", "macvlan", ', "master": "ens1"'), "rdma/hca", ""),
        ("ib", defined("other", "a: b", "host-device"), "rdma/hca", ""),
        ("another", defined("llm", "a: b", "host-device"), "rdma/hca", ""),
        ("[" * 50_000, defined("llm", "a: b", "host-device"), "rdma/hca", ""),
    ],
)
def test_plugins_are_told_which_device_goes_into_the_pod(
    asked: str, definition: str, resource: str, level: str
) -> None:
    own = f"resources: {{limits: {{nvidia.com/gpu: 8, {resource}: 1}}}}"
    text = POD % (f", namespace: llm{MULTUS % asked}", "restartPolicy: Always", own)
    assert " ".join(f.level for f in found(text + definition, "CONF050")) == level
