"""The configuration of Prometheus that a lab writes for whoever tries alerts."""

from pathlib import Path

import yaml  # type: ignore[import-untyped]

from distcheck.lab.prometheus_file import prometheus_text


def test_agents_are_targets_with_their_nodes_and_the_rules_are_there() -> None:
    made = yaml.safe_load(prometheus_text({"gpu-a": "127.0.0.1:1", "gpu-b": "127.0.0.1:2"}))
    agents, serve = made["scrape_configs"]
    assert agents["job_name"] == "distcheck-agent"
    assert agents["static_configs"] == [
        {"targets": ["127.0.0.1:1"], "labels": {"node": "gpu-a"}},
        {"targets": ["127.0.0.1:2"], "labels": {"node": "gpu-b"}},
    ]
    assert serve["static_configs"] == [{"targets": ["127.0.0.1:9412"]}]
    (rules,) = made["rule_files"]
    assert Path(rules).exists()


def test_a_lab_without_agents_has_a_job_without_targets() -> None:
    agents, _ = yaml.safe_load(prometheus_text({}))["scrape_configs"]
    assert agents == {"job_name": "distcheck-agent"}
