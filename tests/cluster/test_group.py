"""The serving group is found by labels, by the address that workers join, or by workload."""

from pathlib import Path

import pytest

from distcheck.agent.cluster.errors import Ambiguous
from distcheck.agent.cluster.finding.group import Group, find_group
from tests.cluster.manifests.build import (
    HEAD_SCRIPT,
    WORKER_SCRIPT,
    Object,
    container,
    member,
    owner,
    pod,
    service,
    two_nodes,
)
from tests.cluster.manifests.world import cluster


def group_of(tmp_path: Path, text: str, objects: list[Object]) -> Group:
    with cluster(tmp_path, objects) as (api, _, _):
        return find_group(api, "llm", text)


def shape(group: Group) -> list[tuple[str, str, int]]:
    return [(p.name, p.role, p.gpus) for p in group.pods]


HEAD_AND_WORKER = [("vllm-head-0", "leader", 8), ("vllm-worker-0", "worker", 8)]


@pytest.mark.parametrize("text", ["vllm-head-0", "vllm-worker-0", "sts/vllm-worker", "vllm-head"])
def test_every_member_leads_to_the_same_group(tmp_path: Path, text: str) -> None:
    assert shape(group_of(tmp_path, text, two_nodes())) == HEAD_AND_WORKER


@pytest.mark.parametrize(
    "host",
    ["vllm-head", "vllm-head.llm", "vllm-head.llm.svc.cluster.local", "vllm-head-0.vllm-head",
     "vllm-head-0.vllm-head.llm.svc", "127.77.0.2"],
)  # fmt: skip
def test_workers_may_name_the_leader_in_any_form(tmp_path: Path, host: str) -> None:
    objects = two_nodes(worker=f"ray start --address={host}:6379 --block")
    assert shape(group_of(tmp_path, "vllm-head-0", objects)) == HEAD_AND_WORKER


def test_a_worker_that_joins_another_name_is_not_of_this_group(tmp_path: Path) -> None:
    objects = two_nodes(worker="ray start --address=other:6379 --block")
    group = group_of(tmp_path, "vllm-head-0", objects)
    assert shape(group) == [("vllm-head-0", "leader", 8)]
    assert "1 pod " in group.target.chosen
    assert group.notes == ("vllm-worker-0 joins other, and no pod here has that name",)


def test_a_leader_is_joined_through_mp_addresses_too(tmp_path: Path) -> None:
    script = "vllm serve m -tp 8 -pp 2 --nnodes 2 --node-rank {} --master-addr vllm-head"
    objects = two_nodes(head=script.format(0), worker=script.format(1) + " --headless")
    assert shape(group_of(tmp_path, "vllm-worker-0", objects)) == HEAD_AND_WORKER


def test_two_heads_behind_one_name_are_refused(tmp_path: Path) -> None:
    worker = "ray start --address=vllm-head:6379"
    second = member("vllm-head-1", "gpu-c", "127.77.0.4", HEAD_SCRIPT)
    with pytest.raises(Ambiguous, match="pod/vllm-head-0, pod/vllm-head-1"):
        group_of(tmp_path, "vllm-worker-0", [*two_nodes(worker=worker), second])


def test_a_pod_that_is_going_away_is_not_a_member(tmp_path: Path) -> None:
    old = member("vllm-worker-9", "gpu-b", "127.77.0.9", WORKER_SCRIPT)
    old["metadata"]["deletionTimestamp"] = "2026-11-20T09:00:00Z"
    group = group_of(tmp_path, "vllm-head-0", [*two_nodes(), old])
    assert shape(group) == HEAD_AND_WORKER


def lws(group: int, worker: int) -> Object:
    prefix = "leaderworkerset.sigs.k8s.io"
    labels = {
        f"{prefix}/name": "tp16",
        f"{prefix}/group-index": str(group),
        f"{prefix}/worker-index": str(worker),
    }
    name = f"tp16-{group}" + (f"-{worker}" if worker else "")
    return pod(name, f"n{group}{worker}", "10.0.0.1", container("x"), meta={"labels": labels})


LWS = [lws(g, w) for g in (0, 1) for w in (0, 1)]


@pytest.mark.parametrize("text", ["tp16-1", "tp16-1-1"])
def test_a_leaderworkerset_pod_leads_to_its_own_group_only(tmp_path: Path, text: str) -> None:
    group = group_of(tmp_path, text, LWS)
    assert shape(group) == [("tp16-1", "leader", 8), ("tp16-1-1", "worker", 8)]


def test_a_leaderworkerset_with_two_groups_needs_a_pod_name(tmp_path: Path) -> None:
    one = {"apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet",
           "metadata": {"name": "tp16", "namespace": "llm", "uid": "u"}}  # fmt: skip
    with pytest.raises(Ambiguous, match="pod/tp16-0"):
        group_of(tmp_path, "lws/tp16", [*LWS, one])


def test_a_raycluster_is_one_group_led_by_its_head(tmp_path: Path) -> None:
    def ray(name: str, node_type: str, gpus: int) -> Object:
        labels = {"ray.io/cluster": "rc", "ray.io/node-type": node_type}
        return pod(name, "n", "10.0.0.1", container("x", gpus=gpus), meta={"labels": labels})

    objects = [ray("a-worker", "worker", 8), ray("b-head", "head", 0)]
    group = group_of(tmp_path, "a-worker", objects)
    assert shape(group) == [("b-head", "leader", 0), ("a-worker", "worker", 8)]


def replicas(script: str) -> list[Object]:
    meta = {"labels": {"app": "one"}, **owner("ReplicaSet", "one-5d")}
    pods = [pod(f"one-{i}", "gpu-a", f"10.0.0.{i}", container(script), meta=meta) for i in (1, 2)]
    return [*pods, service("one-svc", {"app": "one"})]


def test_a_replica_that_is_a_whole_copy_is_a_group_of_its_own(tmp_path: Path) -> None:
    group = group_of(tmp_path, "one-1", replicas("vllm serve m -tp 8"))
    assert shape(group) == [("one-1", "leader", 8)]


def test_replicas_that_are_whole_copies_are_not_judged_as_one(tmp_path: Path) -> None:
    with pytest.raises(Ambiguous, match="pod/one-1, pod/one-2"):
        group_of(tmp_path, "one-svc", replicas("vllm serve m -tp 8"))


def test_without_any_tie_the_workload_is_the_group(tmp_path: Path) -> None:
    group = group_of(tmp_path, "one-1", replicas("vllm serve m -tp 16"))
    assert [p.name for p in group.pods] == ["one-1", "one-2"]


@pytest.mark.parametrize(
    "address", ["$(VLLM_HEAD_SERVICE_HOST):6379", "${VLLM_HEAD_SERVICE_HOST}:6379"]
)
def test_the_kubelets_variable_of_a_service_names_its_leader(tmp_path: Path, address: str) -> None:
    objects = two_nodes(worker=f"ray start --address={address} --block")
    assert shape(group_of(tmp_path, "vllm-worker-0", objects)) == HEAD_AND_WORKER


def test_a_head_that_nobody_joins_is_said_to_be_alone(tmp_path: Path) -> None:
    objects = [o for o in two_nodes() if "worker" not in o["metadata"]["name"]]
    group = group_of(tmp_path, "vllm-head-0", objects)
    assert group.target.chosen == "pod/vllm-head-0: 1 pod that nobody joins"


def test_a_container_that_claims_devices_is_the_engines(tmp_path: Path) -> None:
    claims = {"claims": [{"name": "gpus"}]}
    engine = {"name": "engine", "image": "x", "resources": claims}
    one = pod("dra", "n", "10.0.0.1", {"name": "proxy", "image": "y"}, engine)
    assert group_of(tmp_path, "dra", [one]).pods[0].container == "engine"
