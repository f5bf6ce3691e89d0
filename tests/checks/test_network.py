"""NET001: every direction between the pods, by probe or by a connection that is there."""

from collections.abc import Callable

import pytest
from msgspec import structs
from tests.evidence_builder import change_looks, healthy, without_look

from distcheck.checks.evidence import (
    Connection,
    Evidence,
    Missing,
    NcclLog,
    NodeLook,
    PodLook,
    PortProbe,
    PortProbes,
    RayCluster,
)
from distcheck.checks.evidence.nccl import Channels, Echo, SeenRank
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

    verdict = _judged(_dead_in_ray(change_looks(healthy(), without_gcs)))
    assert verdict.outcome == "unknown"
    assert "gcs (10.0.0.2:6379)" in verdict.says
    joined = _judged(change_looks(healthy(), without_gcs))
    assert joined.outcome == "pass"
    assert "vllm-worker-0 is ALIVE in the GCS at 10.0.0.2:6379" in " ".join(
        c.what for c in joined.cites
    )


def _dead_in_ray(evidence: Evidence) -> Evidence:
    """GCS has lost the worker's node: that it had called once says nothing of now."""

    def gone(look: NodeLook) -> NodeLook:
        if not isinstance(look.ray, RayCluster):
            return look
        nodes = (
            structs.replace(n, state="DEAD") if n.ip == WORKER_IP else n for n in look.ray.nodes
        )
        return structs.replace(look, ray=structs.replace(look.ray, nodes=tuple(nodes)))

    return structs.replace(evidence, nodes=tuple(map(gone, evidence.nodes)))


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


def _without_ray(keep: Callable[[SeenRank], SeenRank | None] = lambda rank: rank) -> Evidence:
    """Only the worker could try a port, where its ranks meet those of the head."""

    def change(look: PodLook) -> PodLook:
        probes = look.ports.probes if isinstance(look.ports, PortProbes) else ()
        met = tuple(p for p in probes if look.pod == WORKER and p.service == "rendezvous")
        ports = PortProbes(met) if met else OFF
        assert isinstance(look.nccl, NcclLog)
        comms = tuple(
            structs.replace(c, ranks=tuple(filter(None, map(keep, c.ranks))))
            for c in look.nccl.communicators
        )
        nccl = structs.replace(look.nccl, communicators=comms)
        return structs.replace(look, ports=ports, nccl=nccl)

    nodes = (structs.replace(n, ray=Missing("no Ray")) for n in healthy().nodes)
    return change_looks(structs.replace(healthy(), nodes=tuple(nodes)), change)


def test_a_completed_communicator_proves_both_directions_and_is_cited() -> None:
    verdict = _judged(_without_ray())
    assert verdict.outcome == "pass"
    whats = [c.what for c in verdict.cites]
    assert any(w.startswith("rank 7 on vllm-head-0 and rank 8 on vllm-worker-0") for w in whats)
    assert any(w.startswith("rank 15 on vllm-worker-0 and rank 0 on vllm-head-0") for w in whats)


def test_ranks_that_only_started_prove_no_direction() -> None:
    verdict = _judged(_without_ray(lambda rank: structs.replace(rank, state="started")))
    assert verdict.outcome == "unknown"
    assert "vllm-head-0 to vllm-worker-0" in verdict.says


def test_ranks_that_left_their_communicator_prove_no_direction() -> None:
    verdict = _judged(_without_ray(lambda rank: structs.replace(rank, closed=True)))
    assert verdict.outcome == "unknown"


@pytest.mark.parametrize(
    ("seen", "undecided"),
    [((7, 8), None), ((15, 1), "vllm-head-0 to vllm-worker-0")],
)
def test_two_ranks_prove_only_the_direction_of_the_ring_between_them(
    seen: tuple[int, ...], undecided: str | None
) -> None:
    verdict = _judged(_without_ray(lambda rank: rank if rank.rank in seen else None))
    assert verdict.outcome == ("unknown" if undecided else "pass")
    assert undecided is None or undecided in verdict.says


def test_the_root_calls_every_pod_back_also_one_that_is_not_its_neighbour() -> None:
    verdict = _judged(_without_ray(lambda rank: rank if rank.rank in (0, 12) else None))
    assert verdict.outcome == "pass"
    assert any("called the second back" in c.what for c in verdict.cites)


def test_a_ring_that_is_not_over_tcp_proves_no_direction() -> None:
    def other(look: PodLook) -> PodLook:
        assert isinstance(look.nccl, NcclLog)
        echo = Echo("NCCL_OOB_NET_ENABLE", "1", "vllm-head-0", "0.log:7")
        return structs.replace(look, nccl=structs.replace(look.nccl, echoes=(echo,)))

    assert _judged(change_looks(_without_ray(), other)).outcome == "unknown"


def _of_four(lost: int | None = None) -> Evidence:
    """Four pods without Ray, probes or engine lines; rank `lost` has not completed."""

    def bare(look: PodLook) -> PodLook:
        assert isinstance(look.nccl, NcclLog)
        comms = tuple(
            structs.replace(
                c,
                ranks=tuple(
                    structs.replace(r, state="started") if r.rank == lost else r for r in c.ranks
                ),
            )
            for c in look.nccl.communicators
        )
        nccl = structs.replace(look.nccl, communicators=comms, channels=())
        return structs.replace(look, ports=OFF, vllm=Missing("no log"), nccl=nccl)

    nodes = (structs.replace(n, ray=Missing("no Ray")) for n in healthy(4).nodes)
    return change_looks(structs.replace(healthy(4), nodes=tuple(nodes)), bare)


def test_workers_that_are_no_neighbours_use_no_port_where_all_ranks_have_met() -> None:
    verdict = _judged(_of_four())
    assert verdict.outcome == "pass"
    cited = " ".join(c.what for c in verdict.cites)
    assert all(f"vllm-{name}" in cited for name in ("head-0", "worker-0", "worker-1", "worker-2"))


def test_workers_that_are_no_neighbours_are_undecided_where_a_rank_is_missing() -> None:
    verdict = _judged(_of_four(lost=17))
    assert verdict.outcome == "unknown"
    assert "vllm-worker-0 to vllm-worker-2" in verdict.says


def test_a_blocked_port_between_workers_fails_although_all_ranks_have_met() -> None:
    shut = PortProbe("llm/vllm-worker-2", "10.0.0.5", 40001, "nccl", "filtered")

    def tried(look: PodLook) -> PodLook:
        ports = PortProbes((shut,)) if look.pod == WORKER else look.ports
        return structs.replace(look, ports=ports)

    verdict = _judged(change_looks(_of_four(), tried))
    assert (verdict.outcome, verdict.cause) == ("fail", "filtered")


def test_the_ends_of_a_channel_prove_both_directions() -> None:
    """Ranks 12 and 3 are no neighbours in the ring, and neither is the root."""
    evidence = _without_ray(lambda rank: rank if rank.rank in (3, 12) else None)
    assert _judged(_with_channel(evidence, late=True)).outcome == "unknown"
    assert _judged(_with_channel(evidence, late=False)).outcome == "pass"


def _with_channel(evidence: Evidence, *, late: bool) -> Evidence:
    def linked(look: PodLook) -> PodLook:
        assert isinstance(look.nccl, NcclLog)
        one = Channels(
            "vllm-worker-0", 204, "send", "NET/IB/GDRDMA", "inter_node", 2, "0.log:9",
            look.nccl.communicators[0].id, ((12, 3),), late,
        )  # fmt: skip
        return structs.replace(look, nccl=structs.replace(look.nccl, channels=(one,)))

    return change_looks(evidence, linked)


def test_hosts_that_two_pods_may_answer_for_prove_no_direction() -> None:
    evidence = _without_ray()
    pods = tuple(structs.replace(p, hostname="one") for p in evidence.pods)

    def named(look: PodLook) -> PodLook:
        assert isinstance(look.nccl, NcclLog)
        comms = tuple(
            structs.replace(c, ranks=tuple(structs.replace(r, host="one") for r in c.ranks))
            for c in look.nccl.communicators
        )
        return structs.replace(look, nccl=structs.replace(look.nccl, communicators=comms))

    verdict = _judged(change_looks(structs.replace(evidence, pods=pods), named))
    assert verdict.outcome == "unknown"


def test_a_connection_of_which_nobody_knows_the_opener_names_the_undecided_direction() -> None:
    def connected(look: PodLook) -> PodLook:
        held = Connection(HEAD_IP, 50000, WORKER_IP, 50001)
        nccl = Missing("NCCL_DEBUG is not set")
        return structs.replace(look, nccl=nccl, connections=(held,) if look.pod == HEAD else ())

    verdict = _judged(change_looks(_without_ray(), connected))
    assert verdict.outcome == "unknown"
    assert "vllm-head-0 to vllm-worker-0: they are connected, but no line tells" in verdict.says


def test_a_group_of_one_pod_is_skipped() -> None:
    verdict = _judged(healthy(1))
    assert verdict.outcome == "skipped"


def test_one_known_pod_of_a_larger_group_is_unknown_not_skipped() -> None:
    evidence = structs.replace(healthy(), pods=healthy().pods[:1])
    assert _judged(evidence).outcome == "unknown"
