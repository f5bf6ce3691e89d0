"""RAY001 and RAY002: rows that an earlier container left, and answers of somebody else's Ray."""

import pytest
from msgspec.structs import replace
from tests.checks.test_ray import (
    HEAD,
    NOW,
    PASS,
    PODS,
    UNKNOWN,
    WORKER,
    alone,
    cluster,
    dead,
    group,
    judged,
    node,
    outcomes,
)
from tests.checks.test_ray_joins import local, waiting, with_looks

from distcheck.checks.evidence import Evidence, Intent, Pod
from distcheck.checks.evidence.ray import LocalRaylet, RayNode
from distcheck.checks.facts.age import unix_ms

AT = unix_ms(NOW) or 0
LONG_AGO = AT - 600_000
BEFORE = "2026-11-21T04:59:30Z"
ROWS = (
    node(HEAD, id="h", start_ms=LONG_AGO),
    node(WORKER, id="w", start_ms=LONG_AGO),
)


def with_worker(started_at: str, **more: object) -> tuple[Pod, ...]:
    return (PODS[0], replace(PODS[1], started_at=started_at, **more))


def ids(*raylets: LocalRaylet) -> Evidence:
    return with_looks(cluster(*ROWS), {"ray_local": local(raylets=raylets)})


def test_a_row_that_is_older_than_a_container_of_seconds_ago_shows_nothing() -> None:
    evidence = group(cluster(*ROWS), pods=with_worker("2026-11-21T04:59:50Z"))
    assert outcomes(evidence) == [UNKNOWN, UNKNOWN]
    assert "container started at 2026-11-21T04:59:50Z" in judged(evidence)[0].says
    moved = group(cluster(*ROWS), pods=with_worker("2026-11-21T04:59:50Z", ip="10.77.0.44"))
    assert outcomes(moved) == [UNKNOWN, UNKNOWN]


@pytest.mark.parametrize("started_at", ["2026-11-21T04:55:00Z", "2026-11-21T04:49:00Z", ""])
def test_a_row_cannot_outlive_its_raylet_for_minutes(started_at: str) -> None:
    assert outcomes(group(cluster(*ROWS), pods=with_worker(started_at))) == [PASS, PASS]


def test_a_row_that_began_with_its_container_is_of_it_though_clocks_differ() -> None:
    rows = (ROWS[0], replace(ROWS[1], start_ms=AT - 30_000))
    pods = with_worker("2026-11-21T04:59:40Z")
    assert outcomes(group(cluster(*rows), pods=pods)) == [PASS, PASS]


def test_the_new_row_beside_the_one_left_over_is_no_second_node() -> None:
    rows = (*ROWS, node(WORKER, id="n", start_ms=AT - 5000))
    evidence = group(cluster(*rows), pods=with_worker("2026-11-21T04:59:50Z"))
    assert outcomes(evidence) == [UNKNOWN, UNKNOWN]


def test_two_old_rows_of_one_address_stay_a_fault_though_the_raylet_is_one() -> None:
    looks = {"ray_local": local(raylets=(LocalRaylet(9, node_id="w"),))}
    rows = (*ROWS, replace(ROWS[1], id="x"))
    duplicate = ("fail", "duplicate_node_ip")
    assert outcomes(with_looks(cluster(*rows), looks)) == [duplicate, duplicate]


def test_a_pod_without_a_raylet_is_not_in_ray_whatever_gcs_has() -> None:
    evidence = with_looks(cluster(*ROWS), {"ray_local": waiting()})
    assert outcomes(evidence) == [UNKNOWN, UNKNOWN]
    assert "`ray start` still tries 10.77.0.2:6379" in judged(evidence)[0].says
    assert outcomes(ids()) == [UNKNOWN, UNKNOWN]


def test_a_row_that_is_younger_than_the_look_at_processes_counts() -> None:
    rows = (ROWS[0], replace(ROWS[1], start_ms=AT + 1000))
    assert outcomes(with_looks(cluster(*rows), {"ray_local": waiting()})) == [PASS, PASS]


def test_a_raylet_is_that_of_the_row_by_its_id_and_then_age_says_nothing() -> None:
    assert outcomes(ids(LocalRaylet(9, node_id="w"))) == [PASS, PASS]
    assert outcomes(ids(LocalRaylet(9, node_id="other"))) == [UNKNOWN, UNKNOWN]
    for raylet in (
        LocalRaylet(9, node_id="w"),
        LocalRaylet(9, started_at="2026-11-21T04:50:00Z"),
    ):
        beside = replace(ids(raylet), pods=with_worker("2026-11-21T04:59:50Z"))
        assert outcomes(beside) == [PASS, PASS]


OURS = cluster(node(HEAD), dead(WORKER), cluster_id="ours")
THEIRS = cluster(
    node(HEAD, is_head=False), node(WORKER, is_head=True), at=WORKER, cluster_id="theirs"
)


def test_the_group_is_judged_by_the_ray_whose_head_is_its_leader() -> None:
    for rays in ((OURS, THEIRS), (THEIRS, OURS), (OURS, replace(THEIRS, seen_at=BEFORE))):
        assert [o for o, _ in outcomes(group(*rays))] == ["fail", "fail"]


def _of(cluster_id: str, address: str = "") -> dict[str, object]:
    joined = LocalRaylet(9, address, cluster_id=cluster_id)
    return {"ray_local": local(raylets=(joined,))}


def _two(head: dict[str, object]) -> Evidence:
    """Two Rays on hosts that two groups share; the leader has no head of either."""
    evidence = with_looks(THEIRS, {}, head)
    first, second = evidence.nodes
    third = cluster(node(HEAD, is_head=False), dead(WORKER), at="10.77.0.9", cluster_id="ours")
    return replace(evidence, nodes=(first, replace(second, ray=third)))


def test_a_raylet_of_the_leader_names_the_ray_of_the_group() -> None:
    assert [o for o, _ in outcomes(_two(_of("ours")))] == ["fail", "fail"]
    assert [o for o, _ in outcomes(_two(_of("", "10.77.0.9:6379")))] == ["fail", "fail"]
    assert outcomes(_two(_of("theirs"))) == [PASS, PASS]


def test_two_rays_whose_head_is_at_the_leaders_address_decide_nothing() -> None:
    both = cluster(node(HEAD), node(WORKER), at=WORKER, cluster_id="theirs")
    for rays in ((OURS, both), (both, OURS), (both, replace(OURS, seen_at=BEFORE))):
        assert outcomes(group(*rays)) == [UNKNOWN, UNKNOWN]


def test_an_answer_of_another_ray_than_that_of_the_raylets_passes_nothing() -> None:
    for told, outcome in (("ours", UNKNOWN), ("theirs", PASS), ("", PASS)):
        evidence = with_looks(THEIRS, {}, _of(told))
        assert outcomes(evidence) == [outcome, outcome]


def test_two_rays_at_the_same_addresses_of_which_none_is_named_decide_nothing() -> None:
    evidence = _two({})
    assert outcomes(evidence) == [UNKNOWN, UNKNOWN]
    assert "10.77.0.3:6379 and 10.77.0.9:6379 both" in judged(evidence)[0].says


HOST = "gpu-a"


def _on_host(ip: str, gpus: float, row: str, **more: object) -> RayNode:
    return replace(node(ip, gpus=gpus, id=row, hostname=HOST, is_head=row == "h"), **more)


def _sharing(*gpus: int) -> tuple[Pod, ...]:
    first = Pod("llm", "ray-0", node=HOST, ip=HEAD, role="leader", gpus=gpus[0])
    rest = (Pod("llm", f"ray-{i}", node=HOST, ip=HEAD, gpus=g) for i, g in enumerate(gpus[1:], 1))
    return (first, *rest)


def test_pods_that_share_the_address_of_their_host_have_a_row_each() -> None:
    rows = (_on_host(HEAD, 4.0, "h"), _on_host(HEAD, 4.0, "w"))
    assert outcomes(group(cluster(*rows), pods=_sharing(4, 4))) == [PASS, PASS]
    rows = (_on_host(HEAD, 0.0, "h"), _on_host(HEAD, 8.0, "w"))
    assert outcomes(group(cluster(*rows), pods=_sharing(0, 8))) == [PASS, PASS]
    two = (_on_host(HEAD, 0.0, "h"), _on_host(HEAD, 0.0, "b"), _on_host(HEAD, 8.0, "w"))
    assert outcomes(group(cluster(*two), pods=_sharing(0, 0, 8))) == [PASS, PASS]


def test_more_rows_than_pods_of_an_address_are_duplicates_and_fewer_are_missing() -> None:
    rows = tuple(_on_host(HEAD, 4.0, i) for i in "hwx")
    duplicate = ("fail", "duplicate_node_ip")
    assert outcomes(group(cluster(*rows), pods=_sharing(4, 4))) == [duplicate, duplicate]
    missing = ("fail", "node_missing")
    assert outcomes(group(cluster(rows[0]), pods=_sharing(4, 4))) == [missing, missing]
    short = (rows[0], _on_host(HEAD, 2.0, "w"))
    evidence = group(cluster(*short), pods=_sharing(4, 4))
    assert outcomes(evidence) == [PASS, ("fail", "node_gpu_short")]


TWO = Intent(nodes=2, gpus=16)


def test_two_raylets_of_one_host_are_the_two_nodes_that_were_asked_for() -> None:
    rows = (_on_host(HEAD, 8.0, "h"), _on_host(HEAD, 8.0, "w"))
    assert outcomes(alone(*rows, intent=TWO)) == [PASS, PASS]
    three = outcomes(alone(*rows, _on_host(HEAD, 8.0, "x"), intent=TWO))
    assert three[0] == ("fail", "duplicate_node_ip")
    elsewhere = replace(rows[1], hostname="gpu-b")
    assert outcomes(alone(rows[0], elsewhere, intent=TWO))[0] == ("fail", "duplicate_node_ip")


def test_the_second_raylet_of_a_host_that_died_is_dead_and_not_one_that_never_joined() -> None:
    head = _on_host(HEAD, 8.0, "h", start_ms=10)
    lost = _on_host(HEAD, 8.0, "w", state="DEAD", start_ms=20, end_ms=90)
    evidence = alone(head, lost, intent=TWO)
    assert outcomes(evidence) == [("fail", "node_dead")] * 2
    assert "w (10.77.0.2) is DEAD" in judged(evidence)[0].says
    earlier = replace(lost, start_ms=1, end_ms=5)
    assert outcomes(alone(head, replace(earlier, is_head=True), intent=TWO))[0] == (
        "fail",
        "node_missing",
    )


def _dead_of(ip: str, start_ms: int, end_ms: int) -> RayNode:
    return replace(dead(ip, end_ms=end_ms), start_ms=start_ms, hostname=f"w-{ip}")


def test_without_an_expectation_a_dead_node_that_a_later_one_replaced_is_history() -> None:
    head = node(HEAD, start_ms=1)
    old = _dead_of("10.88.0.1", 2, 50)
    assert outcomes(alone(head, old, node(WORKER, start_ms=60)))[0] == PASS
    chain = (old, _dead_of("10.88.0.2", 55, 70), node(WORKER, start_ms=80))
    assert outcomes(alone(head, *chain))[0] == PASS
    lost = ("fail", "node_dead")
    assert outcomes(alone(head, old, node(WORKER, start_ms=40)))[0] == lost
    assert outcomes(alone(replace(head, start_ms=60), old))[0] == lost


def test_a_node_that_came_back_at_its_own_address_replaces_no_other() -> None:
    back = (_dead_of(WORKER, 2, 50), node(WORKER, start_ms=60))
    evidence = alone(node(HEAD, start_ms=1), *back, _dead_of("10.88.0.1", 2, 40))
    assert outcomes(evidence)[0] == ("warn", "node_dead")


def test_hundreds_of_nodes_that_died_long_ago_are_a_short_warning() -> None:
    many = tuple(_dead_of(f"10.88.{i // 200}.{i % 200}", 0, 50 + i) for i in range(250))
    evidence = alone(node(HEAD, start_ms=1), node(WORKER, start_ms=900), *many)
    verdict = judged(evidence)[0]
    assert (verdict.outcome, verdict.cause) == ("warn", "node_dead")
    assert verdict.says.endswith(" and 245 more")
    assert len(verdict.says) < 1000
    assert len(judged(alone(*many[:9], node(HEAD), intent=TWO))[1].says) < 1000


def test_a_node_that_ray_drains_is_a_warning_and_its_gpus_say_so() -> None:
    leaving = node(WORKER, activity="DRAINING")
    alive, gpus = judged(group(cluster(node(HEAD), leaving)))
    assert (alive.outcome, alive.cause) == ("warn", "node_draining")
    assert alive.subjects == ("vllm-worker-0",)
    assert gpus.says.endswith("; Ray drains vllm-worker-0 (10.77.0.3)")
    assert outcomes(group(cluster(node(HEAD), node(WORKER, activity="ACTIVE"))))[0] == PASS
