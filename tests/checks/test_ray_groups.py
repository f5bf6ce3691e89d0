"""RAY003: the engine's placement group, why it waits, and who works in it."""

import pytest
from msgspec.structs import replace
from tests.evidence_builder import healthy

from distcheck.checks.evidence import Evidence, Intent, Missing, RayCluster
from distcheck.checks.evidence.ray import Bundle, PlacementGroup, RayActor, RayNode
from distcheck.checks.ray.placement_group import placement_group
from distcheck.checks.verdict import Verdict

HEALTHY = healthy()
IPS = ("10.0.0.2", "10.0.0.3")
ASKED = 1_768_469_300_000
"""100 s before the look of the healthy group."""


def cluster() -> RayCluster:
    found = HEALTHY.nodes[0].ray
    assert isinstance(found, RayCluster)
    return found


def with_ray(evidence: Evidence = HEALTHY, **changes: object) -> Evidence:
    first, *rest = evidence.nodes
    assert isinstance(first.ray, RayCluster)
    ray = replace(first.ray, **changes)
    return replace(evidence, nodes=(replace(first, ray=ray), *rest))


def group(size: int = 16, on: str = "", **more: object) -> PlacementGroup:
    """`on` has a node's number for each placed bundle: `0011`; a `-` is not placed."""
    nodes = [n.id for n in cluster().nodes]
    where = [nodes[int(c)] if c != "-" else "" for c in on.ljust(size, "-")]
    bundles = tuple(Bundle(i, 1.0, node, IPS[0] if i == 0 else "") for i, node in enumerate(where))
    made = PlacementGroup("b2" * 18, "CREATED", bundles=bundles, creator_actor_dead=True)
    return replace(made, **more)


def waiting(size: int = 16, **more: object) -> PlacementGroup:
    usual = group(size, state="PENDING", scheduling="NO_RESOURCES", attempts=9)
    return replace(usual, **more)


def rows(*free: float, gpus: tuple[float, ...] = (8.0, 8.0)) -> tuple[RayNode, ...]:
    return tuple(
        replace(n, gpus=g, gpus_available=f)
        for n, f, g in zip(cluster().nodes, free, gpus, strict=False)
    )


def judged(evidence: Evidence) -> Verdict:
    return placement_group.judge_evidence(evidence)


def pending(one: PlacementGroup, nodes: tuple[RayNode, ...], *others: PlacementGroup) -> Verdict:
    return judged(with_ray(placement_groups=(one, *others), nodes=nodes, actors=()))


def actors(**changed: object) -> tuple[RayActor, ...]:
    every = cluster().actors
    assert isinstance(every, tuple)
    return (*every[:15], replace(every[15], **changed))


def test_a_placed_group_with_its_workers_passes_and_says_where() -> None:
    verdict = judged(HEALTHY)
    assert verdict.outcome == "pass"
    assert verdict.says.endswith("on each of 16 GPUs: 8 on vllm-head-0 and 8 on vllm-worker-0")
    assert "GetAllPlacementGroup" in verdict.cites[0].source


def test_gpus_that_ray_does_not_have_are_named_with_who_did_not_bring_them() -> None:
    verdict = pending(waiting(), rows(8.0))
    assert (verdict.outcome, verdict.cause) == ("fail", "pg_pending")
    assert verdict.says == (
        "the engine's placement group waits for 16 GPUs, and Ray has 8 on 1 node: "
        "vllm-worker-0 (10.0.0.3) never joined"
    )
    short = pending(waiting(), rows(8.0, 0.0, gpus=(8.0, 0.0)))
    assert "vllm-worker-0 (10.0.0.3) brought 0 of its 8" in short.says


def test_a_group_that_holds_the_gpus_is_named_and_a_leaked_one_is_the_cause() -> None:
    other = group(8, "0" * 8, id="c3" * 18, name="old-engine", creator_job="0600")
    verdict = pending(waiting(), rows(0.0, 8.0), other)
    assert (verdict.outcome, verdict.cause) == ("fail", "pg_pending")
    assert "and 8 are free: placement group old-engine holds 8 for job 0600" in verdict.says
    leaked = pending(waiting(), rows(0.0, 8.0), replace(other, detached=True))
    assert leaked.cause == "leaked_placement_group"
    assert leaked.remedy is not None
    assert "old-engine" in leaked.remedy


def test_a_detached_group_whose_workers_live_is_held_and_not_leaked() -> None:
    other = group(8, "0" * 8, id="c3" * 18, name="served", detached=True)
    alive = tuple(replace(a, placement_group=other.id) for a in actors()[:8])
    groups = (waiting(), other)
    verdict = judged(with_ray(placement_groups=groups, nodes=rows(0.0, 8.0), actors=alive))
    assert verdict.cause == "pg_pending"
    assert "served holds 8" in verdict.says


def test_a_full_driver_node_is_its_own_cause_though_others_are_free() -> None:
    other = group(8, "0" * 8, id="c3" * 18, creator_job="0600")
    one = replace(HEALTHY, intent=replace(HEALTHY.intent, tp=4, gpus=16))
    groups = (waiting(4), other)
    evidence = with_ray(one, placement_groups=groups, nodes=rows(0.0, 8.0), actors=())
    verdict = judged(evidence)
    assert verdict.cause == "driver_node_full"
    assert "8 are free, but none on vllm-head-0" in verdict.says
    leaked = (waiting(4), replace(other, detached=True))
    again = judged(with_ray(one, placement_groups=leaked, nodes=rows(0.0, 8.0), actors=()))
    assert again.cause == "leaked_placement_group"


def test_an_address_that_ray_does_not_know_is_never_placed() -> None:
    one = waiting()
    first = replace(one.bundles[0], pinned_ip="192.168.7.2")
    verdict = pending(replace(one, bundles=(first, *one.bundles[1:])), rows(8.0, 8.0))
    assert verdict.cause == "host_ip_mismatch"
    assert "wants a GPU of node 192.168.7.2" in verdict.says


def test_a_strategy_that_these_nodes_cannot_meet_is_told() -> None:
    spread = pending(waiting(strategy="STRICT_SPREAD"), rows(8.0, 8.0))
    assert "STRICT_SPREAD wants 16 nodes, and 2 have GPUs" in spread.says
    packed = pending(waiting(strategy="STRICT_PACK"), rows(8.0, 8.0))
    assert "STRICT_PACK wants all of them on one node, and the largest has 8" in packed.says
    other = pending(waiting(), rows(8.0, 8.0))
    assert (other.cause, "though 16 are free" in other.says) == ("pg_pending", True)


@pytest.mark.parametrize(
    "young",
    [
        {"scheduling": "QUEUED"},
        {"scheduling": "SCHEDULING_STARTED", "attempts": 1},
        {"state": "PREPARED", "scheduling": "FINISHED"},
    ],
)
def test_a_group_that_ray_has_only_begun_to_place_is_not_decided(young: dict[str, object]) -> None:
    verdict = pending(replace(waiting(), **young), rows(8.0, 8.0))
    assert verdict.outcome == "unknown"
    assert "look again" in verdict.says


def test_a_group_that_lost_a_node_says_which_and_that_gcs_spins() -> None:
    gone = replace(
        cluster().nodes[1], state="DEAD", end_ms=ASKED + 50_000, death_message="heartbeats"
    )
    nodes = (cluster().nodes[0], gone)
    lost = group(on="0" * 8, state="RESCHEDULING", attempts=2_900_000, asked_ms=ASKED)
    verdict = judged(with_ray(placement_groups=(lost,), nodes=nodes))
    assert (verdict.outcome, verdict.cause) == ("fail", "node_dead")
    assert "8 of 16 GPUs of the engine's placement group are lost: vllm-worker-0" in verdict.says
    assert "2900000 times" in verdict.says
    unseen = judged(with_ray(placement_groups=(lost,), nodes=nodes[:1]))
    assert unseen.cause == "pg_pending"


def test_an_engine_of_eight_where_sixteen_are_asked_for_is_too_small() -> None:
    small = group(8, "0" * 8)
    evidence = with_ray(placement_groups=(small,), actors=())
    verdict = judged(evidence)
    assert (verdict.outcome, verdict.cause) == ("fail", "group_too_small")
    assert "reserved 8 GPUs of Ray, and TP x PP = 16 is asked for: 8 on vllm-head-0" in verdict.says
    unsaid = replace(evidence, intent=Intent(engine="vllm"))
    alive = tuple(replace(a, placement_group=small.id) for a in actors()[:8])
    warned = judged(with_ray(unsaid, actors=alive))
    assert (warned.outcome, warned.cause) == ("warn", "group_too_small")


def test_each_copy_has_a_group_and_one_copy_less_is_too_small() -> None:
    two = (group(8, "0" * 8), group(8, "1" * 8, id="c3" * 18))
    every = tuple(
        replace(a, placement_group=two[i // 8].id, bundle=i % 8) for i, a in enumerate(actors())
    )
    copies = replace(HEALTHY, intent=replace(HEALTHY.intent, tp=8, dp=2))
    both = judged(with_ray(copies, placement_groups=two, actors=every))
    assert (both.outcome, both.says[:33]) == ("pass", "2 placement groups are placed, wi")
    one = judged(with_ray(copies, placement_groups=two[:1], actors=every[:8]))
    assert one.cause == "group_too_small"


def test_the_group_of_another_engine_beside_ours_is_left_alone() -> None:
    strange = replace(cluster().nodes[1], id="ee" * 28, ip="10.9.9.9", hostname="other")
    other = waiting(16, id="c3" * 18, bundles=(Bundle(0, 16.0, "", "10.9.9.9"),))
    own = cluster().placement_groups
    assert isinstance(own, tuple)
    nodes = (*cluster().nodes, strange)
    verdict = judged(with_ray(placement_groups=(*own, other), nodes=nodes))
    assert verdict.outcome == "pass"


def test_a_worker_that_died_or_is_not_there_is_short() -> None:
    dead = judged(with_ray(actors=actors(state="DEAD", death="RuntimeError: CUDA error")))
    assert (dead.outcome, dead.cause) == ("fail", "workers_short")
    assert "bundle 15 on vllm-worker-0: RuntimeError: CUDA error" in dead.says
    absent = judged(with_ray(actors=actors()[:12]))
    assert absent.cause == "workers_short"
    assert "12 of 16 workers are there" in absent.says
    assert "(12, 13, 14, 15), on vllm-worker-0" in absent.says


def test_a_worker_that_hangs_in_its_start_is_told_from_one_that_waits() -> None:
    hangs = judged(with_ray(actors=actors(state="PENDING_CREATION", pid=815)))
    assert (hangs.outcome, hangs.cause) == ("fail", "worker_not_ready")
    assert "pid 815 on vllm-worker-0 has started" in hangs.says
    waits = judged(with_ray(actors=actors(state="PENDING_CREATION", pid=0)))
    assert "no process yet" in waits.says


def test_workers_of_a_group_that_is_young_are_given_time() -> None:
    young = group(on="0" * 8 + "1" * 8, id="a1" * 18, asked_ms=ASKED)
    starts = judged(
        with_ray(placement_groups=(young,), actors=actors(state="PENDING_CREATION", pid=8))
    )
    assert starts.outcome == "unknown"
    assert judged(with_ray(placement_groups=(young,), actors=())).outcome == "unknown"
    old = replace(young, asked_ms=ASKED - 3_600_000)
    late = judged(with_ray(placement_groups=(old,), actors=()))
    assert (late.outcome, late.cause) == ("fail", "workers_short")


def test_a_gpu_given_to_two_workers_fails_and_a_fraction_does_not() -> None:
    twice = actors(gpu_indices=(0,))
    verdict = judged(with_ray(actors=twice))
    assert (verdict.outcome, verdict.cause) == ("fail", "gpu_shared")
    assert "GPU 0 of vllm-worker-0 is given to two workers" in verdict.says
    halves = cluster().placement_groups
    assert isinstance(halves, tuple)
    shared = replace(halves[0], bundles=tuple(replace(b, gpus=0.5) for b in halves[0].bundles))
    unsaid = replace(HEALTHY, intent=Intent(engine="vllm"))
    evidence = with_ray(unsaid, placement_groups=(shared,), actors=twice)
    assert judged(evidence).cause != "gpu_shared"


def test_no_group_is_not_decided_and_another_executor_needs_none() -> None:
    none = with_ray(placement_groups=(), actors=())
    assert judged(none).outcome == "unknown"
    ended = with_ray(placement_groups=(group(state="REMOVED"),), actors=())
    assert "1 earlier one ended" in judged(ended).says
    mp = replace(none, intent=replace(none.intent, executor="mp"))
    assert judged(mp).outcome == "skipped"


def test_groups_or_workers_that_ray_did_not_tell_are_no_pass() -> None:
    unsaid = judged(with_ray(placement_groups=Missing("the call failed")))
    assert (unsaid.outcome, "the call failed" in unsaid.says) == ("unknown", True)
    assert judged(with_ray(actors=Missing("the call failed"))).outcome == "unknown"
    strange = judged(with_ray(placement_groups=(group(state="9"),)))
    assert (strange.outcome, "state 9" in strange.says) == ("unknown", True)


def unpinned(size: int, **more: object) -> PlacementGroup:
    bundles = tuple(Bundle(i, 1.0) for i in range(size))
    return waiting(size, id="f1" * 18, name="other-job", bundles=bundles, **more)


@pytest.mark.parametrize("size", [8, 16])
@pytest.mark.parametrize("tp", [16, None])
def test_what_another_job_waits_for_is_no_fault_of_an_engine_at_work(
    size: int, tp: int | None
) -> None:
    own = cluster().placement_groups
    assert isinstance(own, tuple)
    evidence = with_ray(placement_groups=(unpinned(size), *own))
    intent = HEALTHY.intent if tp else replace(HEALTHY.intent, tp=None, pp=None)
    assert judged(replace(evidence, intent=intent)).outcome == "pass"


def test_a_group_that_waits_is_the_engines_where_it_is_pinned_or_nothing_else_works() -> None:
    own = cluster().placement_groups
    assert isinstance(own, tuple)
    pinned = judged(with_ray(placement_groups=(*own, waiting(id="f1" * 18))))
    assert (pinned.outcome, pinned.cause) == ("fail", "pg_pending")
    without = judged(with_ray(placement_groups=(*own, unpinned(16)), actors=actors(state="DEAD")))
    assert (without.outcome, without.cause) == ("fail", "pg_pending")
