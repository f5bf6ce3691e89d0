"""Intent is what specs and running command lines ask for, with the place of each value."""

from typing import Any

import pytest
from msgspec import structs

from distcheck.agent.cluster.intent.declared import declared_intent, with_expected
from distcheck.agent.cluster.intent.running import with_argv
from distcheck.agent.cluster.podspec import argv_of, as_pod, gpus_of, rdma_of
from distcheck.agent.cluster.quantity import parse_quantity
from distcheck.checks.evidence import (
    Conflict,
    EngineArguments,
    Intent,
    Missing,
    NodeLook,
    PodLook,
    Process,
    Processes,
    ShmDeclared,
)
from tests.cluster.manifests.build import container, member, pod, two_nodes


def test_the_leaders_arguments_are_the_intent() -> None:
    pods = [o for o in two_nodes() if o["kind"] == "Pod" and o["metadata"]["namespace"] == "llm"]
    intent = declared_intent(pods)
    assert (intent.engine, intent.model, intent.tp, intent.pp) == (
        "vllm",
        "/models/llama",
        16,
        None,
    )
    assert (intent.gpus, intent.nodes, intent.executor) == (16, 2, "ray")
    assert intent.sources["tp"] == "args of vllm-head-0"
    assert intent.sources["gpus"] == "GPU limits of 2 pods"


def test_a_spec_without_an_engine_leaves_everything_open() -> None:
    intent = declared_intent([pod("x", "n", "10.0.0.1", container("sleep 1", gpus=0))])
    assert intent == Intent()


def test_a_value_that_a_shell_computes_is_not_taken() -> None:
    script = "vllm serve m --tensor-parallel-size $((LWS_GROUP_SIZE * 8))"
    assert declared_intent([member("a-0", "n", "10.0.0.1", script)]).tp is None


@pytest.mark.parametrize(
    ("args", "env", "expected"),
    [
        (["-tp", "$(TP)"], [{"name": "TP", "value": "16"}], ("-tp", "16")),
        (["$(B)"], [{"name": "A", "value": "x"}, {"name": "B", "value": "$(A)y"}], ("xy",)),
        (["$(NO)"], [], ("$(NO)",)),
        (["$$(TP)"], [{"name": "TP", "value": "16"}], ("$(TP)",)),
        (["$(IP)"], [{"name": "IP", "valueFrom": {}}], ("$(IP)",)),
    ],
)
def test_references_expand_as_the_kubelet_does_it(
    args: list[str], env: list[Any], expected: Any
) -> None:
    assert argv_of({"args": args, "env": env}) == expected


@pytest.mark.parametrize(
    ("limits", "count"),
    [({"nvidia.com/gpu": "8"}, 8), ({"nvidia.com/mig-1g.10gb": 2, "nvidia.com/gpu.shared": "1"}, 3),
     ({"rdma/ib": "1", "cpu": "8"}, 0), ({}, 0)],
)  # fmt: skip
def test_gpus_are_counted_from_limits(limits: dict[str, Any], count: int) -> None:
    assert gpus_of({"resources": {"limits": limits}}) == count


@pytest.mark.parametrize(
    ("text", "value"),
    [("64Gi", 64 << 30), ("1.5Ki", 1536), ("2G", 2_000_000_000), ("1e3", 1000), ("5", 5),
     ("100m", 0), ("1E", 10**18), ("12E2", 1200), ("-1", None), ("lots", None), ("1Zi", None)],
)  # fmt: skip
def test_quantities_are_read_as_kubernetes_writes_them(text: str, value: int | None) -> None:
    assert parse_quantity(text) == value


def with_shm(volume: dict[str, Any]) -> ShmDeclared | None:
    mounts = [{"name": "dshm", "mountPath": "/dev/shm"}]
    raw = pod("a-0", "n", "1.1.1.1", container("x", volumeMounts=mounts), volumes=[volume])
    return as_pod(raw, "leader").shm


def test_shared_memory_is_declared_by_the_volume_at_dev_shm() -> None:
    volume = {"name": "dshm", "emptyDir": {"medium": "Memory", "sizeLimit": "16Gi"}}
    expected = ShmDeclared(16 << 30, "emptyDir (Memory) dshm in the spec of a-0", "memory")
    assert with_shm(volume) == expected


def test_a_volume_without_a_limit_declares_no_size() -> None:
    found = with_shm({"name": "dshm", "emptyDir": {"medium": "Memory"}})
    assert found is not None
    assert found.size_bytes is None


def test_no_volume_at_dev_shm_declares_nothing() -> None:
    assert as_pod(member("a-0", "n", "1.1.1.1", "x"), "leader").shm is None


def test_a_pod_without_a_node_says_why() -> None:
    raw = pod("a-0", None, None)
    raw["status"] = {"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no GPU"}
    ]}  # fmt: skip
    assert as_pod(raw, "worker").waiting == "Unschedulable: no GPU"


def look(*argv: str) -> NodeLook:
    seen = Processes((Process(77, "vllm", argv=argv),))
    unseen = PodLook.unseen("llm/vllm-head-0", "not looked")
    gone = Missing("not looked")
    return NodeLook("gpu-a", "", "", gone, gone, (structs.replace(unseen, processes=seen),))


SERVE = ("/usr/bin/python3", "/usr/local/bin/vllm", "serve", "m")


def test_an_argv_that_agrees_is_cited() -> None:
    declared = Intent(tp=16, sources={"tp": "args of vllm-head-0"})
    intent = with_argv(declared, [look(*SERVE, "-tp", "16")])
    assert intent.sources["tp"] == "argv of vllm-head-0 (pid 77)"
    assert intent.conflicts == ()


def test_an_argv_that_differs_is_a_conflict_and_the_spec_is_followed() -> None:
    declared = Intent(tp=16, sources={"tp": "args of vllm-head-0"})
    intent = with_argv(declared, [look(*SERVE, "-tp", "8")])
    assert (intent.tp, intent.sources["tp"]) == (16, "args of vllm-head-0")
    assert intent.conflicts == (Conflict("tp", "8", "argv of vllm-head-0 (pid 77)", running=True),)


def test_an_argv_fills_in_what_no_spec_says() -> None:
    intent = with_argv(Intent(), [look(*SERVE, "-tp", "8")])
    assert (intent.engine, intent.tp, intent.pp) == ("vllm", 8, 1)


def test_a_configuration_file_leaves_unnamed_degrees_open() -> None:
    intent = with_argv(Intent(), [look(*SERVE, "--config", "/etc/vllm.yaml")])
    assert (intent.tp, intent.pp) == (None, None)


def test_what_the_caller_expects_is_followed_and_says_so() -> None:
    declared = Intent(tp=8, conflicts=(Conflict("tp", "4", "x"),), sources={"tp": "args of a"})
    intent = with_expected(declared, {"tp": 16, "nodes": 2})
    assert (intent.tp, intent.nodes, intent.conflicts) == (16, 2, ())
    assert intent.sources == {"tp": "--expect", "nodes": "--expect"}


def look_of(words: tuple[str, ...], **arguments: object) -> NodeLook:
    """One pod whose server runs with these words, and what its `--config` file added to them."""
    argv = ("vllm", "serve", "m", "--config", "c.yaml")
    processes = Processes((Process(9, "vllm", argv=argv), Process(8, "ray")))
    whole = EngineArguments(9, words, config_path="/c.yaml", **arguments)  # type: ignore[arg-type]
    pod = structs.replace(PodLook.unseen("d/head", "-"), processes=processes, arguments=whole)
    return structs.replace(NodeLook.unseen("n", "-", "-"), pods=(pod,))


def test_the_file_that_a_running_server_names_counts_as_its_arguments() -> None:
    words = ("vllm", "serve", "m", "--tensor-parallel-size", "16", "--config", "c.yaml")
    found = with_argv(Intent(), [look_of(words)])
    assert (found.tp, found.pp) == (16, 1)
    assert found.sources["tp"] == "argv of head (pid 9, with /c.yaml)"


def test_a_file_that_could_not_be_read_leaves_degrees_unknown() -> None:
    words = ("vllm", "serve", "m", "--config", "c.yaml")
    found = with_argv(Intent(), [look_of(words, unread=("c.yaml: gone",))])
    assert (found.tp, found.pp) == (None, None)


@pytest.mark.parametrize(
    ("resource", "gives"),
    [
        ("rdma/hca_shared_devices_a", True),
        ("rdma/ib", True),
        ("vpc.amazonaws.com/efa", True),
        ("nvidia.com/hostdev", True),
        ("nvidia.com/mlnxnics", True),
        ("networking.gke.io.networks/rdma-0", True),
        ("intel.com/intel_sriov_netdevice", False),
        ("nvidia.com/sriov-rdma-vf", True),
        ("intel.com/sriov_roce", True),
        ("openshift.io/mlx5_0", True),
        ("nvidia.com/gpu", False),
        ("hugepages-2Mi", False),
        ("memory", False),
        ("example.com/library", False),
    ],
)
def test_resources_that_give_rdma_devices_are_known(resource: str, gives: bool) -> None:
    limits = {"nvidia.com/gpu": "8", resource: "1"}
    assert rdma_of({"resources": {"limits": limits}}) == ((resource,) if gives else ())
