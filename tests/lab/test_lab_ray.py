"""Ray in the lab: a real cluster of two raylets, and the replay that stands in for it."""

import os
from collections.abc import Iterator

import pytest
from tests.waiting import within

from distcheck.agent.cli.ray_report import ray_report
from distcheck.agent.probes import gcs
from distcheck.checks.evidence import Missing, RayCluster
from distcheck.checks.report import Finding
from distcheck.lab.ray import RealRay, ReplayedRay, make_ray, ray_is_installed

pytestmark = pytest.mark.xdist_group("ray")

HEAD, WORKER = "127.77.31.2", "127.77.31.3"
BOTH = {"nodes": f"{HEAD},{WORKER}", "gpus": "16"}


@pytest.fixture(scope="module")
def real() -> Iterator[RealRay]:
    if not ray_is_installed():
        assert os.environ.get("CI") != "true", "Ray must be installed in CI"
        pytest.skip("Ray is not installed in this interpreter")
    ray = RealRay([(HEAD, 8), (WORKER, 8)])
    ray.start()
    yield ray
    ray.stop()


def findings(address: str) -> dict[str, Finding]:
    return {f.id: f for f in ray_report(address, BOTH).report.checks if f.id != "RAY003"}


def test_a_real_cluster_passes_and_its_raylets_answer(real: RealRay) -> None:
    found = findings(real.address)
    assert {i: f.outcome for i, f in found.items()} == {"RAY001": "pass", "RAY002": "pass"}
    seen = gcs.look(real.address, raylets=True)
    assert isinstance(seen, RayCluster)
    assert seen.cluster_id
    assert {n.ip: n.raylet and n.raylet.outcome for n in seen.nodes} == {
        HEAD: "serving",
        WORKER: "serving",
    }
    assert real.gcs_port in real.node_ports()[HEAD]
    assert len(real.node_ports()[WORKER]) >= 2


def test_a_raylet_killed_is_dead_in_the_table_and_fails_both_checks(real: RealRay) -> None:
    real.kill_raylet(WORKER)
    assert within(60, lambda: len(real.alive()) == 1)
    found = findings(real.address)
    assert [(f.outcome, f.cause) for f in found.values()] == [("fail", "node_dead")] * 2
    assert f"{WORKER} is DEAD: UNEXPECTED_TERMINATION" in found["RAY001"].says


def test_a_replay_has_the_addresses_and_gpus_that_were_asked_for() -> None:
    ray = ReplayedRay([(HEAD, 8), (WORKER, 4), ("127.77.31.4", 0)])
    ray.start()
    try:
        seen = gcs.look(ray.address)
    finally:
        ray.stop()
    assert isinstance(seen, RayCluster)
    rows = [(n.ip, n.gpus, n.gpus_available, n.is_head) for n in seen.nodes]
    assert rows == [(HEAD, 8, 8, True), (WORKER, 4, 4, False), ("127.77.31.4", 0, 0, False)]
    ports = {n.ip: [n.node_manager_port, n.object_manager_port] for n in seen.nodes}
    assert ports | {HEAD: [*ports[HEAD], ray.gcs_port]} == ray.node_ports()
    assert len({n.id for n in seen.nodes}) == 3


def test_a_worker_missing_from_the_replay_never_joined() -> None:
    ray = make_ray([(HEAD, 8)], real=False)
    ray.start()
    try:
        found = findings(ray.address)
    finally:
        ray.stop()
    assert [(f.outcome, f.cause) for f in found.values()] == [("fail", "node_missing")] * 2
    assert f"Ray has 8 of 16 GPUs: {WORKER} never joined" == found["RAY002"].says


def test_a_dead_node_of_the_replay_has_a_reason_and_a_stopped_replay_is_closed() -> None:
    ray = ReplayedRay([(HEAD, 8)], dead=[(WORKER, 8)])
    ray.start()
    found = findings(ray.address)
    ray.stop()
    ray.stop()
    assert found["RAY001"].cause == "node_dead"
    assert "heartbeats" in found["RAY001"].says
    assert isinstance(gcs.look(ray.address), Missing)


def test_a_cluster_without_a_head_is_refused() -> None:
    with pytest.raises(ValueError, match="head"):
        make_ray([])
