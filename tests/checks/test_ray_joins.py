"""RAY001 and RAY002: why a node is not there, by every witness that can say it."""

from typing import Any

import pytest
from msgspec.structs import replace
from tests.checks.test_ray import (
    HEAD,
    NOW,
    PODS,
    WORKER,
    cluster,
    dead,
    group,
    look,
    node,
    outcomes,
)
from tests.checks.test_ray import judged as both_judged

from distcheck.checks.evidence import (
    Evidence,
    Missing,
    NodeLook,
    PodLook,
    PortProbe,
    PortProbes,
    Processes,
    RayCluster,
)
from distcheck.checks.evidence.node import PortOutcome
from distcheck.checks.evidence.policy import Services, ServiceSeen
from distcheck.checks.evidence.ray import (
    GCS_REFUSED,
    GCS_SILENT,
    NEEDS_TOKEN,
    LocalGcs,
    LocalRaylet,
    LocalStart,
    RayletAnswer,
    RayletAnswers,
    RayletOutcome,
    RayLocal,
)
from distcheck.checks.evidence.ray_log import RayLog, RaySaid, RaySaying
from distcheck.checks.evidence.rendezvous import LookupOutcome, NameLookup, NameLookups
from distcheck.checks.verdict import Verdict

ONE, BOTH = cluster(node(HEAD, id="h")), cluster(node(HEAD, id="h"), node(WORKER, id="w"))
SERVER = f"{HEAD}:6379"
NAME = "vllm-head-0.vllm-head"


def seen(pod: int, **parts: object) -> PodLook:
    return replace(PodLook.unseen(PODS[pod].key, "not seen"), **parts)


def with_looks(
    ray: RayCluster | Missing, worker: dict[str, Any], head: dict[str, Any] | None = None
) -> Evidence:
    nodes: tuple[NodeLook, ...] = (
        look("gpu-a", ray, seen(0, **(head or {}))),
        look("gpu-b", Missing("no raylet and no GCS here"), seen(1, **worker)),
    )
    return replace(group(ray), nodes=nodes)


def judged(evidence: Evidence) -> Verdict:
    return both_judged(evidence)[0]


def without_worker(head: dict[str, Any] | None = None, **worker: object) -> Verdict:
    verdict = judged(with_looks(ONE, worker, head))
    assert verdict.outcome == "fail"
    return verdict


def log(kind: RaySaying, **more: object) -> RayLog:
    said = RaySaid(kind, "Ray's own words", "w:0.log:7", 3, NOW, NOW)
    return RayLog(9, (replace(said, **more),))


def local(**parts: object) -> RayLocal:
    return replace(RayLocal(source="command lines in /proc", seen_at=NOW), **parts)


def waiting(address: str = SERVER, **more: object) -> RayLocal:
    return local(starts=(LocalStart(40, address, started_at=NOW),), **more)


def raylet(**more: object) -> RayLocal:
    told = LocalRaylet(50, SERVER, "w", WORKER, 8.0, started_at=NOW)
    return local(raylets=(replace(told, **more),))


def names(outcome: LookupOutcome, *addresses: str, name: str = NAME) -> NameLookups:
    return NameLookups((NameLookup(name, "--address of ray start", outcome, addresses),), "x", NOW)


def probe(outcome: PortOutcome) -> PortProbes:
    return PortProbes((PortProbe("llm/vllm-head-0", HEAD, 6379, "gcs", outcome),), "here", NOW)


def test_a_worker_that_cannot_connect_says_so_and_the_probe_says_how() -> None:
    told = log("gcs_not_reached", address=SERVER)
    verdict = without_worker(ray_log=told)
    assert verdict.cause == "gcs_unreachable"
    assert verdict.says == (
        "Ray has 1 of 2 nodes: vllm-worker-0 (10.77.0.3) cannot connect to 10.77.0.2:6379"
    )
    assert verdict.cites[0].source == "w:0.log:7"
    filtered = without_worker(ray_log=told, ports=probe("filtered"))
    assert "gets no answer from 10.77.0.2:6379: the packets are dropped" in filtered.says
    assert len({c.source for c in filtered.cites[:2]}) == 2
    refused = without_worker(ray_local=waiting(), ports=probe("refused"))
    assert (refused.cause, "nothing listens" in refused.says) == ("gcs_unreachable", True)


def test_a_port_that_is_open_now_is_not_blamed() -> None:
    told = log("gcs_not_reached", address=SERVER)
    verdict = without_worker(ray_log=told, ray_local=waiting(), ports=probe("open"))
    assert verdict.cause == "node_missing"
    assert "still tries 10.77.0.2:6379, which takes connections from there now" in verdict.says


def test_a_log_older_than_the_container_says_nothing() -> None:
    old = log("version_mismatch", seen_at="2026-11-21T04:00:00Z")
    evidence = with_looks(ONE, {"ray_log": old})
    pods = (PODS[0], replace(PODS[1], started_at="2026-11-21T04:30:00Z"))
    assert judged(replace(evidence, pods=pods)).cause == "node_missing"
    assert judged(evidence).cause == "version_mismatch"


def test_versions_that_differ_are_named_on_both_sides() -> None:
    told = log("version_mismatch", head=("2.40.0", "3.11.7"), own=("2.44.1", "3.11.7"))
    verdict = without_worker(ray_log=told)
    assert verdict.cause == "version_mismatch"
    assert "vllm-worker-0 (10.77.0.3) has Ray 2.44.1, the head 2.40.0" in verdict.says


def test_a_start_that_cannot_read_the_head_is_of_another_version_by_the_containers() -> None:
    told = log("kv_unread")
    alone = without_worker(ray_log=told)
    assert (alone.cause, "another version" in alone.says) == ("version_mismatch", True)
    both = without_worker(
        {"ray_local": local(heads=(LocalGcs(9, SERVER),), python_version="3.11.7")},
        ray_log=told,
        ray_local=waiting(ray_version="2.40.0", python_version="3.12"),
    )
    assert "has Ray 2.40.0, the head 2.60.0 and Python 3.12, the head 3.11.7" in both.says


def test_containers_alone_show_a_mismatch_while_ray_start_waits() -> None:
    verdict = without_worker(ray_local=waiting(ray_version="2.40.0"))
    assert verdict.cause == "version_mismatch"
    same = without_worker(ray_local=waiting(ray_version="2.60.0", python_version="3.11"))
    assert same.cause == "node_missing"


def test_a_token_that_the_head_does_not_take_is_named() -> None:
    verdict = without_worker(ray_log=log("auth_token"))
    assert (verdict.cause, "no token" in verdict.says) == ("needs_token", True)


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        ("no_such_name", "there is no such name"),
        ("no_address", "the name has no address"),
        ("no_answer", "no name server answers"),
    ],
)
def test_a_name_that_does_not_resolve_is_named(outcome: LookupOutcome, why: str) -> None:
    verdict = without_worker(ray_local=waiting(f"{NAME}:6379"), names=names(outcome))
    assert verdict.cause == "name_unresolved"
    assert f"cannot resolve {NAME}: {why}" in verdict.says


def test_a_name_is_unresolved_by_the_log_unless_it_resolves_now() -> None:
    told = log("name_unresolved", address=NAME)
    assert without_worker(ray_log=told).cause == "name_unresolved"
    now = without_worker(
        ray_log=told, ray_local=waiting(f"{NAME}:6379"), names=names("resolved", HEAD)
    )
    assert now.cause == "node_missing"


def test_an_address_that_is_not_the_heads_is_named() -> None:
    wrong = without_worker(ray_local=waiting("10.77.0.77:6379"))
    assert wrong.cause == "wrong_address"
    assert "looks for the head at 10.77.0.77, and it is at 10.77.0.2:6379" in wrong.says
    port = without_worker(ray_local=waiting(f"{HEAD}:6390"))
    assert "looks for the head on port 6390, and it is at 10.77.0.2:6379" in port.says
    itself = without_worker(ray_log=log("gcs_not_reached", address="127.0.0.1:6379"))
    assert "looks for the head at 127.0.0.1, which is itself" in itself.says


def test_a_name_that_leads_elsewhere_is_wrong_and_that_of_a_service_is_not() -> None:
    worker = {
        "ray_local": waiting(f"{NAME}:6379"),
        "names": names("resolved", "10.96.0.7"),
    }
    evidence = with_looks(ONE, worker)
    assert judged(evidence).cause == "node_missing"
    none = replace(evidence, services=Services((), "listed", NOW))
    assert judged(none).cause == "name_wrong"
    service = ServiceSeen("vllm-head", "llm", cluster_ips=("10.96.0.7",))
    assert judged(replace(none, services=Services((service,), "x"))).cause == "node_missing"


def test_a_head_that_restarted_has_forgotten_its_worker() -> None:
    ray = replace(ONE, cluster_id="aa" * 14)
    by_id = judged(with_looks(ray, {"ray_local": raylet(cluster_id="bb" * 14)}))
    assert by_id.cause == "gcs_restarted"
    assert "still in the Ray of before the head restarted" in by_id.says
    later = cluster(node(HEAD, start_ms=1_795_238_400_000))
    by_time = judged(with_looks(later, {"ray_local": raylet(started_at="2026-11-21T04:00:00Z")}))
    assert by_time.cause == "gcs_restarted"
    assert "joined before the head restarted" in by_time.says
    assert without_worker(ray_log=log("gcs_restarted")).cause == "gcs_restarted"
    assert without_worker(ray_local=raylet()).cause == "node_missing"


def test_a_raylet_of_another_head_is_at_the_wrong_address() -> None:
    ray = replace(ONE, cluster_id="aa" * 14)
    other = raylet(cluster_id="bb" * 14, gcs_address="10.77.0.9:6379")
    verdict = judged(with_looks(ray, {"ray_local": other}))
    assert (verdict.cause, "another Ray, at 10.77.0.9:6379" in verdict.says) == (
        "wrong_address",
        True,
    )


def test_a_start_that_ended_is_told_with_its_last_words() -> None:
    ended = without_worker(ray_local=local())
    assert (ended.cause, "no `ray start` and no raylet" in ended.says) == ("node_missing", True)
    taken = without_worker(ray_log=log("port_taken"))
    assert "never joined: Ray's own words" in taken.says
    still = without_worker(ray_local=waiting())
    assert "its `ray start` still tries 10.77.0.2:6379" in still.says


def test_what_is_left_of_a_dead_node_tells_a_firewall_from_a_crash() -> None:
    lost = cluster(node(HEAD), dead(WORKER))
    runs = judged(with_looks(lost, {"ray_local": raylet()}))
    assert runs.cause == "node_dead"
    assert "it still runs its raylet, which GCS could not reach" in runs.says
    assert runs.remedy is not None
    assert "from the head" in runs.remedy
    crashed = judged(with_looks(lost, {"ray_local": local()}))
    assert "it has no raylet any more" in crashed.says
    again = judged(with_looks(lost, {"ray_log": log("version_mismatch", head=("2", "3"))}))
    assert again.cause == "version_mismatch"


def test_a_node_that_joins_and_dies_again_and_again_is_counted() -> None:
    rows = (node(HEAD), *(dead(WORKER, end_ms=n) for n in (1, 2, 3)))
    assert "it joined and died 3 times" in judged(group(cluster(*rows))).says


def ways(outcome: RayletOutcome, *, inside: bool = True, peer: int = 1) -> RayletAnswers:
    one = RayletAnswer(PODS[peer].key, (HEAD, WORKER)[peer], 40001, "node_manager", outcome)
    return RayletAnswers((one,), f"netns of {PODS[1 - peer].name}", inside, NOW)


ASKED = cluster(
    node(HEAD, id="h", node_manager_port=40001, object_manager_port=40002),
    node(WORKER, id="w", node_manager_port=40001, object_manager_port=40002),
)


def test_a_filtered_way_back_fails_before_ray_itself_knows() -> None:
    verdict = judged(with_looks(ASKED, {}, {"raylets": ways("no_answer")}))
    assert (verdict.outcome, verdict.cause) == ("fail", "raylet_unreachable")
    assert verdict.says == (
        "vllm-head-0 gets no answer from the raylet of vllm-worker-0 (10.77.0.3:40001); GCS still "
        "lists it as ALIVE, and as DEAD within 75 s"
    )
    assert verdict.subjects == ("vllm-worker-0",)


def test_a_raylet_silent_to_the_agent_or_to_a_worker_is_a_warning() -> None:
    agent = judged(with_looks(ASKED, {}, {"raylets": ways("no_answer", inside=False)}))
    assert (agent.outcome, agent.cause) == ("warn", "raylet_unreachable")
    assert "the agent beside vllm-head-0" in agent.says
    back = judged(with_looks(ASKED, {"raylets": ways("no_answer", peer=0)}))
    assert (back.outcome, "vllm-worker-0 gets no answer" in back.says) == ("warn", True)


def test_an_answer_of_a_port_that_the_table_does_not_name_any_more_is_left_out() -> None:
    moved = cluster(node(HEAD), node(WORKER, node_manager_port=40777))
    assert judged(with_looks(moved, {}, {"raylets": ways("refused")})).outcome == "pass"


def test_a_young_answer_is_said_to_be_young_unless_the_raylets_answered_the_head() -> None:
    started = 1_795_237_200_000 - 20_000
    young = cluster(
        node(HEAD, node_manager_port=40001, start_ms=9),
        node(WORKER, node_manager_port=40001, start_ms=started),
    )
    verdict = judged(group(young))
    assert verdict.outcome == "pass"
    assert "; vllm-worker-0 joined 20 s before, and this is young" in verdict.says
    asked = judged(with_looks(young, {}, {"raylets": ways("serving")}))
    assert asked.says == "2 of 2 Ray nodes are alive"
    old = cluster(*(replace(n, start_ms=started - 60_000) for n in young.nodes))
    assert judged(group(old)).says == "2 of 2 Ray nodes are alive"


def test_a_vllm_host_ip_that_ray_does_not_know_is_a_warning() -> None:
    env = Processes((), {"VLLM_HOST_IP": "192.168.4.2"}, NOW)
    verdict = judged(with_looks(BOTH, {}, {"processes": env}))
    assert (verdict.outcome, verdict.cause) == ("warn", "host_ip_mismatch")
    assert "VLLM_HOST_IP of vllm-head-0 is 192.168.4.2, and Ray knows it as 10.77.0.2" in (
        verdict.says
    )
    same = Processes((), {"VLLM_HOST_IP": HEAD}, NOW)
    assert judged(with_looks(BOTH, {}, {"processes": same})).outcome == "pass"


def test_a_head_on_loopback_is_found_without_an_answer_of_its_gcs() -> None:
    gone = Missing("GCS is not asked: 127.0.0.1 is the agent's own")
    head = {"ray_local": local(heads=(LocalGcs(9, "127.0.0.1:6379"),))}
    verdict = judged(with_looks(gone, {"ray_log": log("gcs_not_reached")}, head))
    assert (verdict.outcome, verdict.cause) == ("fail", "head_on_loopback")
    assert "the head in vllm-head-0 is on loopback (127.0.0.1:6379)" in verdict.says


def test_a_gcs_that_is_down_fails_and_a_silent_one_only_with_a_second_witness() -> None:
    down = Missing("Ray's GCS at 10.77.0.2:6379: connection refused", GCS_REFUSED)
    assert outcomes(with_looks(down, {}))[0] == ("fail", "gcs_unreachable")
    silent = Missing("Ray's GCS at 10.77.0.2:6379: no answer", GCS_SILENT)
    assert outcomes(with_looks(silent, {}))[0] == ("unknown", None)
    told = log("gcs_not_reached", address=SERVER)
    verdict = judged(with_looks(silent, {"ray_log": told}))
    assert (verdict.outcome, verdict.cause) == ("fail", "gcs_unreachable")
    assert "vllm-worker-0 cannot connect to 10.77.0.2:6379" in verdict.says


def test_a_gcs_that_wants_a_token_is_unknown_and_says_which_is_missing() -> None:
    verdict = judged(with_looks(Missing("it needs a token", NEEDS_TOKEN), {}))
    assert (verdict.outcome, verdict.cause) == ("unknown", "needs_token")
    assert "it needs a token" in verdict.says


def test_a_worker_that_told_its_raylet_no_gpus_is_said_to_have_done_so() -> None:
    short = cluster(node(HEAD), node(WORKER, gpus=0.0))
    gpus = both_judged(with_looks(short, {"ray_local": raylet(gpus=0.0)}))[1]
    assert gpus.cause == "node_gpu_short"
    assert "brought 0 of its 8: its `ray start` found or was given 0" in gpus.says
