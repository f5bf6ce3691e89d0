"""Ray's membership against evidence that is stale, contradictory or nearly empty."""

import pytest
from msgspec.structs import replace
from tests.checks.test_ray import (
    HEAD,
    NOW,
    PASS,
    PODS,
    SERVE,
    SKIPPED,
    UNKNOWN,
    WORKER,
    cluster,
    dead,
    group,
    judged,
    node,
    outcomes,
    with_processes,
)

from distcheck.checks.evidence import (
    Evidence,
    GpuProcess,
    Gpus,
    Intent,
    Missing,
    PodLook,
    Process,
    Processes,
    VllmLog,
)
from distcheck.checks.evidence.vllm import RankLine
from distcheck.checks.facts.age import is_old

BEFORE = "2026-11-21T04:59:00Z"
BOTH = cluster(node(HEAD), node(WORKER))
LOST = cluster(node(HEAD), dead(WORKER))


def test_the_latest_of_two_answers_counts_and_a_node_dead_in_it_fails() -> None:
    for rays in ((replace(BOTH, seen_at=BEFORE), LOST), (LOST, replace(BOTH, seen_at=BEFORE))):
        assert outcomes(group(*rays)) == [("fail", "node_dead"), ("fail", "node_dead")]


def test_a_node_that_an_earlier_answer_has_dead_is_named_and_nothing_passes() -> None:
    evidence = group(replace(LOST, seen_at=BEFORE), BOTH)
    assert outcomes(evidence) == [UNKNOWN, UNKNOWN]
    says = judged(evidence)[0].says
    assert "differ on vllm-worker-0" in says
    assert f"DEAD at {BEFORE}" in says


def test_answers_of_one_moment_that_differ_decide_nothing() -> None:
    assert outcomes(group(BOTH, LOST)) == [UNKNOWN, UNKNOWN]
    assert outcomes(group(LOST, BOTH)) == [UNKNOWN, UNKNOWN]
    assert outcomes(group(BOTH, BOTH)) == [PASS, PASS]


def test_a_head_that_started_again_with_a_new_id_is_judged_by_its_latest_answer() -> None:
    fresh = cluster(node(HEAD), cluster_id="c2")
    evidence = group(replace(BOTH, seen_at=BEFORE), fresh)
    assert outcomes(evidence)[0] == ("fail", "node_missing")


def test_a_look_at_ray_of_an_hour_before_passes_nothing() -> None:
    evidence = replace(group(BOTH), observed_at="2026-11-21T06:01:00Z")
    assert outcomes(evidence) == [UNKNOWN, UNKNOWN]
    assert NOW in judged(evidence)[0].says


@pytest.mark.parametrize(
    ("stamp", "now", "old"),
    [
        ("2024-02-29T23:30:00Z", "2024-03-01T00:30:00Z", False),
        ("2024-02-29T23:29:00Z", "2024-03-01T00:30:00Z", True),
        ("2025-12-31T23:59:59.5Z", "2026-01-01T00:10:00+00:00", False),
        ("2025-12-30T00:10:00Z", "2026-01-01T00:10:00Z", True),
        ("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z", False),
        ("yesterday", "2026-01-01T00:00:00Z", False),
    ],
)
def test_a_time_is_old_when_it_is_more_than_an_hour_before(stamp: str, now: str, old: bool) -> None:
    assert is_old(stamp, now) is old


def _first_look(evidence: Evidence, **parts: object) -> Evidence:
    """The same, with parts of the first pod's look changed."""
    first, *rest = evidence.nodes
    changed: PodLook = replace(first.pods[0], **parts)
    return replace(evidence, nodes=(replace(first, pods=(changed,)), *rest))


def test_processes_that_are_no_engine_do_not_show_a_group_without_ray() -> None:
    assert outcomes(with_processes(SERVE)) == [SKIPPED, SKIPPED]
    assert outcomes(with_processes(Process(7, "bash"))) == [UNKNOWN, UNKNOWN]


def _idle_worker(executor: str | None, *processes: Process) -> Evidence:
    """The head serves; the worker's processes are these."""
    evidence = with_processes(SERVE, executor=executor)
    head, worker = evidence.nodes
    look = replace(worker.pods[0], processes=Processes(processes, seen_at=NOW))
    return replace(evidence, nodes=(head, replace(worker, pods=(look,))))


def test_a_pod_that_does_nothing_yet_is_none_of_ray_where_the_engine_needs_none() -> None:
    shell = Process(1, "sh", argv=("/bin/sh", "-c", "sleep 5"))
    assert outcomes(_idle_worker("mp", shell)) == [SKIPPED, SKIPPED]
    assert outcomes(_idle_worker(None, shell)) == [UNKNOWN, UNKNOWN]
    assert outcomes(_idle_worker("mp")) == [SKIPPED, SKIPPED]
    assert outcomes(_idle_worker("mp", Process(1, "raylet"))) == [UNKNOWN, UNKNOWN]
    nobody = with_processes(shell, executor="mp")
    assert outcomes(nobody) == [UNKNOWN, UNKNOWN]


def test_a_process_on_a_gpu_shows_that_ranks_run() -> None:
    evidence = with_processes(Process(7, "python3"))
    held = {p.node: Gpus((), (GpuProcess("GPU-0", 7, None, p.key, "python3"),)) for p in PODS}
    nodes = tuple(replace(n, gpus=held[n.node]) for n in evidence.nodes)
    assert outcomes(replace(evidence, nodes=nodes)) == [SKIPPED, SKIPPED]


@pytest.mark.parametrize(
    "reason",
    [
        "Ray's GCS at 10.77.0.2:6379: it needs a token",
        "GCS is not asked: it is not an address of this node",
        "no raylet runs; `ray start` still waits for 10.77.0.2:6379 on gpu-a",
    ],
)
def test_a_gcs_that_did_not_answer_is_not_a_group_without_ray(reason: str) -> None:
    evidence = with_processes(SERVE)
    first, *rest = evidence.nodes
    evidence = replace(evidence, nodes=(replace(first, ray=Missing(reason)), *rest))
    assert outcomes(evidence) == [UNKNOWN, UNKNOWN]
    assert reason in judged(evidence)[0].says


def test_logs_that_name_ray_are_not_a_group_without_ray() -> None:
    path = "vllm-head-0:/tmp/ray/session_latest/logs/worker-a-b-1.out:7"
    for log in (
        VllmLog(executor="ray"),
        VllmLog(ranks=(RankLine(0, 16, path),)),
        VllmLog(ranks=(RankLine(0, 16, "vllm-head-0:vllm/0.log:7", label="RayWorkerWrapper"),)),
    ):
        assert outcomes(_first_look(with_processes(SERVE), vllm=log)) == [UNKNOWN, UNKNOWN]
    assert outcomes(_first_look(with_processes(SERVE), vllm=VllmLog()))[0] == SKIPPED


def test_pods_whose_gpus_come_from_a_claim_count_among_the_nodes_that_are_expected() -> None:
    pods = (PODS[0], replace(PODS[1], gpus=0))
    evidence = group(BOTH, pods=pods, intent=Intent(nodes=2, gpus=16))
    assert outcomes(evidence) == [PASS, PASS]
    assert judged(evidence)[0].says == "2 of 2 Ray nodes are alive"
    absent = group(cluster(node(HEAD)), pods=pods, intent=Intent(nodes=2, gpus=16))
    assert outcomes(absent)[0] == ("fail", "node_missing")


def test_a_cpu_head_is_not_counted_where_the_gpu_nodes_alone_are_expected() -> None:
    third = replace(PODS[1], name="vllm-worker-1", node="gpu-c", ip="10.77.0.4")
    pods = (replace(PODS[0], gpus=0), PODS[1], third)
    rows = (node(HEAD, gpus=0.0), node(WORKER), node("10.77.0.4", hostname="vllm-worker-1"))
    for nodes, says in ((2, "2 of 2"), (3, "3 of 3")):
        evidence = group(cluster(*rows), pods=pods, intent=Intent(nodes=nodes))
        assert outcomes(evidence) == [PASS, PASS]
        assert judged(evidence)[0].says == f"{says} Ray nodes are alive"


def test_a_node_with_more_gpus_than_its_pod_is_a_warning() -> None:
    evidence = group(cluster(node(HEAD), node(WORKER, gpus=64.0)))
    assert outcomes(evidence) == [PASS, ("warn", "unexpected_gpus")]
    assert "vllm-worker-0 (10.77.0.3) has 8 and registered 64" in judged(evidence)[1].says
