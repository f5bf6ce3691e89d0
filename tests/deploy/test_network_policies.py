"""The policies let in and out what the code needs, and select the pods that they are for."""

import re
from pathlib import Path

import yaml  # type: ignore[import-untyped]

from distcheck.agent.cli.serve import LISTEN
from distcheck.agent.cluster import reach
from distcheck.agent.settings import Settings, split_address
from tests.deploy.charts import kustomized
from tests.deploy.manifests import DEPLOY, Object, daemonset, documents

FOLDER = DEPLOY / "options" / "network-policies"
(AGENT,) = documents(FOLDER / "agent.yaml")
(SERVE,) = documents(FOLDER / "serve.yaml")
(DEPLOYMENT,) = documents(DEPLOY / "serve" / "deployment.yaml")
GCS, HIGHEST = 6379, 65535


def ports(rules: list[Object]) -> set[tuple[int, int]]:
    """First and last port of each rule."""
    return {(p["port"], p.get("endPort", p["port"])) for r in rules for p in r["ports"]}


def test_each_selects_its_pods_and_closes_both_ways() -> None:
    for policy, workload in ((AGENT, daemonset()), (SERVE, DEPLOYMENT)):
        spec, labels = policy["spec"], workload["spec"]["template"]["metadata"]["labels"]
        assert spec["podSelector"]["matchLabels"].items() <= labels.items()
        assert spec["policyTypes"] == ["Ingress", "Egress"]
        assert all(rule["from"] for rule in spec["ingress"])


def test_in_come_scrapes_and_questions_and_nobody_to_the_evidence_door() -> None:
    metrics = split_address(Settings().metrics)[1]
    assert ports(AGENT["spec"]["ingress"]) == {(metrics, metrics)}
    assert metrics != reach.EVIDENCE_PORT
    answers = split_address(LISTEN)[1]
    assert ports(SERVE["spec"]["ingress"]) == {(answers, answers)}


def test_an_agent_reaches_ray_in_pods_and_nothing_that_is_no_pod() -> None:
    (rule,) = AGENT["spec"]["egress"]
    assert rule["to"] == [{"namespaceSelector": {}}]
    ((first, last),) = ports([rule])
    assert first <= GCS
    assert last == HIGHEST
    assert first > 443


def test_the_patch_of_the_documents_lets_another_port_out_and_another_namespace_in(
    tmp_path: Path,
) -> None:
    text = (DEPLOY.parent / "docs" / "deploy.md").read_text()
    (block,) = re.findall(r"```yaml\n(# kustomization.yaml, more of it\n.*?)```", text, re.DOTALL)
    made = kustomized(tmp_path, ["serve"], ["options/network-policies"], yaml.safe_load(block))
    policy = next(o for o in made if (o["kind"], o["metadata"]["name"]) == (
        "NetworkPolicy", "distcheck-serve"))  # fmt: skip
    assert (16443, 16443) in ports(policy["spec"]["egress"][:1])
    (names,) = policy["spec"]["ingress"][0]["from"][1]["namespaceSelector"]["matchExpressions"]
    assert "istio-system" in names["values"]


def test_serve_reaches_the_api_server_and_name_servers_alone() -> None:
    api, names = SERVE["spec"]["egress"]
    assert "to" not in api
    assert ports([api]) == {(443, 443), (6443, 6443)}
    assert ports([names]) == {(53, 53)}
    assert names["to"]
