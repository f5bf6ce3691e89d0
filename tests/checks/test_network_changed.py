"""NET001 while pods change: what was tried of a pod that is gone, and Services not ready."""

from msgspec import structs
from tests.checks.test_network_range import (
    HEAD,
    IP,
    WORKER,
    connected,
    judged,
    probed,
    taken,
    unmet,
)
from tests.evidence_builder import RENDEZVOUS, change_looks, healthy, starting

from distcheck.checks.evidence import (
    Connection,
    Evidence,
    Missing,
    PodLook,
    PortProbes,
    Process,
    Processes,
    Trouble,
)
from distcheck.checks.evidence.policy import NameWanted, Services, ServiceSeen
from distcheck.checks.evidence.rendezvous import NameLookup, NameLookups

VIP = "10.96.0.12"


def _without_ray(evidence: Evidence) -> Evidence:
    nodes = (structs.replace(n, ray=Missing("a token is wanted")) for n in evidence.nodes)
    return structs.replace(evidence, nodes=tuple(nodes))


def _behind_a_service(evidence: Evidence) -> Evidence:
    """The worker joins by a ClusterIP Service, whose leader is not ready for the moment."""

    def named(look: PodLook) -> PodLook:
        one = NameLookup("vllm-head", "ray start --address", "resolved", (VIP,), ("vllm-head.llm",))
        return (
            structs.replace(look, names=NameLookups((one,), "resolv.conf"))
            if look.pod == WORKER
            else look
        )

    service = ServiceSeen("vllm-head", "llm", (VIP,), not_ready=(IP[HEAD],), ports=(6379,))
    services = Services((service,), "the API")
    return structs.replace(change_looks(_without_ray(evidence), named), services=services)


def test_a_leader_that_is_not_ready_for_a_moment_is_no_dead_end_once_all_ranks_have_met() -> None:
    verdict = judged(_behind_a_service(healthy()))
    assert (verdict.outcome, verdict.cause) == ("pass", None)
    assert judged(_behind_a_service(unmet())).cause == "no_endpoints"


def test_a_pod_that_is_connected_through_the_service_is_at_no_dead_end() -> None:
    for pod, one in (
        (WORKER, Connection(IP[WORKER], 44000, VIP, 6379)),
        (HEAD, Connection(IP[HEAD], 6379, IP[WORKER], 44000, accepted=True)),
    ):

        def held(look: PodLook, pod: str = pod, one: Connection = one) -> PodLook:
            return structs.replace(look, connections=(one,)) if look.pod == pod else look

        evidence = change_looks(_behind_a_service(unmet()), held)
        assert judged(evidence).cause is None


def _changed(evidence: Evidence, cause: str, says: str) -> Evidence:
    source = "status of vllm-worker-0, read again at the end"
    return structs.replace(evidence, troubles=(Trouble("vllm-worker-0", cause, says, source),))


def test_no_answer_of_a_pod_that_was_replaced_meanwhile_is_not_a_firewall() -> None:
    evidence = probed({HEAD: "filtered"})
    assert judged(evidence).cause == "filtered"
    replaced = _changed(evidence, "pod_restarted", "it was replaced while evidence was gathered")
    verdict = judged(replaced)
    assert (verdict.outcome, verdict.cause) == ("unknown", None)
    assert "vllm-worker-0 was replaced or went away while evidence was gathered" in verdict.says
    gone = _changed(evidence, "pod_missing", "it went away while evidence was gathered")
    assert judged(gone).outcome == "unknown"


def test_a_pod_whose_container_was_started_again_keeps_its_address() -> None:
    says = "it was started again while evidence was gathered"
    assert judged(_changed(probed({HEAD: "filtered"}), "pod_restarted", says)).cause == "filtered"


def test_a_filtered_pair_beside_a_replaced_pod_still_fails() -> None:
    def shut(look: PodLook) -> PodLook:
        assert isinstance(look.ports, PortProbes)
        probes = (structs.replace(p, outcome="filtered") for p in look.ports.probes)
        return structs.replace(look, ports=structs.replace(look.ports, probes=tuple(probes)))

    verdict = judged(
        _changed(
            change_looks(healthy(3), shut),
            "pod_restarted",
            "it was replaced while evidence was gathered",
        )
    )
    assert verdict.cause == "filtered"
    assert "vllm-worker-0" not in verdict.subjects


def _at_a_chosen_port(port: int) -> Evidence:
    """What each of the pods took, no probe beside it."""
    return connected(taken(HEAD, port), taken(WORKER, port))


def test_a_port_that_somebody_chose_does_not_stand_for_the_range() -> None:
    evidence = _at_a_chosen_port(50000)
    assert judged(evidence).outcome == "pass"
    assert isinstance(evidence.services, Services)
    wanted = (NameWanted(WORKER, RENDEZVOUS, "--dist-init-addr", 50000),)
    told = structs.replace(evidence, services=structs.replace(evidence.services, wanted=wanted))
    assert "NCCL's range was not tried" in judged(told).says
    for argv in (
        ("python", "-m", "sglang.launch_server", "--dist-init-addr", "head:50000"),
        ("vllm", "serve", "m", "--master-port=50000"),
    ):

        def ran(look: PodLook, argv: tuple[str, ...] = argv) -> PodLook:
            return structs.replace(look, processes=Processes((Process(9, "python", argv=argv),)))

        assert judged(change_looks(evidence, ran)).outcome == "unknown"


def test_a_master_port_of_the_environment_is_a_chosen_one() -> None:
    def ran(look: PodLook) -> PodLook:
        return structs.replace(look, processes=Processes((), environ={"MASTER_PORT": "50000"}))

    assert judged(change_looks(_at_a_chosen_port(50000), ran)).outcome == "unknown"
    assert judged(change_looks(_at_a_chosen_port(50001), ran)).outcome == "pass"


def test_a_group_too_large_to_be_tried_whole_says_what_would_decide() -> None:
    def judge(nodes: int) -> str:
        return judged(starting(healthy(nodes))).says

    assert "of 65 pods the leader tries 64 at most" in judge(65)
    assert "pods the leader tries" not in judge(17)
