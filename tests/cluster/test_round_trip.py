"""Every rule's failing example, applied: the cluster's objects are judged as the files are."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from distcheck.agent.cluster.api import Api, connect
from distcheck.agent.cluster.finding.group import find_group
from distcheck.agent.cluster.policies import look_policies
from distcheck.agent.manifests.lint import Asked, lint_texts
from distcheck.agent.manifests.live import judged_live
from distcheck.checks.evidence.manifests import Manifests
from distcheck.checks.grounds import GROUNDS, _asked, _services
from distcheck.checks.manifest.rule import Rule
from distcheck.checks.manifest.rules import rules
from distcheck.lab.apiserver import ApiServer, Denial, write_kubeconfig
from tests.cluster.manifests.controllers import Object, made

ON_PAPER_ALONE = {
    "CONF070": "the API server refuses a value of another type",
    "CONF071": "the API server drops a field that it does not know",
    "CONF072": "of a key that stands twice the API server keeps one",
    "CONF103": "claims and ConfigMaps that nothing uses are not read",
    "CONF056": "autoscalers are not read",
    "CONF108": "of KServe's objects the workloads that it makes are read",
    "CONF097": "the API server refuses this pod: a workload without its pods is a case below",
    "CONF106": "the API server refuses this NIMService: its definition says so",
}
"""Rules whose example cannot be in a cluster, and why."""
THERE = [pytest.param(r, id=r.id) for r in rules() if r.id not in ON_PAPER_ALONE]
Findings = set[tuple[str, str, str]]


def space(rule: Rule) -> str:
    return rule.id.lower()


def example(rule: Rule) -> list[Object]:
    """The objects of its failing example, in a namespace of their own."""
    found = [_whole(o) for o in yaml.safe_load_all(rule.page.fails)]
    for one in found:
        one["metadata"]["namespace"] = space(rule)
    return found


def _whole(one: Any) -> Object:
    """A fragment that is a container, in a pod."""
    if "kind" in one:
        return dict(one)
    spec = {"containers": [one]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, "spec": spec}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A cluster to which all examples were applied."""
    there = (p.values[0] for p in THERE)
    objects = [o for r in there if isinstance(r, Rule) for o in made(example(r), space(r))]
    with ApiServer(objects, token="t") as server:
        path = tmp_path_factory.mktemp("kube") / "config"
        yield connect(str(write_kubeconfig(path, server.url, "t")))


def on_paper(objects: list[Object]) -> Findings:
    texts = [(f"{n}.yaml", json.dumps(o)) for n, o in enumerate(objects)]
    return {(f.id, f.level, f.says) for f in lint_texts(texts, Asked(rules())).open}


def live(api: Api, namespace: str, target: str) -> Manifests:
    group = find_group(api, namespace, target)
    found = judged_live(group.objects, look_policies(api, namespace, group.seen))
    assert isinstance(found, Manifests), found
    return found


def targets(api: Api, applied: list[Object]) -> list[str]:
    """Every pod; and the workloads of which none could be made."""
    pods = api.items(f"/api/v1/namespaces/{applied[0]['metadata']['namespace']}/pods")
    names = tuple(p["metadata"]["name"] for p in pods)
    without = [o for o in applied if not any(n.startswith(o["metadata"]["name"]) for n in names)]
    makers = [o for o in without if not pods or o["kind"].startswith("Ray")]
    found = [("pod", p) for p in pods] + [(o["kind"].lower(), o) for o in makers]
    return [f"{kind}/{o['metadata']['name']}" for kind, o in found]


@pytest.mark.parametrize("rule", THERE)
def test_what_is_found_on_paper_is_found_in_the_cluster(api: Api, rule: Rule) -> None:
    applied = example(rule)
    judged = [live(api, space(rule), t) for t in targets(api, applied)]
    paper = on_paper(applied)
    assert rule.id in {i for i, _, _ in paper}
    assert {(f.id, f.level, f.says) for m in judged for f in m.findings} == paper


def test_a_rule_that_is_for_files_alone_judges_no_cluster_and_all_others_do(api: Api) -> None:
    judged = set(live(api, "conf075", "vllm").rules)
    assert {r.id for r in rules()} - judged == set(ON_PAPER_ALONE) - {"CONF097", "CONF106"}


def _deployment() -> Object:
    container = {"name": "vllm", "image": "vllm/vllm-openai:v0.11.0", "args": ["--model", "/m"],
                 "securityContext": {"capabilities": {"add": ["IPC_LOCK"]}}}  # fmt: skip
    labels = {"app": "vllm"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    meta = {"name": "vllm", "namespace": "llm"}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


def test_pods_that_the_namespace_refuses_are_found_where_they_are_not_made(tmp_path: Path) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "baseline"}
    namespace = {"apiVersion": "v1", "kind": "Namespace"}
    objects = [{**namespace, "metadata": {"name": "llm", "labels": labels}}, _deployment()]
    with ApiServer(objects, token="t") as server:
        api = connect(str(write_kubeconfig(tmp_path / "k", server.url, "t")))
        found = live(api, "llm", "deploy/vllm")
    assert {(f.id, f.level, f.says) for f in found.findings} == on_paper(objects)
    assert "CONF097" in {f.id for f in found.findings}


_TIED = """
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: vllm, namespace: llm}
spec:
  leaderWorkerTemplate:
    size: 2
    leaderTemplate:
      spec:
        containers:
        - name: vllm
          image: vllm/vllm-openai:v0.11.0
          command: [sh, -c, "ray start --head; vllm serve /m -tp 8 -pp 2 --host 127.0.0.1
            --distributed-executor-backend ray"]
          resources: {limits: {nvidia.com/gpu: 8}}
    workerTemplate:
      spec:
        containers:
        - name: vllm
          image: vllm/vllm-openai:v0.11.0
          command: [sh, -c, "ray start --address=$(LWS_LEADER_ADDRESS):6379 --block"]
          resources: {limits: {nvidia.com/gpu: 8}}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: llm}
spec: {selector: {leaderworkerset.sigs.k8s.io/name: vllm}, ports: [{port: 8000}]}
"""
_BY_SERVICE = {"CONF036", "CONF118"}


def test_services_of_a_group_that_labels_tie_are_judged_too(tmp_path: Path) -> None:
    applied = [dict(o) for o in yaml.safe_load_all(_TIED)]
    with ApiServer(made(applied), token="t") as server:
        api = connect(str(write_kubeconfig(tmp_path / "k", server.url, "t")))
        found = live(api, "llm", "lws/vllm")
    assert {(f.id, f.level, f.says) for f in found.findings} == on_paper(applied)
    assert {f.id for f in found.findings} >= _BY_SERVICE


def test_services_that_may_not_be_listed_leave_unknown_what_rests_on_them(tmp_path: Path) -> None:
    """None is a pass, and of none it is said that there is no Service."""
    denial = Denial(("list",), ("services",), ("llm",))
    applied = [dict(o) for o in yaml.safe_load_all(_TIED)]
    with ApiServer(made(applied), token="t") as server:
        server.denied = (denial,)
        api = connect(str(write_kubeconfig(tmp_path / "k", server.url, "t")))
        found = live(api, "llm", "lws/vllm")
    resting = {i for i, grounds in GROUNDS.items() if {_services, _asked} & {*grounds}}
    assert resting >= _BY_SERVICE
    assert resting <= found.unread.keys()
    assert "services may not be listed" in found.unread["CONF036"]


def test_a_service_that_a_controller_made_is_not_judged(tmp_path: Path) -> None:
    applied = [dict(o) for o in yaml.safe_load_all(_TIED)]
    owner = {"kind": "LeaderWorkerSet", "name": "vllm", "controller": True}
    applied[1]["metadata"]["ownerReferences"] = [owner]
    with ApiServer(made(applied), token="t") as server:
        api = connect(str(write_kubeconfig(tmp_path / "k", server.url, "t")))
        found = live(api, "llm", "lws/vllm")
    assert not _BY_SERVICE & {f.id for f in found.findings}


_NOT_HEADLESS = """
apiVersion: v1
kind: Service
metadata: {name: s, namespace: llm}
spec: {selector: {app: s}, ports: [{port: 20000}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: s, namespace: llm}
spec:
  serviceName: s
  replicas: 2
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: s}}
  template:
    metadata: {labels: {app: s}}
    spec:
      containers:
      - name: sglang
        image: lmsysorg/sglang:v0.5.3
        command: [sh, -c, "python3 -m sglang.launch_server --model-path /m --tp 16 --nnodes 2
          --node-rank ${HOSTNAME##*-} --dist-init-addr s-0.s:20000"]
        resources: {limits: {nvidia.com/gpu: 8}}
"""


def test_a_service_that_the_cluster_gave_an_address_is_not_headless(tmp_path: Path) -> None:
    applied = [dict(o) for o in yaml.safe_load_all(_NOT_HEADLESS)]
    with ApiServer(made(applied), token="t") as server:
        api = connect(str(write_kubeconfig(tmp_path / "k", server.url, "t")))
        assert [s["spec"]["clusterIP"] for s in api.items("/api/v1/services")] != ["None"]
        found = live(api, "llm", "sts/s")
    assert {(f.id, f.level, f.says) for f in found.findings} == on_paper(applied)
    assert ("CONF020", "hint") in {(f.id, f.level) for f in found.findings}


_INDEXED = """
apiVersion: batch/v1
kind: Job
metadata: {name: r, namespace: llm}
spec:
  completions: 2
  parallelism: 2
  completionMode: %s
  template:
    spec:
      subdomain: r
      restartPolicy: Never
      containers:
      - name: vllm
        image: vllm/vllm-openai:v0.12.0
        command: [bash, -c, "vllm serve /m -tp 8 -pp 4 --nnodes 2 --node-rank $JOB_COMPLETION_INDEX
          --master-addr r-0.r $([ $JOB_COMPLETION_INDEX = 0 ] || echo --headless)"]
        resources: {limits: {nvidia.com/gpu: 8}}
---
apiVersion: v1
kind: Service
metadata: {name: r, namespace: llm}
spec: {clusterIP: None, publishNotReadyAddresses: true, selector: {job-name: r}}
"""


@pytest.mark.parametrize(("mode", "rule"), [("Indexed", "CONF001"), ("NonIndexed", "CONF008")])
def test_the_index_of_a_jobs_pods_is_worked_out_in_the_cluster_too(
    tmp_path: Path, mode: str, rule: str
) -> None:
    applied = [dict(o) for o in yaml.safe_load_all(_INDEXED % mode)]
    with ApiServer(made(applied), token="t") as server:
        api = connect(str(write_kubeconfig(tmp_path / "k", server.url, "t")))
        found = live(api, "llm", "job/r")
    assert {(f.id, f.level, f.says) for f in found.findings} == on_paper(applied)
    assert (rule, "error") in {(f.id, f.level) for f in found.findings}
