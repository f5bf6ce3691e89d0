"""What `lint` finds on paper, `verify` finds in the cluster, under the same id."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from distcheck.agent.cluster.finding.group import find_group
from distcheck.agent.cluster.finding.pod_alone import as_applied
from distcheck.agent.cluster.finding.written import Written
from distcheck.agent.manifests.lint import Asked, lint_texts
from distcheck.agent.manifests.live import judged_live
from distcheck.checks.evidence import Missing
from distcheck.checks.evidence.manifests import Manifests
from distcheck.checks.evidence.policy import NetworkPolicies
from distcheck.checks.manifest.rules import rules
from distcheck.checks.on_paper import OnPaper
from distcheck.checks.on_paper import on_paper as on_paper_told
from distcheck.lab.apiserver import Denial
from distcheck.lab.layout import Layout, make_members
from distcheck.lab.objects import objects_of
from distcheck.lab.scenarios import load, load_all
from tests.cluster.manifests.build import Object, container, obj, owner, pod
from tests.cluster.manifests.folders import FOLDERS, HERE
from tests.cluster.manifests.folders import objects as folder_objects
from tests.cluster.manifests.world import cluster

_WRITTEN = ("StatefulSet", "Service", "LeaderWorkerSet")
Spoil = Callable[[Any], None]


def lab_objects(name: str, folder: Path) -> list[Object]:
    scene = load(name).world
    members = make_members(scene, folder, "127.9.9")
    return objects_of(Layout(scene, members, 6379, 0, datetime.now(UTC)))


def written(objects: list[Object]) -> list[Object]:
    """What a user would have applied: the LeaderWorkerSet without the StatefulSets it made."""
    kinds = {o["kind"] for o in objects}
    made = ("StatefulSet",) if "LeaderWorkerSet" in kinds else ()
    return [o for o in objects if o["kind"] in _WRITTEN and o["kind"] not in made]


def sure(found: Manifests | Missing) -> set[str]:
    assert isinstance(found, Manifests), found
    return {f.id for f in found.findings if f.level != "hint"}


def on_paper(objects: list[Object]) -> set[str]:
    texts = [(f"{n}.yaml", json.dumps(o | {"status": None})) for n, o in enumerate(objects)]
    return {f.id for f in lint_texts(texts, Asked(rules())).open if f.level != "hint"}


def live(objects: list[Object], target: str, tmp_path: Path) -> Manifests | Missing:
    with cluster(tmp_path, objects) as (api, _, _):
        return judged_live(find_group(api, "llm", target).objects)


def _first(spec: Any) -> Any:
    return spec["containers"][0]


def _nothing(_spec: Any) -> None:
    """As the lab has it."""


def _interface(spec: Any) -> None:
    _first(spec)["env"].append({"name": "NCCL_SOCKET_IFNAME", "value": "mlx5_0"})


def _fewer_gpus(spec: Any) -> None:
    _first(spec)["resources"]["limits"]["nvidia.com/gpu"] = "4"


def _one_string(spec: Any) -> None:
    _first(spec)["command"] = [" ".join(_first(spec)["command"] + _first(spec)["args"])]
    _first(spec)["args"] = []


@pytest.mark.parametrize(
    ("scenario", "spoil", "rule"),
    [
        ("shm-64m", _nothing, "CONF060"),
        ("shm-beside", _nothing, "CONF064"),
        ("shm-cut", _nothing, "CONF063"),
        ("rendezvous-name-wrong", _nothing, "CONF020"),
        ("memory-lock", _nothing, "CONF043"),
        ("ray-driver-node-full", _nothing, "CONF001"),
        ("healthy-tp16", _interface, "CONF041"),
        ("healthy-tp16", _fewer_gpus, "CONF003"),
        ("rank-dead", _fewer_gpus, "CONF001"),
        ("rank-dead", _one_string, "CONF074"),
    ],
)
def test_paper_and_cluster_agree(scenario: str, spoil: Spoil, rule: str, tmp_path: Path) -> None:
    objects = lab_objects(scenario, tmp_path)
    for one in objects:
        for spec in _specs(one):
            spoil(spec)
    found = sure(live(objects, "vllm-head-0", tmp_path))
    assert rule in found
    assert found == on_paper(written(objects))


def _specs(one: Object) -> list[Any]:
    """Its pod templates' specs, with GPUs in them."""
    spec = one.get("spec") or {}
    ways = [spec, *(spec.get("leaderWorkerTemplate") or {}).values()]
    found = [w.get("template", w) for w in ways if isinstance(w, dict)]
    return [t["spec"] for t in found if "containers" in (t.get("spec") or {})]


@pytest.mark.parametrize("name", [s.name for s in load_all() if s.expect.verdict == "pass"])
def test_healthy_groups_have_healthy_manifests(name: str, tmp_path: Path) -> None:
    assert sure(judged_live(Written(tuple(written(lab_objects(name, tmp_path)))))) == set()


def test_what_a_webhook_put_into_pods_is_not_judged(tmp_path: Path) -> None:
    objects = lab_objects("healthy-tp16", tmp_path)
    for one in objects:
        if one["kind"] == "Pod" and one["metadata"].get("namespace") == "llm":
            _interface(one["spec"])
    assert sure(live(objects, "vllm-head-0", tmp_path)) == set()


def test_a_secret_in_a_manifest_is_not_in_the_evidence(tmp_path: Path) -> None:
    objects = written(lab_objects("healthy-tp16", tmp_path))
    for one in objects:
        for spec in _specs(one):
            _first(spec)["env"].append({"name": "HF_TOKEN", "value": "hf_ThisIsMineAlone123456"})
    found = judged_live(Written(tuple(objects)))
    assert "CONF076" in sure(found)
    assert "ThisIsMineAlone" not in repr(found)


def test_a_secret_that_stands_twice_is_told_in_whole_words(tmp_path: Path) -> None:
    objects = written(lab_objects("healthy-tp16", tmp_path))
    for one in objects:
        for spec in _specs(one):
            _first(spec)["env"] += [{"name": "HF_TOKEN", "value": v} for v in ("a", "b")]
    found = judged_live(Written(tuple(objects)))
    assert isinstance(found, Manifests)
    says = next(f.says for f in found.findings if f.id == "CONF073")
    assert says.startswith("HF_TOKEN stands twice in container")


def test_a_group_of_which_nothing_could_be_read_is_said_not_to_be_judged() -> None:
    why = "lws/vllm may not be read: no"
    assert judged_live(Written(why=why)) == Missing(why)


CLAIMED = "leaderworkerset-vllm"
NO_SERVICES = Denial(("list",), ("services",), ("llm",))
NO_CLAIMS = Denial(("get",), ("persistentvolumeclaims",), ("llm",))


def claimed(mode: str) -> list[Object]:
    found = folder_objects(CLAIMED)
    claim = next(o for o in found if o["kind"] == "PersistentVolumeClaim")
    claim["spec"]["accessModes"] = [mode]
    return found


def of_rule(found: Manifests | Missing, rule: str) -> list[str]:
    assert isinstance(found, Manifests)
    return [f.says for f in found.findings if f.id == rule]


def test_a_claim_for_one_node_is_found_beside_pods_of_two(tmp_path: Path) -> None:
    found = live(claimed("ReadWriteOnce"), "vllm-tp16-0", tmp_path)
    assert of_rule(found, "CONF090") == [
        "2 pods of LeaderWorkerSet vllm-tp16 mount claim models, which is ReadWriteOnce"
    ]


def test_claims_that_may_not_be_read_are_said_and_pass_nothing(tmp_path: Path) -> None:
    objects = claimed("ReadWriteOnce")
    with cluster(tmp_path, objects, denied=(NO_CLAIMS,)) as (api, _, _):
        group = find_group(api, "llm", "vllm-tp16-0")
    assert "(CONF090)" in " ".join(group.notes)
    (told,) = on_paper_told(judged_live(group.objects), OnPaper({"CONF090": "T"}, others=False))
    assert told.verdict.outcome == "unknown"
    assert told.verdict.says.startswith("claim models could not be read")


def test_policies_that_were_not_listed_pass_nothing() -> None:
    objects = folder_objects(CLAIMED)[:1]
    found = judged_live(Written(tuple(objects)), Missing("NetworkPolicies could not be listed: no"))
    (told,) = on_paper_told(found, OnPaper({"CONF029": "T"}, others=False))
    assert (told.verdict.outcome, told.verdict.says[:15]) == ("unknown", "NetworkPolicies")


def test_a_policy_that_another_engines_may_open_again_is_no_finding() -> None:
    """Cilium allows what one of its policies or a NetworkPolicy allows."""
    closed: Object = {"podSelector": {}, "policyTypes": ["Ingress"]}
    objects = folder_objects(CLAIMED)[:1]
    for others, ids in (((), {"CONF029"}), (("ciliumnetworkpolicies.cilium.io/open",), set())):
        policies = NetworkPolicies({"closed": closed}, "GET", others=others)
        found = judged_live(Written(tuple(objects)), policies)
        assert isinstance(found, Manifests)
        assert {f.id for f in found.findings} & {"CONF029"} == ids


def alone(**more: Any) -> Object:
    return pod("vllm", "gpu-a", "127.77.0.2", container("vllm serve /m", "vllm"), **more)


def test_a_pod_that_nothing_owns_is_judged_itself(tmp_path: Path) -> None:
    one = alone()
    one["spec"]["containers"][0]["image"] = "vllm/vllm-openai:latest"
    found = live([one], "vllm", tmp_path)
    assert isinstance(found, Manifests)
    assert found.judged == ("pod/vllm",)
    assert of_rule(found, "CONF075") == ["the image of vllm has the tag latest"]


def test_of_a_pod_that_was_applied_that_is_judged_and_not_what_a_webhook_put_in(
    tmp_path: Path,
) -> None:
    applied = alone()
    note = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(applied)}
    one = alone(meta={"annotations": note})
    _interface_of(one)
    assert "CONF041" not in sure(live([one], "vllm", tmp_path))
    one["metadata"]["annotations"] = {next(iter(note)): "{broken"}
    assert "CONF041" in sure(live([one], "vllm", tmp_path))


def _interface_of(one: Object) -> None:
    one["spec"]["containers"][0]["env"] = [{"name": "NCCL_SOCKET_IFNAME", "value": "mlx5_0"}]


def test_what_the_api_server_puts_into_every_pod_is_not_judged() -> None:
    one = alone()
    plain = as_applied(one)["spec"]
    token = "kube-api-access-x7k2p"
    mount = {"name": token, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}
    one["spec"] |= {"volumes": [{"name": token, "projected": {}}], "tolerations": [{"key": "x"}]}
    one["spec"]["containers"][0]["volumeMounts"] = [mount]
    assert as_applied(one)["spec"] == plain


def test_pods_of_an_owner_that_is_not_known_here_are_said_not_to_be_judged(tmp_path: Path) -> None:
    one = alone(meta=owner("PodClique", "decode", "grove.io/v1alpha1"))
    assert live([one], "vllm", tmp_path) == Missing(
        "podclique/decode makes the pods, and is of a kind that is not known here"
    )


def test_a_nimservice_is_judged_and_not_the_deployment_that_was_made_of_it(tmp_path: Path) -> None:
    found = live(folder_objects("nimservice-single"), "nimservice/llama-8b", tmp_path)
    assert isinstance(found, Manifests)
    assert found.judged == ("nimservice/llama-8b",)


def test_a_rollout_of_argo_is_judged_for_its_replica_sets(tmp_path: Path) -> None:
    objects = folder_objects("argo-rollout")
    pods = [o["metadata"]["name"] for o in objects if o["kind"] == "Pod"]
    found = live(objects, pods[0], tmp_path)
    assert isinstance(found, Manifests)
    assert found.judged == ("rollout/llama-8b",)


def test_a_rollout_that_refers_to_a_deployment_is_judged_by_that(tmp_path: Path) -> None:
    objects = folder_objects("argo-rollout")
    spec, pods = objects[0]["spec"], [o["metadata"]["name"] for o in objects if o["kind"] == "Pod"]
    its_own = {"replicas": 0, "selector": spec["selector"], "template": spec.pop("template")}
    its_own["template"]["spec"]["containers"][0]["image"] = "vllm/vllm-openai:latest"
    spec["workloadRef"] = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "base"}
    found = live([*objects, obj("apps/v1", "Deployment", "base", spec=its_own)], pods[0], tmp_path)
    assert isinstance(found, Manifests)
    assert (found.judged, len(of_rule(found, "CONF075"))) == (("deploy/base",), 1)


@pytest.mark.parametrize(
    ("folder", "target", "refused", "says"),
    [
        ("leaderworkerset-vllm", "lws/vllm-tp16", (NO_SERVICES,), "services may not be listed"),
        ("single-pod", "qwen", (NO_SERVICES,), "services may not be listed"),
        ("single-pod", "qwen", (), ""),  # there are none
    ],
)
def test_rules_for_services_pass_only_where_services_were_listed(
    folder: str, target: str, refused: tuple[Denial, ...], says: str, tmp_path: Path
) -> None:
    with cluster(tmp_path, folder_objects(folder), denied=refused) as (api, _, _):
        found = judged_live(find_group(api, "llm", target).objects)
    (told,) = on_paper_told(found, OnPaper({"CONF028": "T"}, others=False))
    assert told.verdict.outcome == ("unknown" if says else "skipped")
    assert told.verdict.says.startswith(says)


def _own(folder: str) -> list[Object]:
    """What a user applied, in the namespace that the cluster puts it into."""
    text = (HERE / folder / "manifest.yaml").read_text()
    found = [o for o in yaml.safe_load_all(text) if o]
    for one in found:
        one["metadata"].setdefault("namespace", "llm")
    return found


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_kind_of_group_is_judged_as_it_was_written(folder: str, tmp_path: Path) -> None:
    applied = folder_objects(folder)
    pods = [o["metadata"]["name"] for o in applied if o["kind"] == "Pod"]
    with cluster(tmp_path, applied) as (api, _, _):
        judged = [judged_live(find_group(api, "llm", f"pod/{p}").objects) for p in pods]
    assert set().union(*map(sure, judged)) == on_paper(_own(folder))
