"""A pod that is not there, or does not run, comes with its reason and the place that says it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from distcheck.agent.cluster.errors import NotFound
from distcheck.agent.cluster.finding.group import Group, find_group
from distcheck.agent.cluster.troubles.restarts import restarted_since
from distcheck.checks.cluster.every_pod_runs import every_pod_runs
from distcheck.checks.evidence import Evidence, Trouble
from distcheck.lab.apiserver import Denial
from tests.cluster.manifests.build import obj
from tests.cluster.manifests.controllers import Object, made, named, without
from tests.cluster.manifests.folders import objects
from tests.cluster.manifests.world import cluster, jobs_served

AT = "2026-11-20T08:05:00Z"
WORKER = "vllm-worker-0"
Change = Callable[[Object], None]


@pytest.fixture(autouse=True)
def _jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs_served(monkeypatch)


def found(tmp_path: Path, target: str, things: list[Object], **more: Any) -> Group:
    with cluster(tmp_path, things, **more) as (api, _, _):
        return find_group(api, "llm", target)


def only(group: Group) -> Trouble:
    (trouble,) = group.troubles
    return trouble


def event(kind: str, name: str, reason: str, message: str) -> Object:
    about = {"kind": kind, "name": name, "namespace": "llm"}
    return obj("v1", "Event", f"{name}.{reason.lower()}", type="Warning", reason=reason,
               message=message, involvedObject=about, lastTimestamp=AT)  # fmt: skip


def pending(message: str, reason: str = "Unschedulable") -> Change:
    def change(pod: Object) -> None:
        pod["spec"].pop("nodeName")
        pod["status"] = {"phase": "Pending", "conditions": [
            {"type": "PodScheduled", "status": "False", "reason": reason, "message": message,
             "lastTransitionTime": AT}]}  # fmt: skip

    return change


def waiting(reason: str, message: str = "", **state: Any) -> Change:
    def change(pod: Object) -> None:
        (status,) = pod["status"]["containerStatuses"]
        status["state"] = {"waiting": {"reason": reason, "message": message}}
        status["ready"] = False
        status.update(state)

    return change


def crashed(code: int, reason: str = "Error", message: str = "") -> Change:
    end = {"exitCode": code, "reason": reason, "message": message, "finishedAt": AT}
    return waiting("CrashLoopBackOff", "back-off 5m0s restarting failed container",
                   lastState={"terminated": end}, restartCount=7)  # fmt: skip


def failed(reason: str, message: str) -> Change:
    def change(pod: Object) -> None:
        pod["status"] = {"phase": "Failed", "reason": reason, "message": message}

    return change


def creating(pod: Object) -> None:
    waiting("ContainerCreating")(pod)
    pod["status"]["phase"] = "Pending"


NO_GPUS = "0/12 nodes are available: 12 Insufficient nvidia.com/gpu. preemption: not helpful."
UNBOUND = "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims."
SPOKEN: list[tuple[str, Change, str, str]] = [
    ("no-gpus", pending(NO_GPUS), "pod_unschedulable", "12 Insufficient nvidia.com/gpu"),
    ("unbound", pending(UNBOUND), "volume_not_bound", "unbound immediate PersistentVolumeClaims"),
    ("gated", pending("", "SchedulingGated"), "pod_unschedulable", "scheduling gates"),
    ("image", waiting("ImagePullBackOff", 'Back-off pulling image "x"'), "image_not_pulled",
     'Back-off pulling image "x"'),
    ("secret", waiting("CreateContainerConfigError", 'secret "hf" not found'), "config_missing",
     'secret "hf" not found'),
    ("runtime", waiting("RunContainerError", "nvidia-container-cli: not found"),
     "container_not_started", "nvidia-container-cli"),
    ("oom", crashed(137, "OOMKilled"), "out_of_memory", "OOMKilled"),
    ("crash", crashed(1, message="ValueError: head size 7"), "crash_loop",
     "exit code 1 (Error), 7 restarts so far: ValueError: head size 7"),
    ("gated-repo", crashed(1, message="401 Client Error: cannot access gated repo"),
     "model_refused", "401 Client Error"),
    ("evicted", failed("Evicted", "low on ephemeral-storage"), "evicted",
     "vllm-worker-0 is Failed (Evicted: low on ephemeral-storage)"),
    ("device", failed("UnexpectedAdmissionError", "Allocate failed"), "admission_refused",
     "Allocate failed"),
    ("lost", lambda pod: pod["status"].update(phase="Unknown"), "node_lost", "no longer reports"),
    ("creating", creating, "starting", "ContainerCreating"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "cause", "says"), [s[1:] for s in SPOKEN], ids=[s[0] for s in SPOKEN]
)
def test_the_pods_own_status_gives_the_reason(
    tmp_path: Path, change: Change, cause: str, says: str
) -> None:
    things = objects("statefulsets-headless")
    change(named(things, WORKER))
    group = found(tmp_path, "vllm-head-0", things)
    trouble = only(group)
    assert (trouble.pod, trouble.cause) == (WORKER, cause)
    assert says in trouble.says
    assert WORKER in trouble.source
    assert (group.target.size, group.intent.gpus) == (2, 16)


MOUNTS = [
    ("FailedAttachVolume", 'Multi-Attach error for volume "pvc-1"', "volume_not_bound"),
    ("FailedMount", 'MountVolume.SetUp failed for volume "c": configmap "c" not found',
     "config_missing"),
    ("FailedCreatePodSandBox", "failed to assign an IP address to container", "sandbox_failed"),
]  # fmt: skip


@pytest.mark.parametrize(("reason", "message", "cause"), MOUNTS)
def test_while_a_pod_is_created_the_kubelets_warning_is_the_reason(
    tmp_path: Path, reason: str, message: str, cause: str
) -> None:
    things = [*objects("statefulsets-headless"), event("Pod", WORKER, reason, message)]
    creating(named(things, WORKER))
    trouble = only(found(tmp_path, "vllm-head-0", things))
    assert (trouble.cause, trouble.seen_at) == (cause, AT)
    assert message in trouble.says
    assert trouble.source == f"event {reason} of Pod {WORKER}"


def test_a_volume_that_one_node_holds_is_named_as_not_shared(tmp_path: Path) -> None:
    words = 'Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) vllm-head-0'
    things = [*objects("statefulsets-headless"), event("Pod", WORKER, "FailedAttachVolume", words)]
    creating(named(things, WORKER))
    assert "not ReadWriteMany" in only(found(tmp_path, "vllm-head-0", things)).says


def test_the_log_of_the_life_before_gives_a_refused_download(tmp_path: Path) -> None:
    def logs(_ns: str, pod: str, _container: str, previous: bool) -> bytes | None:
        line = b"GatedRepoError: 403 Client Error. Access to model meta/x is restricted\n"
        return line + b"exiting\n" if previous and pod == WORKER else None

    things = objects("statefulsets-headless")
    crashed(1)(named(things, WORKER))
    trouble = only(found(tmp_path, "vllm-head-0", things, logs=logs))
    assert (trouble.cause, trouble.source) == ("model_refused", f"previous log of {WORKER}")


def test_a_worker_that_waits_for_rays_head_says_so(tmp_path: Path) -> None:
    things = objects("raycluster-multihost")
    worker = named(things, "ray-llama-gpu-worker-5513e")
    creating(worker)
    worker["status"]["initContainerStatuses"] = [
        {"name": "wait-gcs-ready", "restartCount": 0, "state": {"running": {"startedAt": AT}}}
    ]
    trouble = only(found(tmp_path, "raycluster/ray-llama", things))
    assert (trouble.cause, trouble.seen_at) == ("waiting_for_head", AT)


def test_a_worker_that_its_set_has_not_made_is_named_with_the_quota(tmp_path: Path) -> None:
    words = 'create Pod vllm-worker-0 failed: pods "vllm-worker-0" is forbidden: exceeded quota'
    things = without(objects("statefulsets-headless"), WORKER)
    things.append(event("StatefulSet", "vllm-worker", "FailedCreate", words))
    group = found(tmp_path, "vllm-head-0", things)
    trouble = only(group)
    assert (trouble.pod, trouble.cause) == (WORKER, "pod_missing")
    assert "exceeded quota" in trouble.says
    assert (group.target.size, group.intent.gpus, group.intent.nodes) == (2, 16, 2)


def test_a_head_that_is_not_there_is_missed_from_its_worker(tmp_path: Path) -> None:
    things = without(objects("statefulsets-headless"), "vllm-head-0")
    group = found(tmp_path, "vllm-worker-0", things)
    assert [p.role for p in group.pods] == ["worker"]
    assert (only(group).pod, only(group).cause) == ("vllm-head-0", "pod_missing")


def test_a_workload_without_any_pod_is_a_group_with_its_reason(tmp_path: Path) -> None:
    things = without(objects("deployment-head-workers"), *[
        o["metadata"]["name"] for o in objects("deployment-head-workers") if o["kind"] == "Pod"
    ])  # fmt: skip
    things.append(event("ReplicaSet", "llama-head-644e84503b", "FailedCreate", "denied: no IPC"))
    group = found(tmp_path, "deploy/llama-workers", things)
    assert group.pods == ()
    assert [t.pod for t in group.troubles] == [
        "a pod of deploy/llama-head", "a pod 1 of deploy/llama-workers",
        "a pod 2 of deploy/llama-workers"]  # fmt: skip
    assert "denied: no IPC" in group.troubles[0].says


def test_a_workload_that_is_scaled_to_nothing_is_no_group(tmp_path: Path) -> None:
    things = without(objects("single-pod"), "qwen")
    idle = {"replicas": 0, "selector": {"matchLabels": {"a": "b"}}}
    with pytest.raises(NotFound, match=r"deploy/idle .* has no pods, and asks for none"):
        found(tmp_path, "idle", [*things, obj("apps/v1", "Deployment", "idle", spec=idle)])


def test_a_pod_that_is_going_and_has_no_successor_is_terminating(tmp_path: Path) -> None:
    things = objects("statefulsets-headless")
    named(things, WORKER)["metadata"]["deletionTimestamp"] = AT
    trouble = only(found(tmp_path, "vllm-head-0", things))
    assert (trouble.pod, trouble.cause, trouble.seen_at) == (WORKER, "terminating", AT)


def test_an_evicted_pod_that_was_replaced_is_no_trouble(tmp_path: Path) -> None:
    things = objects("deployment-head-workers")
    old = named(objects("deployment-head-workers"), "llama-workers-b4f683af89-0507f")
    old["metadata"]["name"] = "llama-workers-b4f683af89-old00"
    failed("Evicted", "low on memory")(old)
    assert found(tmp_path, "llama-head", [*things, old]).troubles == ()


def test_a_dead_pod_leads_to_the_group_that_replaced_it(tmp_path: Path) -> None:
    things = objects("deployment-head-workers")
    old = named(objects("deployment-head-workers"), "llama-workers-b4f683af89-0507f")
    old["metadata"]["name"] = "llama-workers-b4f683af89-old00"
    failed("Evicted", "low on memory")(old)
    group = found(tmp_path, "llama-workers-b4f683af89-old00", [*things, old])
    assert len(group.pods) == 3
    assert "is no longer alive" in group.notes[0]


def test_workers_that_are_made_after_a_ready_leader_wait_for_it(tmp_path: Path) -> None:
    things = without(objects("leaderworkerset-vllm"), "vllm-tp16-0-1")
    named(things, "vllm-tp16", "LeaderWorkerSet")["spec"]["startupPolicy"] = "LeaderReady"
    ready = next(c for c in named(things, "vllm-tp16-0")["status"]["conditions"]
                 if c["type"] == "Ready")  # fmt: skip
    ready["status"] = "False"
    group = found(tmp_path, "vllm-tp16", things)
    trouble = only(group)
    assert (trouble.pod, trouble.cause) == ("vllm-tp16-0-1", "waiting_for_head")
    assert "startupPolicy LeaderReady" in trouble.says
    assert (group.target.size, group.intent.gpus) == (2, 16)


def test_during_a_rollout_the_size_is_that_of_the_pods_own_revision(tmp_path: Path) -> None:
    things = objects("leaderworkerset-mp")
    prefix = "leaderworkerset.sigs.k8s.io"
    for name in ("deepseek-1", "deepseek-1-1"):
        meta = named(things, name)["metadata"]
        meta["labels"][f"{prefix}/template-revision-hash"] = "new"
        meta["annotations"][f"{prefix}/size"] = "3"
    old, new = found(tmp_path, "deepseek-0", things), found(tmp_path, "deepseek-1", things)
    assert (old.target.size, old.troubles) == (2, ())
    assert (new.target.size, only(new).pod) == (3, "deepseek-1-2")


def test_a_pod_of_the_old_revision_is_not_counted_beside_its_new_leader(tmp_path: Path) -> None:
    things = objects("leaderworkerset-vllm")
    labels = named(things, "vllm-tp16-0")["metadata"]["labels"]
    labels["leaderworkerset.sigs.k8s.io/template-revision-hash"] = "new"
    group = found(tmp_path, "vllm-tp16-0", things)
    assert [p.name for p in group.pods] == ["vllm-tp16-0"]
    assert "vllm-tp16-0-1 is of another revision" in group.notes[0]
    assert only(group).pod == "vllm-tp16-0-1"


def test_a_raycluster_misses_the_workers_that_its_spec_asks_for(tmp_path: Path) -> None:
    things = without(objects("raycluster-multihost"), "ray-llama-gpu-worker-a9387")
    words = 'Failed to create worker Pod: pods "ray-llama-gpu" is forbidden: exceeded quota'
    things.append(event("RayCluster", "ray-llama", "FailedToCreateWorkerPod", words))
    group = found(tmp_path, "ray-llama", things)
    assert only(group).pod == "worker of group gpu 2 of raycluster/ray-llama"
    assert "exceeded quota" in only(group).says
    assert (group.target.size, group.intent.gpus) == (3, 16)


def test_an_mpijob_whose_launcher_waits_for_its_workers_says_so(tmp_path: Path) -> None:
    things = without(objects("nim1-mpijob"), "nim-mpi-launcher-367d2", "nim-mpi-worker-1")
    group = found(tmp_path, "mpijob/nim-mpi", things)
    assert [(t.pod, t.cause) for t in group.troubles] == [
        ("nim-mpi-launcher", "waiting_for_head"), ("nim-mpi-worker-1", "pod_missing")]  # fmt: skip
    assert group.target.size == 3


def test_without_the_mpijob_nim_says_how_many_nodes_there_should_be(tmp_path: Path) -> None:
    things = [o for o in objects("nim1-mpijob") if o["kind"] != "MPIJob"]
    group = found(tmp_path, "nim-mpi-worker-0", things)
    assert (group.target.size, "NIM_NUM_COMPUTE_NODES" in group.target.size_from) == (3, True)


@pytest.mark.parametrize("kind", ["deployments", "statefulsets"])
def test_where_owners_may_not_be_read_the_number_is_not_known(tmp_path: Path, kind: str) -> None:
    denied = (Denial(("get", "list"), (kind,)),)
    folder, target = {
        "deployments": ("deployment-head-workers", "service/llama-ray"),
        "statefulsets": ("statefulsets-headless", "vllm-head-0"),
    }[kind]
    group = found(tmp_path, target, objects(folder), denied=denied)
    assert len(group.pods) == {"deployments": 3, "statefulsets": 2}[kind]
    assert group.target.size is None
    assert "could not be read" in group.target.size_from
    assert f"{kind} may not be listed" in group.notes[0]


def test_where_a_custom_resource_may_not_be_read_its_pods_are_still_found(tmp_path: Path) -> None:
    denied = (Denial(("get", "list"), ("rayclusters",)),)
    group = found(tmp_path, "ray-llama-head-cade4", objects("raycluster-multihost"), denied=denied)
    assert (len(group.pods), group.target.size) == (3, None)
    assert "raycluster/ray-llama may not be read" in group.notes[0]


def test_where_events_may_not_be_listed_the_reason_is_noted_as_missing(tmp_path: Path) -> None:
    denied = (Denial(("list",), ("events",)),)
    things = without(objects("statefulsets-headless"), WORKER)
    group = found(tmp_path, "vllm-head-0", things, denied=denied)
    assert only(group).cause == "pod_missing"
    assert "events may not be listed" in group.notes[0]


def test_a_healthy_group_asks_for_no_events(tmp_path: Path) -> None:
    denied = (Denial(("list",), ("events",)),)
    group = found(tmp_path, "vllm-head-0", objects("statefulsets-headless"), denied=denied)
    assert (group.troubles, group.notes) == ((), ())


def test_a_token_in_a_containers_last_words_is_not_kept(tmp_path: Path) -> None:
    things = objects("statefulsets-headless")
    crashed(1, message="failed with HF_TOKEN=hf_abcdefghijklmnop")(named(things, WORKER))
    assert "hf_abcdefgh" not in only(found(tmp_path, "vllm-head-0", things)).says


def again(pod: Object, at: str) -> None:
    (status,) = pod["status"]["containerStatuses"]
    status.update(restartCount=1, state={"running": {"startedAt": at}})


def test_a_worker_that_was_started_again_behind_a_ready_leader_is_told(tmp_path: Path) -> None:
    things = objects("leaderworkerset-vllm")
    again(named(things, "vllm-tp16-0-1"), AT)
    trouble = only(found(tmp_path, "vllm-tp16", things))
    assert (trouble.pod, trouble.cause, trouble.seen_at) == ("vllm-tp16-0-1", "pod_restarted", AT)


@pytest.mark.parametrize(("folder", "worker", "at"), [
    ("leaderworkerset-vllm", "vllm-tp16-0-1", "2026-11-20T07:59:00Z"),
    ("statefulsets-headless", WORKER, AT),
])  # fmt: skip
def test_a_restart_before_the_leader_was_ready_or_without_a_probe_is_none(
    tmp_path: Path, folder: str, worker: str, at: str
) -> None:
    things = objects(folder)
    again(named(things, worker), at)
    assert found(tmp_path, worker, things).troubles == ()


def test_what_changed_while_evidence_was_gathered_is_told(tmp_path: Path) -> None:
    things = objects("deployment-head-workers")
    with cluster(tmp_path, things) as (api, server, _):
        group = find_group(api, "llm", "llama-head")
        assert restarted_since(api, group.pods, group.selector) == ()
        again(named(things, group.pods[1].name), AT)
        server.objects = without(things, group.pods[2].name)
        told = restarted_since(api, group.pods, group.selector)
    assert [(t.pod, t.cause) for t in told] == [
        (group.pods[1].name, "pod_restarted"), (group.pods[2].name, "pod_missing")]  # fmt: skip


def test_four_crashing_pods_cost_four_logs_and_no_more(tmp_path: Path) -> None:
    things = objects("deployment-head-workers")
    workers = named(things, "llama-workers", "Deployment")
    workers["spec"]["replicas"] = 40
    things = made([o for o in things if o["kind"] in ("Deployment", "Service")])
    for pod in (o for o in things if "workers" in o["metadata"]["name"] and o["kind"] == "Pod"):
        crashed(1)(pod)
    with cluster(tmp_path, things) as (api, _, _):
        group = find_group(api, "llm", "llama-head")
        assert len(group.troubles) == 40
        assert api.calls <= 20


def no_pods(folder: str) -> list[Object]:
    return [o for o in objects(folder) if o["kind"] != "Pod"]


PODLESS = [
    ("leaderworkerset-vllm", "lws/vllm-tp16", ["vllm-tp16-0", "vllm-tp16-0-1"], 2),
    ("raycluster-multihost", "ray-llama", ["head of raycluster/ray-llama",
     "worker of group gpu 1 of raycluster/ray-llama",
     "worker of group gpu 2 of raycluster/ray-llama"], 3),
    ("rayservice-llm", "rayservice/llama-serve", ["head of raycluster/llama-serve-8vxq2",
     "worker of group gpu 1 of raycluster/llama-serve-8vxq2",
     "worker of group gpu 2 of raycluster/llama-serve-8vxq2"], 3),
    ("nim1-mpijob", "mpijob/nim-mpi",
     ["nim-mpi-launcher", "nim-mpi-worker-0", "nim-mpi-worker-1"], 3),
    ("nimservice-ray", "nimservice/llama-405b", ["llama-405b-lws-0", "llama-405b-lws-0-1"], 2),
    ("nimservice-single", "nimservice/llama-8b", ["a pod of deploy/llama-8b"], 1),
    ("statefulsets-headless", "vllm-worker", ["vllm-head-0", "vllm-worker-0"], 2),
]  # fmt: skip


@pytest.mark.parametrize(("folder", "target", "absent", "size"), PODLESS)
def test_a_workload_whose_pods_are_all_absent_names_each(
    tmp_path: Path, folder: str, target: str, absent: list[str], size: int
) -> None:
    group = found(tmp_path, target, no_pods(folder))
    assert group.pods == ()
    assert [t.pod for t in group.troubles] == absent
    assert group.target.size == size
    assert group.intent.gpus in (16, 2)


def test_a_rayservice_without_a_cluster_says_what_its_status_says(tmp_path: Path) -> None:
    things = [o for o in no_pods("rayservice-llm") if o["kind"] == "RayService"]
    things[0]["status"] = {"conditions": [
        {"type": "Ready", "status": "False", "message": "initializing"}]}  # fmt: skip
    group = found(tmp_path, "rayservice/llama-serve", things)
    assert (only(group).pod, only(group).says) == (
        "every pod of rayservice/llama-serve", "initializing")  # fmt: skip


def test_the_pending_cluster_of_a_rayservice_can_be_named(tmp_path: Path) -> None:
    group = found(tmp_path, "raycluster/llama-serve-lk4tz", objects("rayservice-llm"))
    assert {p.name.rpartition("-head")[0] for p in group.pods if p.role == "leader"} == {
        "llama-serve-lk4tz"}  # fmt: skip
    (note,) = group.notes
    assert note.startswith("rayservice/llama-serve serves from raycluster/llama-serve-8vxq2, not")


def test_a_claim_that_cannot_be_made_adds_its_own_words(tmp_path: Path) -> None:
    words = "failed to provision volume: only ReadWriteOnce is supported"
    things = objects("statefulsets-headless")
    things.append(event("PersistentVolumeClaim", "models", "ProvisioningFailed", words))
    worker = named(things, WORKER)
    worker["spec"]["volumes"] = [{"name": "m", "persistentVolumeClaim": {"claimName": "models"}}]
    pending(UNBOUND)(worker)
    trouble = only(found(tmp_path, "vllm-head-0", things))
    assert (trouble.cause, trouble.says.endswith(f"Claim models: {words}")) == (
        "volume_not_bound", True)  # fmt: skip


def test_a_set_that_makes_its_pods_in_order_waits_for_the_one_before(tmp_path: Path) -> None:
    things = objects("statefulsets-headless")
    named(things, "vllm-worker", "StatefulSet")["spec"]["replicas"] = 2
    for one in named(things, WORKER)["status"]["conditions"]:
        one["status"] = "False"
    trouble = only(found(tmp_path, "vllm-head-0", things))
    assert (trouble.pod, trouble.cause) == ("vllm-worker-1", "waiting_for_head")
    assert "OrderedReady: vllm-worker-0 is not ready" in trouble.says


def job_rank(index: int, parallelism: int) -> Object:
    join = f"vllm serve m -tp 8 -pp 3 --nnodes 3 --node-rank {index} --master-addr ranks"
    limits = {"limits": {"nvidia.com/gpu": 8}}
    container = {"name": "vllm", "image": "x", "command": ["sh", "-c", join], "resources": limits}
    template = {"metadata": {"labels": {"rank": str(index)}}, "spec": {"containers": [container]}}
    spec = {"parallelism": parallelism, "completions": parallelism, "completionMode": "Indexed",
            "template": template}  # fmt: skip
    return obj("batch/v1", "Job", f"rank-{index}", spec=spec)


def test_jobs_of_several_kinds_are_one_group_and_each_is_counted(tmp_path: Path) -> None:
    service = obj("v1", "Service", "ranks", spec={"selector": {"rank": "0"}})
    things = made([service, job_rank(0, 1), job_rank(1, 2)])
    second = next(o for o in things if o["metadata"]["name"].startswith("rank-1-1"))
    group = found(tmp_path, "job/rank-0", [o for o in things if o is not second])
    assert [p.role for p in group.pods] == ["leader", "worker"]
    assert (only(group).pod, group.target.size) == ("a pod of job/rank-1", 3)
    assert group.intent.gpus == 24


def test_a_pod_that_ended_well_is_not_called_a_crash(tmp_path: Path) -> None:
    things = objects("single-pod")
    status = named(things, "qwen")["status"]
    status["phase"] = "Succeeded"
    end = {"terminated": {"exitCode": 0, "reason": "Completed"}}
    status["containerStatuses"][0]["state"] = end
    assert only(found(tmp_path, "qwen", things)).cause == "pod_failed"


def test_what_was_found_is_judged_with_its_cause(tmp_path: Path) -> None:
    things = objects("leaderworkerset-vllm")
    pending(NO_GPUS)(named(things, "vllm-tp16-0-1"))
    group = found(tmp_path, "vllm-tp16", things)
    evidence = Evidence(
        "0", AT, group.target, group.intent, group.pods, (), troubles=group.troubles
    )
    verdict = every_pod_runs.judge_evidence(evidence)
    assert (verdict.outcome, verdict.cause) == ("fail", "pod_unschedulable")
    assert verdict.says.startswith("1 of 2 pods run: vllm-tp16-0-1: no node fits: 0/12 nodes")


def test_every_cause_that_can_be_read_is_documented() -> None:
    causes = {c for _, _, c, _ in SPOKEN} | {c for _, _, c in MOUNTS}
    assert causes <= set(every_pod_runs.page.causes)


def ended_lately(thing: Object, ago_s: int) -> None:
    state = thing["status"]["containerStatuses"][0]
    at = datetime.now(UTC) - timedelta(seconds=ago_s)
    end = {"exitCode": 139, "reason": "Error", "finishedAt": at.isoformat(timespec="seconds")}
    state |= {"restartCount": 57, "lastState": {"terminated": end},
              "state": {"running": {"startedAt": AT}}}  # fmt: skip


@pytest.mark.parametrize(("ago_s", "causes"), [(5, ["pod_restarted"]), (3600, [])])
def test_an_engine_that_ended_lately_is_told_with_how(
    tmp_path: Path, ago_s: int, causes: list[str]
) -> None:
    things = objects("statefulsets-headless")
    ended_lately(named(things, WORKER), ago_s)
    troubles = found(tmp_path, "vllm-head-0", things).troubles
    assert [t.cause for t in troubles] == causes
    assert all("ended with exit code 139 (Error)" in t.says for t in troubles)


def test_a_rayclusters_head_is_ready_before_its_engine_and_tells_no_restart(
    tmp_path: Path,
) -> None:
    things = objects("rayservice-llm")
    pods = [o for o in things if o["kind"] == "Pod" and "ray.io/node-type" in str(o)]
    for one in pods:
        one["spec"]["containers"][0]["readinessProbe"] = {"exec": {"command": ["true"]}}
    worker = next(p for p in pods if "worker" in p["metadata"]["name"])
    again(worker, AT)
    assert found(tmp_path, worker["metadata"]["name"], things).troubles == ()
