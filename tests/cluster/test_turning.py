"""A workload that was changed, and whose pods do not show it yet, is in a rollout."""

import copy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from distcheck.agent.cluster.finding.group import Group, find_group
from tests.cluster.manifests.build import Object, member, statefulset, two_nodes
from tests.cluster.manifests.folders import objects
from tests.cluster.manifests.world import cluster

REVISION = "controller-revision-hash"
LWS_REVISION = "leaderworkerset.sigs.k8s.io/template-revision-hash"


def found(tmp_path: Path, text: str, things: list[Object]) -> Group:
    with cluster(tmp_path, things) as (api, _, _):
        return find_group(api, "llm", text)


def one(things: list[Object], kind: str, name: str = "") -> Object:
    return next(o for o in things if o["kind"] == kind and o["metadata"]["name"].startswith(name))


def told(group: Group) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(r.workload, r.says.partition(": ")[2], r.pods) for r in group.rollouts]


def with_worker(revision: str, **sts: Any) -> list[Object]:
    """Two StatefulSets; the worker's pod is of `revision`, and its set's newest is `new`."""
    things = copy.deepcopy(two_nodes())
    one(things, "Pod", "vllm-worker")["metadata"]["labels"][REVISION] = revision
    maker = one(things, "StatefulSet", "vllm-worker")
    maker["status"] = {"observedGeneration": 2, "updateRevision": "new"}
    maker["metadata"]["generation"] = sts.pop("generation", 2)
    maker["spec"] |= sts
    return things


def test_a_group_at_rest_is_in_no_rollout(tmp_path: Path) -> None:
    group = found(tmp_path, "vllm-head", with_worker("new"))
    assert (group.rollouts, group.notes) == ((), ())


def test_a_change_that_the_controller_has_not_seen_leaves_every_pod_of_before(
    tmp_path: Path,
) -> None:
    group = found(tmp_path, "vllm-head", with_worker("new", generation=3))
    why = "its controller has not acted on the last change yet"
    assert told(group) == [("sts/vllm-worker", why, ("vllm-worker-0",))]
    assert group.notes == (f"a rollout of sts/vllm-worker runs: {why}",)


OLD = "vllm-worker-0 is of an older revision"
BY_HAND = f"{OLD} (OnDelete: it stays until somebody deletes it)"
KEPT = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}


@pytest.mark.parametrize(
    ("strategy", "says"), [({}, OLD), ({"type": "OnDelete"}, BY_HAND), (KEPT, None)]
)
def test_a_pod_of_an_older_revision_is_told_unless_a_partition_keeps_it(
    tmp_path: Path, strategy: Object, says: str | None
) -> None:
    group = found(tmp_path, "vllm-head", with_worker("old", updateStrategy=strategy))
    expected = [("sts/vllm-worker", says, ("vllm-worker-0",))] if says else []
    assert told(group) == expected


def deleted(seconds: float) -> list[Object]:
    """A pod of the worker's set beside the new one, deleted so long ago."""
    things = with_worker("new")
    old = copy.deepcopy(one(things, "Pod", "vllm-worker"))
    at = datetime.now(UTC) - timedelta(seconds=seconds)
    old["metadata"] |= {"name": "vllm-worker-1", "uid": "old",
                        "deletionTimestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ")}  # fmt: skip
    return [*things, old]


@pytest.mark.parametrize(("seconds", "expected"), [(-20, 1), (20, 1), (3600, 0)])
def test_a_pod_that_is_being_deleted_is_waited_for_but_not_one_that_is_stuck(
    tmp_path: Path, seconds: float, expected: int
) -> None:
    group = found(tmp_path, "vllm-head", deleted(seconds))
    says = ("sts/vllm-worker", "vllm-worker-1 is being deleted and not gone yet", ())
    assert told(group) == [says] * expected


def lws(revision: str, **spec: Any) -> list[Object]:
    """A LeaderWorkerSet whose pods are of `revision`, and whose leaders' set is of `new`."""
    things = objects("leaderworkerset-vllm")
    maker = one(things, "LeaderWorkerSet")
    for pod in (o for o in things if o["kind"] == "Pod"):
        pod["metadata"]["labels"][LWS_REVISION] = revision
    maker["metadata"]["generation"], maker["status"] = 1, {"observedGeneration": 1}
    maker["spec"] |= spec
    name = maker["metadata"]["name"]
    leaders = {"name": name, "namespace": "llm", "uid": "sts", "labels": {LWS_REVISION: "new"}}
    return [
        *(o for o in things if (o["kind"], o["metadata"]["name"]) != ("StatefulSet", name)),
        {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": leaders, "spec": {}},
    ]


def leader(things: list[Object]) -> str:
    index = "leaderworkerset.sigs.k8s.io/worker-index"
    pods = (o for o in things if o["kind"] == "Pod")
    return next(str(o["metadata"]["name"]) for o in pods if o["metadata"]["labels"][index] == "0")


def test_pods_of_a_leader_worker_set_are_compared_with_the_revision_of_its_leaders(
    tmp_path: Path,
) -> None:
    now, before = lws("new"), lws("old")
    assert found(tmp_path, leader(now), now).rollouts == ()
    (rollout,) = found(tmp_path, leader(before), before).rollouts
    assert "of an older revision" in rollout.says
    assert leader(before) in rollout.pods


def test_a_group_below_the_partition_of_its_leader_worker_set_stays(tmp_path: Path) -> None:
    kept = {"rollingUpdateConfiguration": {"partition": 9}}
    things = lws("old", rolloutStrategy=kept)
    assert found(tmp_path, leader(things), things).rollouts == ()


def untold(change: Object, seconds_ago: float, **template: Any) -> list[Object]:
    """As lws before v0.9.0 leaves it: no `observedGeneration`, and a change so long ago."""
    things = lws("new")
    maker, leaders = one(things, "LeaderWorkerSet"), things[-1]
    at = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    fields = {"manager": "kubectl", "time": at.strftime("%Y-%m-%dT%H:%M:%SZ")}
    maker["metadata"] |= {"generation": 2, "managedFields": [fields]}
    maker["status"] = {"replicas": 1, "readyReplicas": 1, "updatedReplicas": 1}
    size = {"leaderworkerset.sigs.k8s.io/size": str(maker["spec"]["leaderWorkerTemplate"]["size"])}
    asked = maker["spec"]["leaderWorkerTemplate"]
    first = copy.deepcopy(asked.get("leaderTemplate") or asked["workerTemplate"])
    leaders["spec"]["template"] = first | {"metadata": {"annotations": size}} | template
    asked |= change
    return things


@pytest.mark.parametrize(
    ("change", "seconds_ago", "says"),
    [
        ({"size": 4}, 900, "its controller has not acted on the last change yet"),
        ({}, 5, "this version of it does not tell whether its controller has acted"),
        ({}, 900, ""),
    ],
)
def test_a_leader_worker_set_that_tells_no_generation_is_compared_with_its_leaders(
    tmp_path: Path, change: Object, seconds_ago: float, says: str
) -> None:
    things = untold(change, seconds_ago)
    rollouts = found(tmp_path, leader(things), things).rollouts
    assert [says in r.says for r in rollouts] == [True] * bool(says)


def test_a_change_of_no_known_time_is_not_taken_as_acted_on(tmp_path: Path) -> None:
    things = untold({}, 900)
    del one(things, "LeaderWorkerSet")["metadata"]["managedFields"]
    (rollout,) = found(tmp_path, leader(things), things).rollouts
    assert "it was changed, and this version of it does not tell" in rollout.says


def test_an_image_of_another_registry_is_no_change_and_one_of_another_tag_is(
    tmp_path: Path,
) -> None:
    things = untold({}, 900)
    (first, *_) = things[-1]["spec"]["template"]["spec"]["containers"]
    first["image"] = f"mirror.example.com/{first['image'].rpartition('/')[2]}@sha256:0"
    assert found(tmp_path, leader(things), things).rollouts == ()
    first["image"] = "vllm:another"
    assert len(found(tmp_path, leader(things), things).rollouts) == 1


def test_replicas_that_nobody_has_made_are_missed(tmp_path: Path) -> None:
    whole = "exec vllm serve /models/qwen -tp 8"
    things = [statefulset("qwen", 2), member("qwen-0", "gpu-c", "10.0.0.4", whole)]
    group = found(tmp_path, "sts/qwen", things)
    assert told(group) == [("sts/qwen", "1 of 2 pods are there", ())]
    things = lws("new", replicas=3)
    (rollout,) = found(tmp_path, leader(things), things).rollouts
    assert "1 of 3 groups are there" in rollout.says


def test_a_pod_that_the_group_itself_lacks_is_no_rollout(tmp_path: Path) -> None:
    half = "exec vllm serve /models/qwen -tp 16"
    things = [statefulset("qwen", 2), member("qwen-0", "gpu-c", "10.0.0.4", half)]
    group = found(tmp_path, "sts/qwen", things)
    assert (group.rollouts, ", 1 not there" in group.target.chosen) == ((), True)


def test_a_ray_service_that_makes_a_second_cluster_is_in_a_rollout(tmp_path: Path) -> None:
    things = objects("rayservice-llm")
    service = one(things, "RayService")
    name = service["metadata"]["name"]
    (rollout,) = found(tmp_path, f"rayservice/{name}", things).rollouts
    pending = service["status"].pop("pendingServiceStatus")["rayClusterName"]
    assert f"rayservice/{name} runs: raycluster/{pending} is to take over" in rollout.says
    assert rollout.pods
    assert found(tmp_path, f"rayservice/{name}", things).rollouts == ()
