"""A rule that finds nothing passes only where it saw what it is about."""

from functools import cache
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from distcheck.agent.cluster.finding.written import Written
from distcheck.agent.manifests.live import judged_live
from distcheck.checks.evidence.manifests import Manifests
from distcheck.checks.evidence.policy import NetworkPolicies
from distcheck.checks.grounds import GROUNDS
from distcheck.checks.manifest.rule import Rule
from distcheck.checks.manifest.rules import rules
from distcheck.checks.on_paper import OnPaper, on_paper
from distcheck.checks.verdict import Verdict

FILES = ("CONF070", "CONF071", "CONF072", "CONF103", "CONF108", "CONF056")
LIVE = [r for r in rules() if r.id not in FILES]
OPAQUE = "[/opt/start]"
PLAIN = "[vllm, serve, /m]"
ALONE = """
apiVersion: v1
kind: Pod
metadata: {name: vllm}
spec:
  containers:
  - {name: vllm, image: "r.io/ours/llm:1", command: %s, resources: {limits: {nvidia.com/gpu: 1}}}
"""


def verdict(text: str, rule: str) -> Verdict:
    (told,) = on_paper(judged(text), OnPaper({rule: "T"}, others=False))
    return told.verdict


@cache
def judged(text: str) -> Manifests:
    objects = tuple(_whole(o) for o in yaml.safe_load_all(text) if o)
    found = judged_live(Written(objects), NetworkPolicies({}, "GET"))
    assert isinstance(found, Manifests)
    return found


def _whole(one: Any) -> Any:
    """A fragment that is a container, in a pod."""
    if "kind" in one:
        return one
    spec = {"containers": [one]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, "spec": spec}


@pytest.mark.parametrize("rule", LIVE, ids=lambda r: r.id)
def test_what_each_rule_must_see_is_in_its_passing_example(rule: Rule) -> None:
    told = verdict(rule.page.passes, rule.id)
    assert told.outcome == "pass", f"{told.says}: see GROUNDS in checks/grounds.py"


@pytest.mark.parametrize("rule", LIVE, ids=lambda r: r.id)
def test_of_a_program_that_nobody_knows_only_what_the_pod_says_passes(rule: Rule) -> None:
    passes = verdict(ALONE % OPAQUE, rule.id).outcome == "pass"
    assert passes == (not GROUNDS[rule.id])


@pytest.mark.parametrize(
    ("rule", "outcome", "says"),
    [
        ("CONF005", "unknown", "what model /m is is not known"),
        ("CONF006", "unknown", "how large /m is is not known"),
        ("CONF009", "skipped", "no NIM is here"),
        ("CONF020", "skipped", "no address that pods join is written here"),
        ("CONF024", "skipped", "no Service is beside it"),
        ("CONF090", "unknown", "its command line does not say what it asks for"),
        ("CONF001", "pass", "nothing that this rule finds"),
        ("CONF075", "pass", "nothing that this rule finds"),
    ],
)
def test_a_rule_says_why_it_says_nothing(rule: str, outcome: str, says: str) -> None:
    told = verdict(ALONE % PLAIN, rule)
    assert (told.outcome, told.says) == (outcome, says)


def test_an_address_that_nobody_can_read_passes_no_rule_about_names() -> None:
    told = verdict(ALONE % '[sh, -c, "ray start --address=$HEAD:6379"]', "CONF020")
    assert (told.outcome, told.says.endswith("is not known")) == ("unknown", True)


CLUSTER = """
apiVersion: ray.io/v1
kind: RayCluster
metadata: {name: ray}
spec:
  headGroupSpec:
    rayStartParams: {}
    template:
      spec:
        containers:
        - {name: ray, image: "rayproject/ray:2.46.0", resources: {limits: {nvidia.com/gpu: 8}}}
"""


def test_a_ray_cluster_that_names_no_engine_passes_no_arithmetic() -> None:
    told = verdict(CLUSTER, "CONF001")
    assert (told.outcome, told.says) == (
        "unknown", "how many ranks RayCluster ray starts is not known",
    )  # fmt: skip


def test_keys_of_a_config_map_pass_only_where_each_that_is_named_was_read() -> None:
    """Of a live group those of sidecars are not."""
    text = """
apiVersion: v1
kind: Pod
metadata: {name: vllm}
spec:
  containers:
  - name: vllm
    image: vllm/vllm-openai:v0.11.0
    args: [--model, /m]
    env: [{name: A, valueFrom: {configMapKeyRef: {name: one, key: a}}}]
    resources: {limits: {nvidia.com/gpu: 1}}
  - name: beside
    image: r.io/ours/log:1
    env: [{name: B, valueFrom: {configMapKeyRef: {name: other, key: b}}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: one}
data: {a: b}
"""
    told = verdict(text, "CONF101")
    assert (told.outcome, told.says) == ("unknown", "ConfigMap other was not read")
    assert (
        verdict(text.replace("name: other, key: b", "name: one, key: a"), "CONF101").outcome
        == "pass"
    )
    assert verdict(ALONE % PLAIN, "CONF101").outcome == "skipped"
