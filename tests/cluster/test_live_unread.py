"""Rules over a live group of which something was not read: they pass nothing that rests on it."""

from pathlib import Path
from typing import Any

import pytest

from distcheck.agent.cluster.finding import makers
from distcheck.agent.cluster.finding.group import find_group
from distcheck.agent.cluster.finding.written import Written
from distcheck.agent.manifests import resting
from distcheck.agent.manifests.live import judged_live
from distcheck.checks.evidence import Missing
from distcheck.checks.evidence.manifests import Manifests
from distcheck.checks.on_paper import OnPaper
from distcheck.checks.on_paper import on_paper as on_paper_told
from distcheck.lab.apiserver import Denial
from tests.cluster.manifests.build import (
    HEAD_SCRIPT,
    WORKER_SCRIPT,
    Object,
    container,
    member,
    obj,
    service,
    statefulset,
)
from tests.cluster.manifests.folders import objects as folder_objects
from tests.cluster.manifests.world import cluster

SCRIPTS = {"name": "s", "configMap": {"name": "scripts"}}
MOUNT = {"volumeMounts": [{"name": "s", "mountPath": "/scripts"}]}


def refuse(resource: str) -> Denial:
    return Denial(("get", "list"), (resource,), ("llm",))


def outcomes(judged: Manifests | Missing, *ids: str) -> dict[str, str]:
    asked = OnPaper(dict.fromkeys(ids, "T"), others=False)
    return {t.id: t.verdict.outcome for t in on_paper_told(judged, asked)}


def live(objects: list[Object], tmp_path: Path, target: str, *refused: str) -> Manifests | Missing:
    with cluster(tmp_path, objects, denied=tuple(map(refuse, refused))) as (api, _, _):
        return judged_live(find_group(api, "llm", target).objects)


def part(name: str, script: str, node: str, last: int, **more: Any) -> list[Object]:
    """A StatefulSet with its template, and its pod."""
    workload = statefulset(name)
    spec = {"containers": [container(script, **more)]}
    workload["spec"]["template"] = {"metadata": {"labels": {"app": name}}, "spec": spec}
    return [workload, member(f"{name}-0", node, f"127.77.0.{last}", script, **more)]


def group(head: str = HEAD_SCRIPT, workers: int = 1, **more: Any) -> list[Object]:
    found = [obj("v1", "Namespace", "llm", None), service("vllm-head", {"app": "vllm-head"})]
    found += part("vllm-head", head, "gpu-a", 2)
    for n in range(workers):
        found += part(f"vllm-worker{n or ''}", WORKER_SCRIPT, f"gpu-{n}", 3 + n, **more)
    return found


def scripted(head: str = HEAD_SCRIPT) -> list[Object]:
    """Both scripts in a ConfigMap."""
    found = [obj("v1", "Namespace", "llm", None), service("vllm-head", {"app": "vllm-head"})]
    found += part("vllm-head", "sh /scripts/h.sh", "gpu-a", 2, **MOUNT)
    found += part("vllm-worker", "sh /scripts/w.sh", "gpu-b", 3, **MOUNT)
    for one in found:
        spec = one.get("spec") or {}
        for held in (spec, spec.get("template", {}).get("spec", {})):
            if "containers" in held:
                held["volumes"] = [SCRIPTS]
    return [*found, obj("v1", "ConfigMap", "scripts", data={"h.sh": head, "w.sh": WORKER_SCRIPT})]


def test_scripts_in_a_configmap_are_judged(tmp_path: Path) -> None:
    wrong = HEAD_SCRIPT.replace("size 16", "size 32")
    assert outcomes(live(scripted(wrong), tmp_path, "vllm-head-0"), "CONF001") == {
        "CONF001": "fail"
    }
    assert outcomes(live(scripted(), tmp_path, "vllm-head-0"), "CONF001") == {"CONF001": "pass"}


def test_scripts_that_may_not_be_read_pass_nothing_that_rests_on_them(tmp_path: Path) -> None:
    judged = live(scripted(), tmp_path, "vllm-head-0", "configmaps")
    ids = ("CONF001", "CONF041", "CONF075")
    told = outcomes(judged, *ids)
    assert told == {"CONF001": "unknown", "CONF041": "unknown", "CONF075": "pass"}
    assert isinstance(judged, Manifests)
    assert judged.unread["CONF001"].startswith("configmap/scripts may not be read")


WHOLE = f"{HEAD_SCRIPT.replace('size 16', 'size 8')} --pipeline-parallel-size 21"
HCA = {"env": [{"name": "NCCL_SOCKET_IFNAME", "value": "mlx5_0"}]}


def test_a_group_of_many_workloads_is_judged_whole(tmp_path: Path) -> None:
    judged = live(group(WHOLE, 20), tmp_path, "vllm-head-0")
    assert outcomes(judged, "CONF001") == {"CONF001": "pass"}


def test_of_many_pods_that_nothing_owns_the_last_is_judged_too(tmp_path: Path) -> None:
    objects = [o for o in group(WHOLE, 20) if o["kind"] != "StatefulSet"]
    pods = [o for o in objects if o["kind"] == "Pod"]
    for one in pods:
        del one["metadata"]["ownerReferences"]
    last = max(pods, key=lambda p: str(p["metadata"]["name"]))
    last["spec"]["containers"][0] |= HCA
    assert outcomes(live(objects, tmp_path, "vllm-head-0"), "CONF041") == {"CONF041": "fail"}


def test_where_the_bound_cuts_nothing_passes_and_none_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(makers, "MOST", 2)
    head = HEAD_SCRIPT.replace("size 16", "size 32")
    judged = live(group(head, 3), tmp_path, "vllm-head-0")
    assert outcomes(judged, "CONF001", "CONF041") == {"CONF001": "unknown", "CONF041": "unknown"}
    assert isinstance(judged, Manifests)
    assert judged.unread["CONF041"] == "of 4 workloads only 2 were read"


def beside_a_deployment(**more: Any) -> list[Object]:
    """The group with its workers made by a Deployment."""
    found = group()
    worker = next(o for o in found if o["metadata"]["name"] == "vllm-worker")
    worker |= {"kind": "Deployment"}
    worker["spec"]["template"]["spec"]["containers"][0] |= more
    pod = found[-1]["metadata"]
    pod["labels"]["pod-template-hash"] = "abc"
    pod["ownerReferences"][0] |= {"kind": "ReplicaSet", "name": "vllm-worker-abc"}
    return found


def test_a_workload_that_may_not_be_read_keeps_every_rule_from_passing(tmp_path: Path) -> None:
    objects = beside_a_deployment(**HCA)
    ids = ("CONF001", "CONF041", "CONF045", "CONF075")
    told = outcomes(live(objects, tmp_path, "vllm-head-0", "deployments"), *ids)
    assert told == dict.fromkeys(ids, "unknown")
    assert outcomes(live(objects, tmp_path, "vllm-head-0"), "CONF041") == {"CONF041": "fail"}


def test_what_is_wrong_in_what_was_read_stays_wrong(tmp_path: Path) -> None:
    objects = beside_a_deployment()
    head = next(o for o in objects if o["kind"] == "StatefulSet")
    head["spec"]["template"]["spec"]["containers"][0] |= HCA
    judged = live(objects, tmp_path, "vllm-head-0", "deployments")
    assert outcomes(judged, "CONF041") == {"CONF041": "fail"}


@pytest.mark.parametrize(
    ("folder", "refused"),
    [
        ("nimservice-single", "nimservices"),
        ("nim1-lws", "leaderworkersets"),
        ("nim1-mpijob", "mpijobs"),
        ("raycluster-multihost", "rayclusters"),
        ("argo-rollout", "rollouts"),
    ],
)
def test_what_a_controller_made_of_an_unread_object_is_not_judged(
    folder: str, refused: str, tmp_path: Path
) -> None:
    objects = folder_objects(folder)
    pod = next(o["metadata"]["name"] for o in objects if o["kind"] == "Pod")
    judged = live(objects, tmp_path, f"pod/{pod}", refused)
    assert isinstance(judged, Missing)
    assert "may not be read" in judged.reason


def test_a_rayservice_that_may_not_be_read_passes_nothing(tmp_path: Path) -> None:
    objects = folder_objects("rayservice-llm")
    pod = next(o["metadata"]["name"] for o in objects if o["kind"] == "Pod")
    judged = live(objects, tmp_path, f"pod/{pod}", "rayservices")
    assert set(outcomes(judged, "CONF001", "CONF075").values()) == {"unknown"}


def test_services_that_may_not_be_listed_leave_names_open(tmp_path: Path) -> None:
    told = outcomes(live(group(), tmp_path, "pod/vllm-worker-0", "services"), "CONF020", "CONF024")
    assert told == {"CONF020": "unknown", "CONF024": "unknown"}


def deployment(env: list[dict[str, str]], ignore: str = "") -> Object:
    one = container("vllm serve /m -tp 8", env=env)
    labels = {"app": "v"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [one]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    found = obj("apps/v1", "Deployment", "vllm", spec=spec)
    found["metadata"]["annotations"] = {"distcheck.io/ignore": ignore}
    return found


def test_many_findings_of_one_rule_hide_no_other(tmp_path: Path) -> None:
    env = [{"name": f"A{i}", "value": str(v)} for i in range(70) for v in (1, 2)]
    one = deployment(env)
    one["spec"]["template"]["spec"]["containers"][0]["image"] = "vllm/vllm-openai:latest"
    judged = judged_live(Written((one,)))
    assert isinstance(judged, Manifests)
    assert judged.more == {"CONF073": 62}
    told = {t.id: t.verdict for t in on_paper_told(judged, OnPaper())}
    assert told["CONF075"].outcome == "warn"
    assert told["CONF073"].says.endswith("(and 69 more)")


def test_rules_behind_the_bound_of_all_findings_are_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resting, "_MOST", 1)
    one = deployment([{"name": "A", "value": str(v)} for v in (1, 2)])
    one["spec"]["template"]["spec"]["containers"][0]["image"] = "vllm/vllm-openai:latest"
    judged = judged_live(Written((one,)))
    assert isinstance(judged, Manifests)
    assert len(judged.findings) == 1
    told = outcomes(judged, "CONF060", "CONF073", "CONF075", "CONF074")
    assert "pass" not in {told[i] for i in ("CONF060", "CONF073", "CONF075")}
    assert told["CONF074"] == "pass"
