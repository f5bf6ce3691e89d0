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
    cluster,
    dead,
    group,
    judged,
    node,
    outcomes,
)
from tests.checks.test_ray_joins import local, waiting, with_looks

from distcheck.checks.evidence import Evidence, Pod
from distcheck.checks.evidence.ray import LocalRaylet
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


def test_an_answer_of_another_ray_than_that_of_the_raylets_passes_nothing() -> None:
    for told, outcome in (("ours", UNKNOWN), ("theirs", PASS), ("", PASS)):
        evidence = with_looks(THEIRS, {}, _of(told))
        assert outcomes(evidence) == [outcome, outcome]


def test_two_rays_at_the_same_addresses_of_which_none_is_named_decide_nothing() -> None:
    evidence = _two({})
    assert outcomes(evidence) == [UNKNOWN, UNKNOWN]
    assert "10.77.0.3:6379 and 10.77.0.9:6379 both" in judged(evidence)[0].says
