"""During a rollout, behind shared names and with computed addresses, no member is guessed."""

import copy
from pathlib import Path

import pytest

from distcheck.agent.cluster.errors import Ambiguous
from distcheck.agent.cluster.finding.group import Group, find_group
from tests.cluster.manifests.build import (
    HEAD_SCRIPT,
    Object,
    container,
    member,
    obj,
    owner,
    pod,
    service,
    statefulset,
    two_nodes,
)
from tests.cluster.manifests.controllers import made, named
from tests.cluster.manifests.folders import objects
from tests.cluster.manifests.world import cluster

MEMBERS = ["vllm-head-0", "vllm-worker-0"]
HASH = "pod-template-hash"
HEAD = "ray start --head --port=6379; vllm serve m -tp 16"
WHOLE = "vllm serve m -tp 8"
WORKS = "ray start --block --address=vllm-head:6379"


def found(tmp_path: Path, text: str, things: list[Object]) -> Group:
    with cluster(tmp_path, things) as (api, _, _):
        return find_group(api, "llm", text)


def names(group: Group) -> list[str]:
    return [p.name for p in group.pods]


def deployment(name: str, script: str, replicas: int = 1, **container_: object) -> Object:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [
        {**container(script), **container_}]}}  # fmt: skip
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return obj("apps/v1", "Deployment", name, spec=spec)


def surged(things: list[Object], workload: str) -> list[Object]:
    """With one more pod of that Deployment, of a newer template."""
    old = next(o for o in things if o["kind"] == "Pod"
               and o["metadata"]["name"].startswith(workload))  # fmt: skip
    new = copy.deepcopy(old)
    new["metadata"] |= {"name": f"{workload}-znew-1", "uid": "new",
                        "creationTimestamp": "2026-11-20T08:30:00Z",
                        **owner("ReplicaSet", f"{workload}-znew")}  # fmt: skip
    new["metadata"]["labels"] = {**new["metadata"]["labels"], HASH: "znew"}
    new["status"]["podIP"] = "127.77.0.99"
    return [*things, new]


def deployed(workers: int = 2) -> list[Object]:
    return made([deployment("vllm-head", HEAD), deployment("vllm-worker", WORKS, workers),
                 service("vllm-head", {"app": "vllm-head"})])  # fmt: skip


def test_a_surge_of_workers_counts_the_newest_template_alone(tmp_path: Path) -> None:
    group = found(tmp_path, "vllm-head", surged(deployed(), "vllm-worker"))
    assert [p.name for p in group.pods if p.role == "worker"] == ["vllm-worker-znew-1"]
    assert group.target.size == 3
    assert [(t.cause, t.says[:34]) for t in group.troubles] == [
        ("starting", "a rollout of deploy/vllm-worker ru")]  # fmt: skip
    assert group.notes[0].startswith("a rollout of deploy/vllm-worker runs: pods of the newest")


def test_a_surge_of_heads_takes_the_newest_one(tmp_path: Path) -> None:
    group = found(tmp_path, "vllm-worker", surged(deployed(), "vllm-head"))
    assert names(group)[0] == "vllm-head-znew-1"
    assert "a rollout of deploy/vllm-head runs" in group.notes[0]


def test_a_pod_of_the_older_template_is_asked_for_as_such(tmp_path: Path) -> None:
    things = surged(made([deployment("vllm", WHOLE)]), "vllm")
    old = next(o["metadata"]["name"] for o in things if o["kind"] == "Pod")
    group = found(tmp_path, old, things)
    assert names(group) == [old]
    assert "pods of an older template were taken" in group.notes[0]


def test_several_copies_in_a_rollout_say_that_it_runs(tmp_path: Path) -> None:
    things = surged(surged(made([deployment("vllm", WHOLE, 2)]), "vllm"), "vllm")
    things[-1]["metadata"] |= {"name": "vllm-znew-2", "uid": "new2"}
    with pytest.raises(Ambiguous, match="a rollout of deploy/vllm runs, and each replica"):
        found(tmp_path, "vllm", things)


def of_two_revisions() -> list[Object]:
    things = objects("leaderworkerset-vllm")
    worker = next(o for o in things if o["kind"] == "Pod" and o["metadata"]["labels"].get(
        "leaderworkerset.sigs.k8s.io/worker-index") == "1")  # fmt: skip
    worker["metadata"]["labels"]["leaderworkerset.sigs.k8s.io/template-revision-hash"] = "old"
    return things


def test_a_worker_of_an_older_revision_is_in_its_own_group(tmp_path: Path) -> None:
    things = of_two_revisions()
    worker = next(o["metadata"]["name"] for o in things if o["kind"] == "Pod" and "old" in str(
        o["metadata"]["labels"]))  # fmt: skip
    group = found(tmp_path, worker, things)
    assert names(group) == [worker]
    assert {t.cause for t in group.troubles} <= {"starting", "waiting_for_head"}
    assert "a rollout runs: the" in group.troubles[0].says


def test_groups_on_the_same_nodes_are_told_apart_by_their_ports(tmp_path: Path) -> None:
    def on_host(name: str, ip: str, script: str) -> Object:
        return pod(name, ip, ip, container(script, gpus=4), hostNetwork=True)

    things = [
        on_host(f"{n}-head", "192.0.2.1", f"ray start --head --port={p}; vllm serve m -tp 8")
        for n, p in (("a", 6379), ("b", 6380))
    ] + [
        on_host(f"{n}-worker", "192.0.2.2", f"ray start --address=192.0.2.1:{p} --block")
        for n, p in (("a", 6379), ("b", 6380))
    ]  # fmt: skip
    assert names(found(tmp_path, "a-head", things)) == ["a-head", "a-worker"]
    assert names(found(tmp_path, "b-worker", things)) == ["b-head", "b-worker"]


def test_a_worker_of_several_heads_is_guessed_from_no_side(tmp_path: Path) -> None:
    second = member("vllm-head-1", "gpu-c", "127.77.0.4", HEAD_SCRIPT)
    things = [*two_nodes(worker=WORKS), second]
    group = found(tmp_path, "vllm-head-0", things)
    assert names(group) == ["vllm-head-0"]
    assert group.notes[0].startswith("vllm-worker-0 joins vllm-head, which leads to vllm-head-0, ")
    assert group.target.size is None
    with pytest.raises(Ambiguous, match="pod/vllm-head-0, pod/vllm-head-1"):
        found(tmp_path, "vllm-worker-0", things)


@pytest.mark.parametrize("resources", [{}, {"claims": [{"name": "gpus"}]}])
def test_whole_servers_whose_gpus_are_not_known_are_copies(
    tmp_path: Path, resources: Object
) -> None:
    things = made([deployment("vllm", WHOLE, 3, resources=resources)])
    with pytest.raises(Ambiguous, match="each replica is a whole copy"):
        found(tmp_path, "vllm", things)
    one = next(o["metadata"]["name"] for o in things if o["kind"] == "Pod")
    group = found(tmp_path, one, things)
    assert names(group) == [one]
    assert any("not in its limits, so they are not known" in n for n in group.notes)


FIELD = [{"name": "NS", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}]
ADDRESSES = [
    ("ray start --block --address=vllm-head.$(NS).svc.cluster.local:6379", {"env": FIELD}),
    ("ray start --block --address=$HEAD:6379", {"envFrom": [{"configMapRef": {"name": "c"}}]}),
    ("HEAD=${HEAD_HOST:-vllm-head}; ray start --block --address=$HEAD:6379", {}),
    ("ray start --block --address=vllm-head-${HOSTNAME##*-}.vllm-head:6379", {}),
    ("torchrun --nnodes=2 --rdzv-endpoint=vllm-head:29400 serve.py", {}),
]


@pytest.mark.parametrize(("script", "more"), ADDRESSES)
def test_an_address_is_read_as_the_shell_would(tmp_path: Path, script: str, more: Object) -> None:
    things = two_nodes()
    worker = named(things, "vllm-worker-0")["spec"]["containers"]
    worker[0] = container(script, **more)
    things.append(obj("v1", "ConfigMap", "c", data={"HEAD": "vllm-head"}))
    assert names(found(tmp_path, "vllm-head-0", things)) == MEMBERS


def test_a_start_script_in_a_configmap_tells_whom_it_joins(tmp_path: Path) -> None:
    things = two_nodes(worker="bash /scripts/worker.sh")
    spec = named(things, "vllm-worker-0")["spec"]
    spec["volumes"] = [{"name": "s", "configMap": {"name": "scripts"}}]
    spec["containers"][0]["volumeMounts"] = [{"name": "s", "mountPath": "/scripts"}]
    things.append(obj("v1", "ConfigMap", "scripts", data={"worker.sh": WORKS}))
    assert names(found(tmp_path, "vllm-head-0", things)) == MEMBERS


@pytest.mark.parametrize("text", MEMBERS)
def test_an_address_that_cannot_be_read_leaves_the_size_open(tmp_path: Path, text: str) -> None:
    script = "IP=$(getent hosts vllm-head | cut -f1); ray start --block --address=$IP:6379"
    group = found(tmp_path, text, two_nodes(worker=script))
    assert group.target.size is None
    assert group.notes == ("vllm-worker-0 joins an address that cannot be read from its spec",)


def test_a_whole_copy_is_not_held_against_what_others_join(tmp_path: Path) -> None:
    things = two_nodes(worker="ray start --block --address=$(cat /ip):6379")
    alone = member("solo-0", "gpu-d", "127.77.0.8", WHOLE)
    group = found(tmp_path, "solo-0", [*things, statefulset("solo"), alone])
    assert (group.target.size, group.notes) == (1, ())


def creating(thing: Object) -> None:
    thing["status"] = {"phase": "Pending", "containerStatuses": [
        {"name": "vllm", "state": {"waiting": {"reason": "ContainerCreating"}}}]}  # fmt: skip


def event(reason: str, at: str, uid: str, kind: str = "Warning") -> Object:
    about = {"kind": "Pod", "name": "vllm-worker-0", "namespace": "llm", "uid": uid}
    return obj("v1", "Event", f"w.{reason.lower()}.{at[-4:-1]}", type=kind, reason=reason,
               message="MountVolume failed", involvedObject=about, lastTimestamp=at)  # fmt: skip


def of_creating(tmp_path: Path, *events: Object) -> str:
    things = two_nodes()
    creating(named(things, "vllm-worker-0"))
    (trouble,) = found(tmp_path, "vllm-head-0", [*things, *events]).troubles
    return trouble.cause


UID = "pod-vllm-worker-0"


def test_a_warning_about_an_earlier_pod_of_the_name_is_not_this_pods(tmp_path: Path) -> None:
    assert of_creating(tmp_path, event("FailedMount", "2026-11-20T08:00:05Z", "old")) == "starting"
    assert of_creating(tmp_path, event("FailedMount", "2026-11-20T07:00:05Z", "")) == "starting"


def test_a_warning_is_over_when_the_image_is_pulled(tmp_path: Path) -> None:
    failed = event("FailedMount", "2026-11-20T08:00:01Z", UID)
    assert of_creating(tmp_path, failed) == "volume_not_bound"
    pulling = event("Pulling", "2026-11-20T08:00:05Z", UID, "Normal")
    assert of_creating(tmp_path, failed, pulling) == "starting"


@pytest.mark.parametrize(("name", "told"), [("vllm-abcdef", True), ("vllm-embed-abcdef", False)])
def test_only_a_deployments_own_replicasets_speak_for_it(
    tmp_path: Path, name: str, *, told: bool
) -> None:
    refused = obj("v1", "Event", "e", type="Warning", reason="FailedCreate", message="quota",
                  involvedObject={"kind": "ReplicaSet", "name": name})  # fmt: skip
    group = found(tmp_path, "deploy/vllm", [deployment("vllm", WHOLE), refused])
    assert ("quota" in group.troubles[0].says) is told
