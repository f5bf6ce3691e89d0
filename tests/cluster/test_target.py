"""A TARGET as users type it finds its pods, says what it chose, and refuses to guess."""

from pathlib import Path

import pytest

from distcheck.agent.cluster.errors import Ambiguous, NotFound, Refused
from distcheck.agent.cluster.finding.namespace import Namespace
from distcheck.agent.cluster.finding.target import Resolved, TargetError, parse, resolve
from distcheck.lab.apiserver import Denial
from tests.cluster.manifests.build import Object, container, obj, owner, pod, service, two_nodes
from tests.cluster.manifests.world import cluster


def found(tmp_path: Path, text: str, objects: list[Object]) -> Resolved:
    with cluster(tmp_path, objects) as (api, _, _):
        return resolve(Namespace(api, "llm"), text)


def names(resolved: Resolved) -> list[str]:
    return [p["metadata"]["name"] for p in resolved.pods]


def deployment(name: str) -> Object:
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}}
    return obj("apps/v1", "Deployment", name, spec=spec)


def replica(name: str, app: str) -> Object:
    meta = {"labels": {"app": app}, **owner("ReplicaSet", f"{app}-5d")}
    return pod(name, "gpu-a", "10.0.0.1", container("vllm serve m"), meta=meta)


@pytest.mark.parametrize("text", ["vllm-head-0", "pod/vllm-head-0", "po/vllm-head-0"])
def test_an_existing_pod_is_taken_as_itself(tmp_path: Path, text: str) -> None:
    one = found(tmp_path, text, two_nodes())
    assert names(one) == ["vllm-head-0"]
    assert (one.target.kind, one.target.chosen) == ("Pod", "pod/vllm-head-0")


@pytest.mark.parametrize("text", ["vllm-head", "sts/vllm-head", "StatefulSet/vllm-head"])
def test_a_workload_is_taken_with_its_pods(tmp_path: Path, text: str) -> None:
    objects = [o for o in two_nodes() if o["kind"] != "Service"]
    one = found(tmp_path, text, objects)
    assert (one.target.kind, names(one)) == ("StatefulSet", ["vllm-head-0"])


def test_a_deployment_is_found_under_the_name_of_a_statefulset_pod(tmp_path: Path) -> None:
    objects = [deployment("vllm-head"), replica("vllm-head-5d-x", "vllm-head")]
    one = found(tmp_path, "vllm-head-0", objects)
    assert names(one) == ["vllm-head-5d-x"]
    assert one.target.chosen == "deploy/vllm-head (there is no pod vllm-head-0)"


def test_a_service_is_the_last_resort(tmp_path: Path) -> None:
    objects = [service("llama", {"app": "x"}), replica("x-1", "x")]
    one = found(tmp_path, "llama", objects)
    assert (one.target.kind, names(one)) == ("Service", ["x-1"])


def test_two_workloads_of_one_name_are_listed_and_refused(tmp_path: Path) -> None:
    objects = [deployment("vllm-head"), *two_nodes()]
    with pytest.raises(Ambiguous) as caught:
        found(tmp_path, "vllm-head", objects)
    assert caught.value.candidates == ("sts/vllm-head", "deploy/vllm-head")


def test_a_statefulset_of_a_leaderworkerset_is_not_a_second_thing(tmp_path: Path) -> None:
    lws = obj("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", "tp16")
    sts = obj("apps/v1", "StatefulSet", "tp16", meta=owner("LeaderWorkerSet", "tp16"))
    labels = {"labels": {"leaderworkerset.sigs.k8s.io/name": "tp16"}}
    one = found(tmp_path, "tp16", [lws, sts, pod("tp16-0", "a", "10.0.0.1", meta=labels)])
    assert (one.target.kind, names(one)) == ("LeaderWorkerSet", ["tp16-0"])


def test_a_rayservice_is_its_active_cluster(tmp_path: Path) -> None:
    status = {"activeServiceStatus": {"rayClusterName": "rc-2"}}
    objects = [
        obj("ray.io/v1", "RayService", "llama", status=status),
        pod("rc-1-head", "a", "10.0.0.1", meta={"labels": {"ray.io/cluster": "rc-1"}}),
        pod("rc-2-head", "a", "10.0.0.2", meta={"labels": {"ray.io/cluster": "rc-2"}}),
    ]
    assert names(found(tmp_path, "rayservice/llama", objects)) == ["rc-2-head"]


def test_a_name_that_nothing_has_is_not_found_and_names_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="called gone; its pods are vllm-head-0, vllm-worker-0"):
        found(tmp_path, "gone", two_nodes())


def test_a_workload_without_pods_is_still_that_workload(tmp_path: Path) -> None:
    one = found(tmp_path, "idle", [deployment("idle")])
    assert (one.target.kind, names(one)) == ("Deployment", [])


def test_what_may_not_be_read_is_refused_not_called_absent(tmp_path: Path) -> None:
    denied = (Denial(("get",), ("statefulsets",)),)
    with (
        cluster(tmp_path, two_nodes(), denied=denied) as (api, _, _),
        pytest.raises(Refused, match="cannot get resource"),
    ):
        resolve(Namespace(api, "llm"), "nothing-here")


@pytest.mark.parametrize("text", ["", "secret/x", "pod/", "pod/A_b", "a/b/c", "../x"])
def test_a_malformed_target_is_an_error_of_its_own(text: str) -> None:
    with pytest.raises(TargetError):
        parse(text)
