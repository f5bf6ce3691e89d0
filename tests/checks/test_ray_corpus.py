"""Replies of real clusters, Ray 2.9.3 to 2.60.0: the verdicts are what was done to each."""

import base64
import json
import os
from pathlib import Path

import pytest

from distcheck.agent.probes.ray_proto import decode
from distcheck.checks.catalog import catalog
from distcheck.checks.evidence import (
    Evidence,
    Gpus,
    Intent,
    Missing,
    NodeLook,
    Pod,
    RayCluster,
    Target,
)

CORPUS = Path(__file__).parents[2] / "../shared/corpus/ray"
CAPTURES = sorted(CORPUS.glob("*/*/gcs_capture.json"))
PODS = (
    Pod("llm", "ray-h", node="a", ip="10.77.0.2", role="leader", gpus=8),
    Pod("llm", "ray-w", node="b", ip="10.77.0.3", gpus=8),
)
CHECKS = {c.id: c for c in catalog() if c.id.startswith("RAY")}
WELL = ("pass", "pass")
EXPECTED = {
    "healthy16": (*WELL, "pass"),
    "healthy_idle": (*WELL, "unknown"),
    "after_driver_exit": (*WELL, "unknown"),
    "worker_killed9": ("node_dead",) * 3,
    "worker_stopped": ("node_dead", "node_dead", "unknown"),
    "pg_pending_0gpu": ("pass", "node_gpu_short", "pg_pending"),
    "pg_infeasible_strict_spread": (*WELL, "pg_pending"),
    "duplicate_ip": ("duplicate_node_ip", "pass", "unknown"),
    "actor_init_fail": (*WELL, "workers_short"),
    "actor_init_hang": (*WELL, "worker_not_ready"),
    "actors_pending_nopg": (*WELL, "worker_not_ready"),
    "leaked_pg": (*WELL, "leaked_placement_group"),
    "actor_killed_v2executor": (*WELL, "workers_short"),
}
"""For RAY001 to RAY003 the cause, or the outcome where there is none."""


def seen(path: Path) -> RayCluster:
    capture = json.loads(path.read_text())
    replies = {
        method: base64.b64decode(reply) if isinstance(reply, str) else Missing(reply["code"])
        for method, reply in capture["raw_b64"].items()
    }
    found = decode.cluster("10.77.0.2:6379", "2026-11-21T06:00:00Z", replies)
    assert isinstance(found, RayCluster)
    return found


def evidence_of(cluster: RayCluster, intent: Intent | None = None) -> Evidence:
    at = "2026-11-21T06:00:00Z"
    node = NodeLook("a", at, "agent", Gpus(()), cluster)
    target = Target("llm", "sts", "ray-h")
    return Evidence("0", at, target, intent or Intent(engine="vllm"), PODS, (node,))


def test_the_captures_of_real_clusters_are_there() -> None:
    if not CAPTURES and os.environ.get("CI") != "true":
        pytest.skip(f"no captures of real clusters in {CORPUS}")
    assert len(CAPTURES) >= 15


@pytest.mark.parametrize("path", CAPTURES, ids=lambda p: "/".join(p.parts[-3:-1]))
def test_each_real_capture_is_judged_as_what_was_done_to_it(path: Path) -> None:
    wanted = EXPECTED[path.parent.name]
    evidence = evidence_of(seen(path))
    verdicts = [CHECKS[i].judge_evidence(evidence) for i in ("RAY001", "RAY002", "RAY003")]
    told = tuple(v.cause or v.outcome for v in verdicts)
    assert told == wanted, [v.says for v in verdicts]
    assert all(v.outcome in ("pass", "fail", "unknown") for v in verdicts)
