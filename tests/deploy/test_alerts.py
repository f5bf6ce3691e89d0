"""The alert rules: each can fire, has its words and its page, and asks only for what is told."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from distcheck.agent import families as agent
from distcheck.agent.openmetrics import BUILD
from distcheck.agent.serve import families as serve
from distcheck.lab.scenarios import load_all
from tests.deploy.manifests import DEPLOY

FOLDER = DEPLOY / "prometheus"
DOCS = "https://github.com/distcheck/distcheck/blob/main/"
GROUPS: list[dict[str, Any]] = yaml.safe_load((FOLDER / "rules.yaml").read_text())["groups"]
RULES = [rule for group in GROUPS for rule in group["rules"]]
ALERTS = [rule for rule in RULES if "alert" in rule]
RECORDS = [rule for rule in RULES if "record" in rule]
SEVERITIES = {"critical", "warning", "info"}


def promtool(*words: str) -> str:
    """What promtool says, in the folder of the rules."""
    if shutil.which("promtool") is None:
        assert not os.environ.get("CI"), "CI installs prometheus"
        pytest.skip("promtool is not installed")
    env = {**os.environ, "GOGC": "400"}  # its garbage is a quarter of its work
    done = subprocess.run(
        ["promtool", *words], cwd=FOLDER, env=env, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_prometheus_takes_the_rules_and_has_nothing_to_say_of_them() -> None:
    assert f"SUCCESS: {len(RULES)} rules found" in promtool("check", "rules", "rules.yaml")


def test_alerts_fire_and_keep_still_as_their_cases_say() -> None:
    assert "SUCCESS" in promtool("test", "rules", "rules_test.yaml")


def test_prometheus_takes_the_scrape_configuration(tmp_path: Path) -> None:
    """All but where pods are found: Debian's Prometheus is built without Kubernetes."""
    config = yaml.safe_load((FOLDER / "scrape.yaml").read_text())
    roles = [s.pop("kubernetes_sd_configs")[0]["role"] for s in config["scrape_configs"]]
    assert roles == ["pod", "pod"]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    assert "SUCCESS" in promtool("check", "config", str(tmp_path / "prometheus.yml"))


def test_each_alert_fires_in_a_case() -> None:
    cases = (FOLDER / "rules_test.yaml").read_text()
    fire = set(re.findall(r'alertname="(Distcheck\w+)"[^\n]*value: 1', cases))
    assert fire == {a["alert"] for a in ALERTS}


def test_alerts_are_named_once_and_like_alerts() -> None:
    names = [a["alert"] for a in ALERTS]
    assert sorted(set(names)) == sorted(names)
    assert all(re.fullmatch(r"Distcheck([A-Z][a-z]+)+", name) for name in names)


def test_records_are_named_level_metric_operation() -> None:
    assert all(re.fullmatch(r"[a-z_]+:distcheck_[a-z_]+:[a-z]+", r["record"]) for r in RECORDS)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda a: a["alert"])
def test_an_alert_waits_and_tells_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in SEVERITIES
    assert alert["for"].endswith(("m", "h"))
    notes = alert["annotations"]
    assert set(notes) == {"summary", "description", "runbook_url"}
    assert len(notes["summary"]) < 200
    assert not notes["summary"].endswith(".")
    assert notes["description"].endswith(".")


@pytest.mark.parametrize("alert", ALERTS, ids=lambda a: a["alert"])
def test_the_page_of_an_alert_exists(alert: dict[str, Any]) -> None:
    path, _, anchor = alert["annotations"]["runbook_url"].removeprefix(DOCS).partition("#")
    page = (DEPLOY.parent / path).read_text()
    assert not anchor or anchor in {h.lower() for h in re.findall(r"^## (.+)$", page, re.MULTILINE)}


def test_rules_ask_only_for_series_that_are_told() -> None:
    told = {f"distcheck_{f.name}" for f in (BUILD, *agent.FAMILIES, *serve.FAMILIES)}
    told |= {rule["record"] for rule in RECORDS}
    asked = {name for r in RULES for name in re.findall(r"[a-z_]*:?distcheck_[a-z_:]+", r["expr"])}
    assert asked - told == set()


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.get("alert") or r["record"])
def test_rules_keep_clusters_apart(rule: dict[str, Any]) -> None:
    """By the label that tells them apart: groups of one name in two clusters are two."""
    grouped = re.findall(r"\b(?:by|on) \(([^)]*)\)", rule["expr"])
    assert all(labels.startswith("cluster") for labels in grouped)
    aggregated = re.findall(r"(?<!:)\b(?:max|min|sum|count|topk|group)\b (?!by )", rule["expr"])
    assert not aggregated


def test_monitors_and_scrape_configuration_name_the_jobs_that_rules_ask_for() -> None:
    monitors = list(yaml.safe_load_all((FOLDER / "monitors.yaml").read_text()))
    jobs = [m["metadata"]["name"] for m in monitors]
    scraped = yaml.safe_load((FOLDER / "scrape.yaml").read_text())["scrape_configs"]
    assert jobs == [s["job_name"] for s in scraped] == ["distcheck-agent", "distcheck-serve"]
    for job in jobs:
        assert f'job=~"(.+/)?{job}"' in (FOLDER / "rules.yaml").read_text()


def test_monitors_select_what_is_deployed() -> None:
    pods, services = list(yaml.safe_load_all((FOLDER / "monitors.yaml").read_text()))
    ports = {name: _labels_and_ports(DEPLOY / name) for name in ("daemonset.yaml", "serve.yaml")}
    pod_port = pods["spec"]["podMetricsEndpoints"][0]["port"]
    assert (pods["spec"]["selector"]["matchLabels"], pod_port) in ports["daemonset.yaml"]
    service_port = services["spec"]["endpoints"][0]["port"]
    assert (services["spec"]["selector"]["matchLabels"], service_port) in ports["serve.yaml"]


def _labels_and_ports(path: Path) -> list[tuple[dict[str, str], str]]:
    found = []
    for one in yaml.safe_load_all(path.read_text()):
        name = {"app.kubernetes.io/name": one["metadata"]["labels"].get("app.kubernetes.io/name")}
        if one["kind"] == "Service":
            found += [(name, port["name"]) for port in one["spec"]["ports"]]
        elif one["kind"] == "DaemonSet":
            (container,) = one["spec"]["template"]["spec"]["containers"]
            found += [(name, port["name"]) for port in container["ports"]]
    return found


def test_scenarios_expect_only_alerts_that_there_are() -> None:
    known = {a["alert"].removeprefix("Distcheck") for a in ALERTS}
    assert {name for s in load_all() for name in s.expect.alerts} <= known
