"""What is told twice counts once: two jobs scrape the same agent, two copies of serve disagree."""

import json
from pathlib import Path
from typing import Any

from tests.deploy.manifests import DEPLOY
from tests.metrics.golden import promtool

BOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "distcheck.json").read_text())
POD = 'workload_namespace="llm",workload_pod="vllm-0"'
GROUP = 'workload_namespace="llm",workload="vllm"'
AGENT = 'instance="10.0.0.1:9410"'
ONE = f'{POD},workload_container="vllm",{AGENT}'

TOLD = {
    "distcheck_nccl_channels": (f'{ONE},scope="inter_node",transport="rdma"', "32"),
    "distcheck_nccl_failures_total": (f'{ONE},failure="timeout"', "3"),
    "distcheck_shm_size_bytes": (ONE, "1024"),
    "distcheck_shm_used_bytes": (ONE, "1024"),
    "distcheck_rdma_link_up": (f'{AGENT},device="mlx5_0",port="1"', "1"),
    "distcheck_last_look_timestamp_seconds": (AGENT, "0"),
    "up": (AGENT, "1"),
}
SERVES = {"old": ("gpu-a", 100), "new": ("gpu-b", 200)}


def series() -> list[dict[str, str]]:
    """Every series of the agent under two jobs; two serves, the newer of which is right."""
    told = [
        {"series": f'{name}{{{labels},job="{job}"}}', "values": f"{value}x5"}
        for name, (labels, value) in TOLD.items()
        for job in ("agents", "pods")
    ]
    for job, (node, at) in SERVES.items():
        of = f'job="{job}",instance="{job}:9412",{GROUP}'
        role = f'workload_pod="vllm-0",node="{node}",role="leader"'
        told.append({"series": f"distcheck_workload_pod_info{{{of},{role}}}", "values": "1x5"})
        last = f"distcheck_verify_last_success_timestamp_seconds{{{of}}}"
        told.append({"series": last, "values": f"{at}x5"})
        told.append({"series": f"distcheck_verdict{{{of}}}", "values": "1x5"})
    return told


def query(title: str, ref: str) -> str:
    """That of the dashboard, for the group."""
    panel = next(p for p in BOARD["panels"] if p["title"] == title)
    expr: str = next(t["expr"] for t in panel["targets"] if t["refId"] == ref)
    return expr.replace("$namespace", "llm").replace("$workload", "vllm")


CASES = (
    ("Channels between nodes, by transport", "A", '{transport="rdma"}', 32),
    ("NCCL failures", "A", '{failure="timeout",workload_pod="vllm-0"}', 3),
    ("RDMA links of the group's nodes", "up", '{node="gpu-b",device="mlx5_0",port="1"}', 1),
    ("Agents", "look", "{}", 1),
    ("Agents", "silent", "{}", 0),
    ("Oldest evidence", "never", "{}", 0),
)


def _ask(tmp_path: Path, cases: list[tuple[str, str, float]]) -> None:
    """Promtool finds one sample for each query: its labels and its value."""
    checks = [
        {"expr": expr, "eval_time": "4m", "exp_samples": [{"labels": labels, "value": value}]}
        for expr, labels, value in cases
    ]
    case = {"interval": "1m", "input_series": series(), "promql_expr_test": checks}
    path = tmp_path / "twice.yaml"
    path.write_text(json.dumps({"rule_files": [], "tests": [case]}))
    code, said = promtool("test", "rules", str(path))
    assert code == 0, said


def test_what_the_dashboard_is_told_twice_counts_once(tmp_path: Path) -> None:
    _ask(tmp_path, [(query(title, ref), labels, n) for title, ref, labels, n in CASES])


def test_the_documents_join_bears_two_scrapes_of_serve(tmp_path: Path) -> None:
    text = (DEPLOY.parent / "docs" / "metrics.md").read_text()
    (join,) = (b for b in text.split("```") if "group_left (workload)" in b)
    one = f"max by (workload, workload_pod) ({join.strip()})"
    _ask(tmp_path, [(one, '{workload="vllm",workload_pod="vllm-0"}', 1.0)])
