"""Every query of the dashboard, run by a real Prometheus over labs that it scrapes."""

import importlib.util
import json
import os
import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.deploy.manifests import DEPLOY

BOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "distcheck.json").read_text())
GROUPS = {"sockets": "socket-fallback", "copies": "replicated"}
"""Namespaces, and the lab's scenario in each."""
KNOWN = set(re.findall(r"distcheck_\w+", (DEPLOY.parent / "docs" / "metrics.md").read_text()))
TARGETS = [
    (f"{p['title']}: {t['refId']}", t)
    for p in BOARD["panels"]
    if p["type"] != "row"
    for t in p["targets"]
]


@pytest.fixture(scope="module")
def lab() -> Iterator[Any]:
    if shutil.which("prometheus") is None:
        assert not os.environ.get("CI"), "CI installs prometheus"
        pytest.skip("prometheus is not installed")
    path = DEPLOY.parent / "tools" / "watched_lab.py"
    spec = importlib.util.spec_from_file_location("watched_lab", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with module.WatchedLab() as lab:
        for namespace, scenario in GROUPS.items():
            lab.watch(namespace, scenario)
        for namespace in GROUPS:
            of_this = f'workload_namespace="{namespace}"'
            lab.until(f"distcheck_verdict{{{of_this}}} == 1")
            lab.until(f"count(count_over_time(distcheck_shm_used_bytes{{{of_this}}}[1h]) > 1) > 1")
            lab.until(f"increase(distcheck_degraded_gpu_seconds_total{{{of_this}}}[1h]) > 0")
        yield lab


def filled(query: str, values: dict[str, str]) -> str:
    """The query as Grafana sends it."""
    return re.sub(r"\$([a-z_]+)", lambda found: values[found[1]], query)


def values_of(lab: Any, variable: dict[str, Any], chosen: dict[str, str]) -> list[str]:
    """What Grafana would offer for `label_values(SERIES, LABEL)`."""
    said = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
    assert said
    match = {"match[]": filled(said[1], chosen)}
    found: list[str] = lab.get(f"label/{said[2]}/values", **match)
    return found


def chosen(namespace: str) -> dict[str, str]:
    return {
        "namespace": namespace, "workload": "vllm-head", "pod": "vllm-head-0", "__range": "1h",
    }  # fmt: skip


def test_variables_offer_the_groups_and_their_pods(lab: Any) -> None:
    variables = {v["name"]: v for v in BOARD["templating"]["list"] if v["type"] == "query"}
    offered = {n: values_of(lab, v, chosen("copies")) for n, v in variables.items()}
    assert offered == {
        "namespace": sorted(GROUPS),
        "workload": ["vllm-head"],
        "pod": ["vllm-head-0", "vllm-worker-0"],
    }


@pytest.mark.parametrize("target", [t for _, t in TARGETS], ids=[n for n, _ in TARGETS])
def test_a_query_gives_something_in_one_of_the_labs(lab: Any, target: dict[str, Any]) -> None:
    if set(re.findall(r"distcheck_\w+", target["expr"])) - KNOWN:
        pytest.xfail("the agent does not tell that yet")
    results = [
        lab.get("query", query=filled(target["expr"], chosen(namespace)))["result"]
        for namespace in GROUPS
    ]
    assert any(results)


def test_a_legend_names_only_labels_that_the_series_have(lab: Any) -> None:
    for name, target in TARGETS:
        for label in re.findall(r"{{(\w+)}}", target.get("legendFormat", "")):
            query = filled(target["expr"], chosen("copies"))
            series = lab.get("query", query=query)["result"]
            assert all(label in one["metric"] for one in series), name


def test_each_copy_of_a_replicated_model_stands_out(lab: Any) -> None:
    (panel,) = [p for p in BOARD["panels"] if str(p["title"]).startswith("Weights on $pod")]
    (target,) = panel["targets"]
    for namespace, times in (("sockets", 1), ("copies", 2)):
        found = lab.get("query", query=filled(target["expr"], chosen(namespace)))["result"]
        assert len(found) == 8
        assert {round(float(one["value"][1])) for one in found} == {times}
        color = color_at(panel, float(found[0]["value"][1]))
        assert color == {1: "green", 2: "red"}[times]


def color_at(panel: dict[str, Any], value: float) -> str:
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    below = [s for s in steps if s["value"] is None or s["value"] <= value]
    color: str = below[-1]["color"]
    return color
