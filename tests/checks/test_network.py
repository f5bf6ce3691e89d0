"""NET001: every direction between the pods, by probe or by a connection that is there."""

import pytest
from msgspec import structs
from tests.evidence_builder import change_looks, healthy, without_look

from distcheck.checks.evidence import Connection, Evidence, Missing, PodLook, PortProbes
from distcheck.checks.evidence.node import PortOutcome
from distcheck.checks.network.ports_reachable import ports_reachable
from distcheck.checks.verdict import Verdict

HEAD, WORKER = "llm/vllm-head-0", "llm/vllm-worker-0"
HEAD_IP, WORKER_IP = "10.0.0.2", "10.0.0.3"
OFF = Missing("port probes are switched off on this node")


def _judged(evidence: Evidence) -> Verdict:
    return ports_reachable.judge_evidence(evidence)


def _ending(pod: str, service: str, outcome: PortOutcome, detail: str = "") -> Evidence:
    """The healthy group, but what `pod` tries at `service` ends otherwise."""

    def change(look: PodLook) -> PodLook:
        if look.pod != pod or not isinstance(look.ports, PortProbes):
            return look
        probes = tuple(
            structs.replace(p, outcome=outcome, detail=detail) if p.service == service else p
            for p in look.ports.probes
        )
        return structs.replace(look, ports=structs.replace(look.ports, probes=probes))

    return change_looks(healthy(), change)


def _unprobed(**connections: tuple[Connection, ...]) -> Evidence:
    """No probes; `head` and `worker` hold these connections."""
    held = {HEAD: connections.get("head", ()), WORKER: connections.get("worker", ())}

    def change(look: PodLook) -> PodLook:
        return structs.replace(look, ports=OFF, connections=held[look.pod])

    return change_looks(healthy(), change)


def test_open_ports_in_both_directions_pass() -> None:
    verdict = _judged(healthy())
    assert verdict.outcome == "pass"
    whats = [c.what for c in verdict.cites]
    assert any(w.startswith("vllm-head-0 to vllm-worker-0") for w in whats)
    assert any(w.startswith("vllm-worker-0 to vllm-head-0") for w in whats)


@pytest.mark.parametrize(
    ("outcome", "cause"),
    [("filtered", "filtered"), ("rejected", "rejected"), ("refused", "no_listener")],
)
def test_one_port_that_does_not_answer_fails(outcome: PortOutcome, cause: str) -> None:
    verdict = _judged(_ending(WORKER, "ray-gcs", outcome, "ICMP prohibited from 10.0.0.1"))
    assert (verdict.outcome, verdict.cause) == ("fail", cause)
    assert "10.0.0.2:6379" in verdict.says
    assert "ICMP prohibited from 10.0.0.1" in verdict.says


def test_a_refused_port_of_an_engine_that_was_started_again_does_not_fail() -> None:
    def with_stale(look: PodLook) -> PodLook:
        assert isinstance(look.ports, PortProbes)
        first = look.ports.probes[-1]
        stale = structs.replace(first, port=40999, outcome="refused")
        ports = structs.replace(look.ports, probes=(*look.ports.probes, stale))
        return structs.replace(look, ports=ports)

    assert _judged(change_looks(healthy(), with_stale)).outcome == "pass"


def test_a_port_that_could_not_be_tried_is_unknown() -> None:
    verdict = _judged(_ending(WORKER, "rendezvous", "error", "not tried"))
    assert verdict.outcome == "unknown"


def test_a_direction_that_nobody_saw_is_unknown_and_named() -> None:
    verdict = _judged(without_look(healthy(), "vllm-worker-0"))
    assert verdict.outcome == "unknown"
    assert "vllm-worker-0 to vllm-head-0" in verdict.says


def test_a_meeting_point_that_was_not_tried_is_unknown_and_named() -> None:
    def without_gcs(look: PodLook) -> PodLook:
        assert isinstance(look.ports, PortProbes)
        kept = tuple(p for p in look.ports.probes if p.service != "ray-gcs")
        return structs.replace(look, ports=structs.replace(look.ports, probes=kept))

    verdict = _judged(change_looks(healthy(), without_gcs))
    assert verdict.outcome == "unknown"
    assert "gcs (10.0.0.2:6379)" in verdict.says


def test_probes_switched_off_and_no_connection_is_unknown_with_the_reason() -> None:
    verdict = _judged(_unprobed())
    assert verdict.outcome == "unknown"
    assert OFF.reason in verdict.says


def test_connections_that_are_there_prove_both_directions_without_a_probe() -> None:
    there = (
        Connection(WORKER_IP, 50000, HEAD_IP, 6379),
        Connection(WORKER_IP, 50001, HEAD_IP, 41000),
    )
    back = (Connection(HEAD_IP, 50002, WORKER_IP, 40001),)
    verdict = _judged(_unprobed(worker=there, head=back))
    assert verdict.outcome == "pass"


def test_the_accepting_side_of_a_connection_proves_the_same() -> None:
    seen = (
        Connection(HEAD_IP, 6379, WORKER_IP, 50000),
        Connection(HEAD_IP, 41000, WORKER_IP, 50001),
        Connection(HEAD_IP, 50002, WORKER_IP, 40001),
    )
    assert _judged(_unprobed(head=seen)).outcome == "pass"


def test_a_connection_between_ports_that_nobody_names_proves_no_direction() -> None:
    seen = (Connection(HEAD_IP, 50000, WORKER_IP, 50001),)
    assert _judged(_unprobed(head=seen)).outcome == "unknown"


def test_a_group_of_one_pod_is_skipped() -> None:
    verdict = _judged(healthy(1))
    assert verdict.outcome == "skipped"


def test_one_known_pod_of_a_larger_group_is_unknown_not_skipped() -> None:
    evidence = structs.replace(healthy(), pods=healthy().pods[:1])
    assert _judged(evidence).outcome == "unknown"
