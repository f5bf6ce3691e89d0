"""Every query of the dashboard, run by a real Prometheus over a lab that it scrapes."""

import importlib.util
import json
import os
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from distcheck.lab.world import World
from tests.deploy.manifests import DEPLOY

pytestmark = pytest.mark.xdist_group("dashboard")
BOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "distcheck.json").read_text())
NAMESPACE, SCENARIO = "chat", "socket-fallback"
FAILURE = (
    "vllm-worker-0:1:1 [0] misc/socket.cc:448 NCCL WARN socketPollConnect: connect to "
    "10.0.0.2<4321> returned Connection refused, exceeded error retry count after 35 attempts"
)
"""No scenario has everything; this line stands for the failures of others."""
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
    with module.WatchedLab(every="2s", interval="3s") as lab:
        lab.watch(NAMESPACE, SCENARIO, fails)
        lab.until("distcheck_verdict == 1")
        lab.until("count(count_over_time(distcheck_shm_used_bytes[1h]) > 1) > 1")
        lab.until("increase(distcheck_degraded_gpu_seconds_total[1h]) > 0")
        yield lab


def fails(world: World) -> None:
    (log,) = (world.root / "gpu-b" / "pod-logs").glob("*/vllm/0.log")
    with log.open("a") as out:
        out.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}000Z stdout F {FAILURE}\n")


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


CHOSEN = {
    "namespace": NAMESPACE, "workload": "vllm-head", "pod": "vllm-head-0", "__range": "1h",
}  # fmt: skip


def test_variables_offer_the_groups_and_their_pods(lab: Any) -> None:
    variables = {v["name"]: v for v in BOARD["templating"]["list"] if v["type"] == "query"}
    offered = {n: values_of(lab, v, CHOSEN) for n, v in variables.items()}
    assert offered == {
        "namespace": [NAMESPACE],
        "workload": ["vllm-head"],
        "pod": ["vllm-head-0", "vllm-worker-0"],
    }


@pytest.mark.parametrize("target", [t for _, t in TARGETS], ids=[n for n, _ in TARGETS])
def test_a_query_gives_something_in_the_lab(lab: Any, target: dict[str, Any]) -> None:
    lab.until(filled(target["expr"], CHOSEN), 30)  # a scrape may time out on a busy machine


def test_a_legend_names_only_labels_that_the_series_have(lab: Any) -> None:
    for name, target in TARGETS:
        for label in re.findall(r"{{(\w+)}}", target.get("legendFormat", "")):
            query = filled(target["expr"], CHOSEN)
            series = lab.get("query", query=query)["result"]
            assert all(label in one["metric"] for one in series), name


def test_each_gpu_of_a_sharded_model_holds_about_its_share(lab: Any) -> None:
    panel, target = shares()
    found = lab.get("query", query=filled(target["expr"], CHOSEN))["result"]
    assert len(found) == 8
    assert {color_at(panel, float(one["value"][1])) for one in found} == {"green"}


def test_copies_of_a_model_and_too_little_of_it_stand_out() -> None:
    panel, _ = shares()
    assert [color_at(panel, times) for times in (0.5, 1, 2, 16)] == [
        "orange", "green", "red", "red",
    ]  # fmt: skip


def shares() -> tuple[dict[str, Any], dict[str, Any]]:
    (panel,) = [p for p in BOARD["panels"] if str(p["title"]).startswith("Weights on $pod")]
    (target,) = panel["targets"]
    return panel, target


def color_at(panel: dict[str, Any], value: float) -> str:
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    below = [s for s in steps if s["value"] is None or s["value"] <= value]
    color: str = below[-1]["color"]
    return color
