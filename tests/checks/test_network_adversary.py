"""NET001 against evidence that shows open ports, and not where the pods meet."""

from msgspec import structs
from tests.evidence_builder import change_looks, healthy

from distcheck.checks.evidence import Evidence, Intent, Missing, PodLook
from distcheck.checks.network.ports_reachable import ports_reachable


def _without_ray(evidence: Evidence) -> Evidence:
    gone = Missing("Ray was not asked")
    return structs.replace(
        evidence, nodes=tuple(structs.replace(n, ray=gone) for n in evidence.nodes)
    )


def test_open_ports_without_a_known_meeting_point_are_unknown() -> None:
    def silent(look: PodLook) -> PodLook:
        return structs.replace(look, vllm=Missing("no log"), nccl=Missing("no log"))

    verdict = ports_reachable.judge_evidence(change_looks(_without_ray(healthy()), silent))
    assert verdict.outcome == "unknown"
    assert "no address where the pods meet is known" in verdict.says


def test_a_rendezvous_alone_is_a_known_meeting_point() -> None:
    assert ports_reachable.judge_evidence(_without_ray(healthy())).outcome == "pass"


def _one_pod(intent: Intent) -> str:
    return ports_reachable.judge_evidence(structs.replace(healthy(1), intent=intent)).outcome


def test_one_pod_of_a_group_with_more_gpus_or_more_copies_is_not_the_whole_group() -> None:
    assert _one_pod(Intent(tp=8, dp=1, gpus=8)) == "skipped"
    assert _one_pod(Intent(tp=8, gpus=16)) == "unknown"
    assert _one_pod(Intent(tp=8, dp=2)) == "unknown"
    assert _one_pod(Intent(tp=8, dp=2, gpus=8)) == "unknown"
