"""Which serving groups a cluster has, and under which names."""

from pathlib import Path
from typing import Any

import pytest
from tests.cluster.manifests.build import (
    HEAD_SCRIPT,
    container,
    member,
    owner,
    pod,
    service,
    statefulset,
    two_nodes,
)
from tests.cluster.manifests.world import cluster

from distcheck.agent.cluster.errors import Refused
from distcheck.agent.serve.discover import discover
from distcheck.agent.serve.names import workload_of
from distcheck.lab.apiserver import Denial

SERVE = "exec vllm serve /models/llama -tp 8"


def test_a_group_of_several_pods_is_found_once(tmp_path: Path) -> None:
    with cluster(tmp_path, two_nodes()) as (api, _, _):
        found = discover(api)
    assert [g.key for g in found.groups] == [("llm", "vllm-head")]
    assert [p.name for p in found.groups[0].group.pods] == ["vllm-head-0", "vllm-worker-0"]
    assert found.left_out == {}


def test_replicas_that_each_serve_a_copy_are_groups_of_their_own(tmp_path: Path) -> None:
    objects = [
        statefulset("qwen", 2),
        member("qwen-0", "gpu-a", "10.0.0.2", SERVE),
        member("qwen-1", "gpu-b", "10.0.0.3", SERVE),
    ]
    with cluster(tmp_path, objects) as (api, _, _):
        found = discover(api)
    assert [g.key for g in found.groups] == [("llm", "qwen-0"), ("llm", "qwen-1")]


def test_a_pod_that_serves_nothing_is_left_out_with_the_reason(tmp_path: Path) -> None:
    notebook = pod("notebook", "gpu-a", "10.0.0.9", container("exec jupyter lab", gpus=1))
    with cluster(tmp_path, [*two_nodes(), notebook]) as (api, _, _):
        found = discover(api)
    assert len(found.groups) == 1
    assert list(found.left_out) == ["llm/notebook"]
    assert "no engine" in found.left_out["llm/notebook"]


def test_a_pod_without_gpus_is_nobodys_business(tmp_path: Path) -> None:
    web = pod("web", "cpu", "10.0.0.9", container("exec nginx", gpus=0))
    with cluster(tmp_path, [web]) as (api, _, _):
        found = discover(api)
    assert (found.groups, found.left_out) == ((), {})


def test_only_the_namespaces_asked_for_are_looked_at(tmp_path: Path) -> None:
    with cluster(tmp_path, two_nodes()) as (api, _, _):
        assert len(discover(api, ["llm"]).groups) == 1
        assert discover(api, ["other"]).groups == ()


def test_a_caller_who_may_not_list_pods_is_told_so(tmp_path: Path) -> None:
    denied = [Denial(("list",), ("pods",))]
    with cluster(tmp_path, two_nodes(), denied=denied) as (api, _, _), pytest.raises(Refused):
        discover(api)


def _pod(name: str, labels: dict[str, str], **meta: Any) -> dict[str, Any]:
    return pod(name, "gpu-a", "10.0.0.2", container(HEAD_SCRIPT), meta={"labels": labels, **meta})


@pytest.mark.parametrize(
    ("leader", "name"),
    [
        (
            _pod(
                "tp16-1",
                {
                    "leaderworkerset.sigs.k8s.io/name": "tp16",
                    "leaderworkerset.sigs.k8s.io/group-index": "1",
                },
            ),
            "tp16-1",
        ),
        (_pod("r-x7k2p-head-abc", {"ray.io/cluster": "r-x7k2p"}), "r-x7k2p"),
        (
            _pod(
                "r-x7k2p-head-abc",
                {"ray.io/cluster": "r-x7k2p", "ray.io/originated-from-cr-name": "r"},
            ),
            "r",
        ),
        (
            _pod(
                "vllm-head-5d4f-abcde",
                {"pod-template-hash": "5d4f"},
                **owner("ReplicaSet", "vllm-head-5d4f"),
            ),
            "vllm-head",
        ),
        (_pod("bare", {}), "bare"),
    ],
)
def test_a_group_is_named_by_what_outlives_its_pods(leader: dict[str, Any], name: str) -> None:
    assert workload_of(leader, whole=False) == name


def test_two_services_select_the_same_pods_and_still_they_are_one_group(tmp_path: Path) -> None:
    objects = [*two_nodes(), service("again", {"app": "vllm-head"})]
    with cluster(tmp_path, objects) as (api, _, _):
        assert len(discover(api).groups) == 1


def test_one_odd_pod_leaves_only_itself_out(tmp_path: Path) -> None:
    odd = pod("odd", "gpu-a", "10.0.0.9", container(SERVE))
    odd["spec"]["volumes"] = odd["status"]["conditions"] = "hunter2"
    with cluster(tmp_path, [*two_nodes(), odd]) as (api, _, _):
        found = discover(api)
    assert [g.key for g in found.groups] == [("llm", "vllm-head")]
    assert found.left_out["llm/odd"].startswith("it cannot be understood (")
    assert "hunter2" not in str(found.left_out)


def test_an_empty_label_of_a_stranger_stops_nobody(tmp_path: Path) -> None:
    labels = {"labels": {"ray.io/cluster": ""}}
    odd = pod("a-odd", "gpu-a", "10.0.0.9", container(SERVE), meta=labels, namespace="tenant")
    with cluster(tmp_path, [*two_nodes(), odd]) as (api, _, _):
        found = discover(api)
    assert ("llm", "vllm-head") in [g.key for g in found.groups]
    assert found.left_out == {}


def test_a_search_that_takes_too_long_leaves_its_pod_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("distcheck.agent.serve.discover._GROUP_S", 0.0)
    with cluster(tmp_path, two_nodes()) as (api, _, _):
        found = discover(api)
    assert found.groups == ()
    assert "no whole answer before the deadline" in found.left_out["llm/vllm-head-0"]
