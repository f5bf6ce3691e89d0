"""NET001 on the ports that NCCL picks at random: what proves them, what closes them."""

from collections.abc import Callable

import pytest
from msgspec import structs
from tests.evidence_builder import change_looks, healthy

from distcheck.checks.evidence import (
    Connection,
    Evidence,
    Missing,
    NcclLog,
    PodLook,
    PortProbe,
    PortProbes,
    Process,
    Processes,
)
from distcheck.checks.evidence.node import PortOutcome
from distcheck.checks.evidence.policy import Services, ServiceSeen
from distcheck.checks.network.ports_reachable import ports_reachable
from distcheck.checks.verdict import Verdict

HEAD, WORKER = "llm/vllm-head-0", "llm/vllm-worker-0"
IP = {HEAD: "10.0.0.2", WORKER: "10.0.0.3"}
OTHER = {HEAD: WORKER, WORKER: HEAD}
WAY = "vllm-worker-0 to vllm-head-0"


def judged(evidence: Evidence) -> Verdict:
    return ports_reachable.judge_evidence(evidence)


def unmet(change: Callable[[PodLook], PodLook] = lambda look: look) -> Evidence:
    """The known ports are open, and no rank has completed a communicator."""

    def started(look: PodLook) -> PodLook:
        assert isinstance(look.nccl, NcclLog)
        comms = tuple(
            structs.replace(c, ranks=tuple(structs.replace(r, state="started") for r in c.ranks))
            for c in look.nccl.communicators
        )
        nccl = structs.replace(look.nccl, communicators=comms, channels=())
        return change(structs.replace(look, nccl=nccl))

    return change_looks(healthy(), started)


def probed(
    outcomes: dict[str, PortOutcome], unused: PortOutcome = "refused", detail: str = ""
) -> Evidence:
    """Each pod tried NCCL's range of the other one, and that ended so."""

    def tried(look: PodLook) -> PodLook:
        assert isinstance(look.ports, PortProbes)
        other = OTHER[look.pod]
        ended = outcomes.get(look.pod, "open")
        more = (
            PortProbe(other, IP[other], 41234, "nccl", ended, detail),
            PortProbe(other, IP[other], 41235, "unused", unused),
        )
        probes = (*look.ports.probes, *more)
        ports = structs.replace(look.ports, probes=probes, ephemeral=(32768, 60999))
        return structs.replace(look, ports=ports)

    return unmet(tried)


def connected(*held: Connection) -> Evidence:
    def change(look: PodLook) -> PodLook:
        return structs.replace(look, connections=tuple(c for c in held if c.local == IP[look.pod]))

    return unmet(change)


def taken(pod: str, port: int) -> Connection:
    return Connection(IP[pod], port, IP[OTHER[pod]], 50123, accepted=True)


def test_known_ports_alone_leave_the_range_undecided() -> None:
    verdict = judged(unmet())
    assert verdict.outcome == "unknown"
    assert f"{WAY}: NCCL's range was not tried" in verdict.says


def test_why_no_agent_listened_is_told() -> None:
    def told(look: PodLook) -> PodLook:
        assert isinstance(look.ports, PortProbes)
        why = {HEAD: "port probes are switched off on gpu-0"}
        return structs.replace(look, ports=structs.replace(look.ports, unlistened=why))

    says = judged(unmet(told)).says
    assert f"{WAY}: NCCL's range was not tried (port probes are switched off on gpu-0)" in says


def test_an_agents_word_from_the_range_both_ways_passes() -> None:
    verdict = judged(probed({}))
    assert verdict.outcome == "pass"
    assert any("an agent's listener in NCCL's range" in c.what for c in verdict.cites)
    assert not any("41235" in c.what for c in verdict.cites)


def test_one_way_that_is_closed_fails_and_the_other_is_named_open() -> None:
    verdict = judged(probed({WORKER: "filtered"}, detail="no answer in 2 s"))
    assert (verdict.outcome, verdict.cause) == ("fail", "filtered")
    assert verdict.says.startswith("vllm-worker-0 gets no answer from vllm-head-0: NCCL's range ")
    assert "32768-60999 (10.0.0.2:41234)" in verdict.says
    assert verdict.says.endswith("are open; the other way is open")


def test_both_ways_closed_are_told_in_one_sentence() -> None:
    verdict = judged(probed({WORKER: "filtered", HEAD: "filtered"}))
    assert verdict.says.endswith("; the same the other way")
    assert len(verdict.cites) == 2


@pytest.mark.parametrize(
    ("outcome", "unused", "cause"),
    [
        ("filtered", "filtered", "filtered"),
        ("rejected", "refused", "rejected"),
        ("refused", "refused", "rejected"),
        ("silent", "open", "mesh_intercepts"),
        ("black_hole", "refused", "mtu_black_hole"),
        ("open", "filtered", "filtered"),
    ],
)
def test_every_way_in_which_the_range_is_closed_has_its_cause(
    outcome: PortOutcome, unused: PortOutcome, cause: str
) -> None:
    verdict = judged(probed({WORKER: outcome}, unused))
    assert (verdict.outcome, verdict.cause) == ("fail", cause)
    assert verdict.remedy


def test_a_reset_where_an_agent_listens_is_not_an_absent_listener() -> None:
    says = judged(probed({WORKER: "refused"})).says
    assert "reset, where an agent listens" in says
    assert "nothing listens" not in says


@pytest.mark.parametrize("outcome", ["silent", "error"])
def test_a_listener_that_says_nothing_alone_is_undecided(outcome: PortOutcome) -> None:
    assert judged(probed({WORKER: outcome})).outcome == "unknown"


def test_a_proxy_that_passes_the_agents_word_on_proves_the_range_and_no_other_port() -> None:
    verdict = judged(probed({}, unused="open"))
    assert verdict.outcome == "unknown"
    assert "rendezvous (10.0.0.2:41000) was not tried" in verdict.says


def test_connections_that_each_pod_accepted_in_the_range_pass_without_a_probe() -> None:
    verdict = judged(connected(taken(HEAD, 40123), taken(WORKER, 40124)))
    assert verdict.outcome == "pass"


@pytest.mark.parametrize("port", [10_050, 29_500])
def test_a_port_below_the_range_proves_nothing_of_it(port: int) -> None:
    verdict = judged(connected(taken(HEAD, port), taken(WORKER, port)))
    assert verdict.outcome == "unknown"
    assert "NCCL's range was not tried" in verdict.says


def test_a_connection_that_one_pod_accepted_says_nothing_of_the_other_way() -> None:
    callers = Connection(IP[WORKER], 50123, IP[HEAD], 40123)
    verdict = judged(connected(taken(HEAD, 40123), callers))
    assert verdict.outcome == "unknown"
    assert "vllm-head-0 to vllm-worker-0: NCCL's range" in verdict.says
    assert f"{WAY}: NCCL's range" not in verdict.says


def test_a_connection_of_unknown_opener_in_the_range_counts_beside_proven_directions() -> None:
    assert judged(connected(Connection(IP[HEAD], 40123, IP[WORKER], 50123))).outcome == "pass"


def _without_meeting_point(evidence: Evidence) -> Evidence:
    nodes = (structs.replace(n, ray=Missing("no Ray")) for n in evidence.nodes)
    without = structs.replace(evidence, nodes=tuple(nodes))
    return change_looks(without, lambda look: structs.replace(look, vllm=Missing("no log")))


def test_the_range_alone_decides_where_no_meeting_point_is_known() -> None:
    assert judged(_without_meeting_point(probed({}))).outcome == "pass"
    verdict = judged(_without_meeting_point(unmet()))
    assert "no address where the pods meet is known" in verdict.says


def _sent_to(address: str, *, ready: tuple[str, ...] = ()) -> Evidence:
    """The worker's raylet joins at a Service's address, and no Ray answers."""

    def change(look: PodLook) -> PodLook:
        raylet = Process(9, "raylet", argv=("raylet", f"--gcs-address={address}:6379"))
        return structs.replace(look, processes=Processes((raylet,))) if look.pod == WORKER else look

    evidence = _without_meeting_point(change_looks(probed({}), change))
    service = ServiceSeen("vllm-head", "llm", ("10.96.0.12",), addresses=ready)
    return structs.replace(evidence, services=Services((service,), "the API"))


def test_a_service_without_a_ready_pod_is_told_apart_from_a_firewall() -> None:
    verdict = judged(_sent_to("10.96.0.12"))
    assert (verdict.outcome, verdict.cause) == ("fail", "no_endpoints")
    assert verdict.says.startswith("vllm-worker-0 is sent to Service vllm-head (10.96.0.12)")
    assert judged(_sent_to("10.96.0.12", ready=("10.0.0.2",))).outcome == "pass"
    assert judged(_sent_to("10.0.0.2")).outcome == "pass"


def test_a_service_whose_endpoints_were_not_read_is_not_empty() -> None:
    evidence = _sent_to("10.96.0.12")
    assert isinstance(evidence.services, Services)
    unasked = structs.replace(evidence.services, unasked=("EndpointSlices: 403",))
    verdict = judged(structs.replace(evidence, services=unasked))
    assert (verdict.outcome, verdict.cause) == ("pass", None)
