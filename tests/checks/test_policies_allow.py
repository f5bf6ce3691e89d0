"""NET003: what policies close is told with the policy, the direction, the pods and the ports."""

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
from distcheck.checks.evidence.policy import NamespaceLabels, NameWanted, Services
from distcheck.checks.evidence.rendezvous import LookupOutcome, NameLookup, NameLookups
from distcheck.checks.network.policies_allow import policies_allow
from distcheck.checks.verdict import Verdict

Spec = dict[str, object]
GONE = Missing("not in this test")
HEAD, WORKER = "llm/vllm-head-0", "llm/vllm-worker-0"
OWN = {"podSelector": {"matchLabels": {"app": "vllm"}}}
ALLOW: Spec = {**OWN, "ingress": [{"from": [OWN]}]}
ONLY_GCS: Spec = {**OWN, "ingress": [{"ports": [{"port": 6379}]}]}
RENDEZVOUS: Spec = {**OWN, "ingress": [{"ports": [{"port": 29400, "endPort": 29500}]}]}
DENY: Spec = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
INSIDE: Spec = {
    **OWN,
    "policyTypes": ["Ingress", "Egress"],
    "ingress": [{"from": [OWN]}],
    "egress": [{"to": [OWN]}],
}
"""As KubeRay's DenyAll makes it: within the cluster, and no DNS."""


def unseen(evidence: Evidence) -> Evidence:
    """Without anything that was tried, connected or completed between the pods."""
    bare = structs.replace(evidence, services=GONE)
    return change_looks(
        bare,
        lambda look: structs.replace(look, ports=GONE, nccl=NcclLog(), connections=(), names=GONE),
    )


def under(*specs: Spec, evidence: Evidence | None = None, **more: object) -> Evidence:
    evidence = evidence or unseen(healthy())
    assert not isinstance(evidence.policies, Missing)
    named = {f"policy-{n}": s for n, s in enumerate(specs)}
    policies = structs.replace(evidence.policies, specs=named, **more)
    return structs.replace(evidence, policies=policies)


def judged(*specs: Spec, evidence: Evidence | None = None, **more: object) -> Verdict:
    return policies_allow.judge_evidence(under(*specs, evidence=evidence, **more))


def without_ray(evidence: Evidence) -> Evidence:
    """An engine that starts its own processes."""
    return structs.replace(evidence, intent=structs.replace(evidence.intent, executor="mp"))


def raylets(evidence: Evidence, *flags: str) -> Evidence:
    """Each pod has a raylet with these flags."""
    seen = Processes((Process(90, "raylet", argv=("/ray/raylet", *flags)),))
    return change_looks(evidence, lambda look: structs.replace(look, processes=seen))


def joining(evidence: Evidence, name: str = "vllm-head") -> Evidence:
    """The worker joins by this name."""
    wanted = (NameWanted(WORKER, name, "ray start --address", 6379),)
    return structs.replace(evidence, services=Services((), "", wanted=wanted))


def probed(outcome: str, port: int = 41000) -> Evidence:
    """Both pods tried one port of the other."""

    def change(look: PodLook) -> PodLook:
        peer, ip = (HEAD, "10.0.0.2") if look.pod == WORKER else (WORKER, "10.0.0.3")
        probe = PortProbe(peer, ip, port, "gcs", outcome)  # type: ignore[arg-type]
        return structs.replace(look, ports=PortProbes((probe,), "namespace of pid 7"))

    return change_looks(unseen(healthy()), change)


def test_an_empty_list_is_cited_and_closes_nothing() -> None:
    verdict = judged()
    assert verdict.outcome == "skipped"
    assert "empty" in verdict.cites[0].what


def test_a_policy_for_others_closes_nothing() -> None:
    verdict = judged({"podSelector": {"matchLabels": {"app": "web"}}})
    assert (verdict.outcome, "none of 1" in verdict.says) == ("skipped", True)


def test_a_policy_that_opens_all_within_the_group_passes() -> None:
    verdict = judged(ALLOW)
    assert verdict.outcome == "pass"
    assert "policy-0" in verdict.cites[0].what


def test_policies_add_up() -> None:
    assert judged(DENY, INSIDE).outcome == "pass"


@pytest.mark.parametrize("spec", [ONLY_GCS, RENDEZVOUS], ids=["6379", "29400-29500"])
def test_single_ports_are_not_what_nccl_needs(spec: Spec) -> None:
    verdict = judged(spec)
    assert (verdict.outcome, verdict.cause) == ("fail", "policy_denies")
    assert "policy-0 lets no TCP" in verdict.says
    assert "32768-60999 into" in verdict.says
    assert "no `ports`" in (verdict.remedy or "")


def test_a_range_that_holds_all_random_ports_passes() -> None:
    wide: Spec = {**OWN, "ingress": [{"ports": [{"port": 1024, "endPort": 65535}]}]}
    assert judged(wide).outcome == "pass"


def test_the_range_of_random_ports_is_the_pods_own() -> None:
    narrow: Spec = {
        **OWN,
        "ingress": [{"ports": [{"port": 40000, "endPort": 41000}, {"port": 6379}]}],
    }
    evidence = without_ray(under(narrow))
    assert policies_allow.judge_evidence(evidence).outcome == "fail"
    assert not isinstance(evidence.policies, Missing)
    pods = tuple(structs.replace(p, local_ports=(40000, 41000)) for p in evidence.policies.pods)
    policies = structs.replace(evidence.policies, pods=pods)
    assert policies_allow.judge_evidence(structs.replace(evidence, policies=policies)).outcome == (
        "pass"
    )


def test_the_port_where_all_meet_has_to_be_open_too() -> None:
    random: Spec = {**OWN, "ingress": [{"ports": [{"port": 32768, "endPort": 60999}]}]}
    verdict = judged(random)
    assert verdict.outcome == "fail"
    assert "TCP 6379 into vllm-head-0 from vllm-worker-0" in verdict.says


def test_egress_and_ingress_are_told_apart() -> None:
    verdict = judged({**OWN, "policyTypes": ["Egress"]})
    assert "vllm-head-0 to vllm-worker-0" in verdict.says or "vllm-worker-0 to" in verdict.says
    assert "add to `egress` a rule `to`" in (verdict.remedy or "")


def test_a_policy_without_dns_keeps_a_worker_from_its_name() -> None:
    evidence = joining(under(INSIDE))
    verdict = policies_allow.judge_evidence(evidence)
    assert (verdict.outcome, verdict.cause) == ("fail", "policy_denies")
    assert "does not let vllm-worker-0 ask a name server" in verdict.says
    assert "kube-dns" in (verdict.remedy or "")


def test_who_joins_by_address_asks_no_name_server() -> None:
    assert policies_allow.judge_evidence(joining(under(INSIDE), "10.0.0.2")).outcome == "pass"


def looked(evidence: Evidence, outcome: LookupOutcome) -> Evidence:
    one = NameLookup("vllm-head", "ray start --address", outcome, asked=("vllm-head.llm.svc",))
    names = NameLookups((one,), "DNS from the namespace of pid 7")
    return change_looks(evidence, lambda look: structs.replace(look, names=names))


def test_a_name_server_that_answered_is_not_closed() -> None:
    assert policies_allow.judge_evidence(looked(under(INSIDE), "resolved")).outcome == "pass"


def test_a_name_server_that_does_not_answer_settles_it_among_unread_policies() -> None:
    evidence = looked(under(INSIDE, others=("ciliumnetworkpolicies.cilium.io/x",)), "no_answer")
    assert policies_allow.judge_evidence(evidence).outcome == "fail"


def test_what_a_policy_closes_and_is_open_is_a_warning() -> None:
    verdict = judged(ONLY_GCS, evidence=probed("open"))
    assert (verdict.outcome, verdict.cause) == ("warn", "policy_denies")
    assert "does not enforce" in verdict.says


def test_a_group_whose_ranks_have_met_is_warned_of_its_next_start() -> None:
    verdict = judged(ONLY_GCS, evidence=healthy())
    assert verdict.outcome == "warn"
    assert "next start" in verdict.says


def test_a_connection_that_one_end_may_have_opened_shows_nothing() -> None:
    def change(look: PodLook) -> PodLook:
        ends = ("10.0.0.3", 50000, "10.0.0.2", 6379)
        mine = ends if look.pod == WORKER else (*ends[2:], *ends[:2])
        return structs.replace(look, connections=(Connection(*mine),))

    evidence = change_looks(unseen(healthy()), change)
    assert judged(ONLY_GCS, evidence=evidence).outcome == "fail"
    assert judged(DENY, evidence=evidence).outcome == "warn"


OTHERS = ("ciliumnetworkpolicies.cilium.io/guard",)


def test_a_policy_of_another_engine_leaves_it_undecided() -> None:
    verdict = judged(others=OTHERS)
    assert verdict.outcome == "unknown"
    assert "guard cannot be evaluated" in verdict.says


def test_probes_decide_where_policies_cannot() -> None:
    verdict = judged(others=OTHERS, evidence=healthy())
    assert verdict.outcome == "pass"
    assert "open" in verdict.says
    blocked = judged(ONLY_GCS, others=OTHERS, evidence=probed("filtered"))
    assert (blocked.outcome, blocked.cause) == ("fail", "policy_denies")


def test_a_list_that_was_refused_leaves_it_undecided() -> None:
    verdict = judged(unasked=("globalnetworkpolicies could not be listed: forbidden",))
    assert (verdict.outcome, "forbidden" in verdict.says) == ("unknown", True)


def test_without_policies_it_is_unknown() -> None:
    evidence = structs.replace(healthy(), policies=Missing("NetworkPolicies may not be listed"))
    verdict = policies_allow.judge_evidence(evidence)
    assert (verdict.outcome, "may not" in verdict.says) == ("unknown", True)


def test_a_policy_that_is_not_understood_leaves_it_undecided_and_is_named() -> None:
    verdict = judged({"podSelector": []})
    assert (verdict.outcome, "policy-0" in verdict.says) == ("unknown", True)


def test_a_pod_on_its_nodes_network_is_not_judged_by_policies() -> None:
    evidence = under(DENY)
    assert not isinstance(evidence.policies, Missing)
    pods = tuple(structs.replace(p, host_network=True) for p in evidence.policies.pods)
    policies = structs.replace(evidence.policies, pods=pods)
    verdict = policies_allow.judge_evidence(structs.replace(evidence, policies=policies))
    assert (verdict.outcome, "node's network" in verdict.says) == ("unknown", True)


def test_addresses_in_a_rule_decide_only_for_some_plugins() -> None:
    block: Spec = {**OWN, "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/16"}}]}]}
    verdict = judged(block)
    assert (verdict.outcome, "ipBlock" in verdict.says) == ("unknown", True)
    outside: Spec = {**OWN, "ingress": [{"from": [{"ipBlock": {"cidr": "192.168.0.0/16"}}]}]}
    assert judged(outside).outcome == "fail"


TEAM: Spec = {
    **OWN,
    "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"team": "ml"}}}]}],
}


def test_a_namespace_chosen_by_a_label_needs_that_label() -> None:
    assert judged(TEAM).outcome == "unknown"
    assert judged(TEAM, namespaces=(NamespaceLabels("llm", {"team": "ml"}),)).outcome == "pass"
    assert judged(TEAM, namespaces=(NamespaceLabels("llm", {}),)).outcome == "fail"


def test_one_pod_has_nothing_between_its_pods() -> None:
    one = healthy(1)
    assert not isinstance(one.policies, Missing)
    policies = structs.replace(one.policies, specs={"deny": DENY})
    verdict = policies_allow.judge_evidence(structs.replace(one, policies=policies))
    assert verdict.outcome == "skipped"


def test_a_thousand_pods_are_judged_by_their_kinds() -> None:
    verdict = judged(ONLY_GCS, evidence=unseen(healthy(1000)))
    assert verdict.outcome == "fail"
    assert "pairs more" in verdict.says


RANDOM: Spec = {**OWN, "ingress": [{"ports": [{"port": 6379}, {"port": 32768, "endPort": 60999}]}]}
WORKERS = ("--min_worker_port=10002", "--max_worker_port=19999")


def test_ports_of_rays_workers_are_used_too() -> None:
    verdict = policies_allow.judge_evidence(raylets(under(RANDOM), *WORKERS))
    assert (verdict.outcome, verdict.cause) == ("fail", "policy_denies")
    assert "lets no TCP 10002-19999 into" in verdict.says
    chosen = ("--min_worker_port=33000", "--max_worker_port", "34000")
    for flags in (chosen, ("--min_worker_port=0", "--max_worker_port=0")):
        evidence = raylets(under(RANDOM), *flags)
        assert policies_allow.judge_evidence(evidence).outcome == "pass"
    listed = raylets(under(RANDOM), *WORKERS, "--worker_port_list=33000,33001")
    assert policies_allow.judge_evidence(listed).outcome == "pass"


def test_what_a_raylet_was_not_seen_to_be_told_is_not_decided() -> None:
    verdict = judged(RANDOM)
    assert (verdict.outcome, verdict.cause) == ("unknown", None)
    assert "10002-19999" in verdict.says
    assert "no raylet was seen" in verdict.says
    assert judged(RANDOM, evidence=healthy()).outcome == "pass"
    assert judged(ALLOW).outcome == "pass"


def test_without_ray_its_workers_ports_may_be_closed() -> None:
    assert policies_allow.judge_evidence(without_ray(under(RANDOM))).outcome == "pass"
    ray_beside = raylets(without_ray(under(RANDOM)), *WORKERS)
    assert policies_allow.judge_evidence(ray_beside).outcome == "pass"


def ranged(first: int, last: int, spec: Spec) -> Verdict:
    read = PortProbes((), "namespace of pid 7", ephemeral=(first, last))
    evidence = without_ray(under(spec))
    return policies_allow.judge_evidence(
        change_looks(evidence, lambda look: structs.replace(look, ports=read))
    )


def test_the_range_that_agents_read_in_the_pods_is_the_one_that_counts() -> None:
    verdict = ranged(10000, 65000, RANDOM)
    assert (verdict.outcome, verdict.cause) == ("fail", "policy_denies")
    assert "10000-32767, 61000-65000" in verdict.says
    ports = [{"port": 6379}, {"port": 41000}, {"port": 50000, "endPort": 51000}]
    few: Spec = {**OWN, "ingress": [{"ports": ports}]}
    assert ranged(50000, 51000, few).outcome == "pass"
    assert ranged(50000, 52000, few).outcome == "fail"


def test_a_name_of_the_pods_own_hosts_asks_no_name_server() -> None:
    evidence = joining(under(INSIDE))
    one = NameLookup("vllm-head", "ray start --address", "resolved", ("10.0.0.2",), (), "hosts")
    found = NameLookups((one,), "hosts of pid 7")
    looked_at = change_looks(evidence, lambda look: structs.replace(look, names=found))
    assert policies_allow.judge_evidence(looked_at).outcome == "pass"
    assert not isinstance(evidence.policies, Missing)
    pods = tuple(structs.replace(p, hosts=("VLLM-head",)) for p in evidence.policies.pods)
    declared = structs.replace(evidence, policies=structs.replace(evidence.policies, pods=pods))
    assert policies_allow.judge_evidence(declared).outcome == "pass"
    assert policies_allow.judge_evidence(evidence).outcome == "fail"


def test_a_block_of_the_second_address_opens_nothing_for_the_first() -> None:
    evidence = under()
    assert not isinstance(evidence.policies, Missing)
    pods = tuple(structs.replace(p, ips=(*p.ips, "fd00::5")) for p in evidence.policies.pods)
    six: Spec = {**OWN, "ingress": [{"from": [{"ipBlock": {"cidr": "fd00::/8"}}]}]}
    four: Spec = {**OWN, "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]}
    assert judged(six, pods=pods).outcome == "fail"
    assert judged(four, pods=pods).outcome == "unknown"  # not every plugin applies it
