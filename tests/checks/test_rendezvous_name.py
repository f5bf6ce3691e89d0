"""NET002: where a name leads, by look-ups and by specs, and which name would be right."""

import pytest
from msgspec import structs
from tests.evidence_builder import AT, healthy

from distcheck.checks.evidence import Evidence, Missing, PodLook
from distcheck.checks.evidence.policy import NameWanted, Services, ServiceSeen
from distcheck.checks.evidence.rendezvous import LookupOutcome, NameLookup, NameLookups
from distcheck.checks.network.rendezvous_name import rendezvous_name
from distcheck.checks.verdict import Verdict

GONE = Missing("port probes are switched off on gpu-1")
HEAD, WORKER = "llm/vllm-head-0", "llm/vllm-worker-0"
HEAD_IP, WORKER_IP, VIP = "10.0.0.2", "10.0.0.3", "10.96.0.7"
NAME = "vllm-head-0.vllm-head"
FORMS = tuple(f"{NAME}.{t}" for t in ("llm.svc.cluster.local", "svc.cluster.local"))

HEADLESS = ServiceSeen(
    "vllm-head",
    "llm",
    headless=True,
    publish_not_ready=True,
    addresses=(HEAD_IP,),
    hostnames={"vllm-head-0": HEAD_IP},
    ports=(6379,),
    selector={"app": "vllm-head"},
)
CLUSTER = structs.replace(HEADLESS, headless=False, cluster_ips=(VIP,), hostnames={})


def apart(evidence: Evidence) -> Evidence:
    """Nobody has met anybody yet: no rank is complete, no GCS answers, the worker is not ready."""
    pods = (evidence.pods[0], *(structs.replace(p, ready=False) for p in evidence.pods[1:]))
    evidence = structs.replace(evidence, pods=pods)
    nodes = tuple(
        structs.replace(
            n,
            ray=Missing("no GCS answers"),
            pods=tuple(structs.replace(p, nccl=Missing("no log")) for p in n.pods),
        )
        for n in evidence.nodes
    )
    return structs.replace(evidence, nodes=nodes)


def with_names(evidence: Evidence, names: NameLookups | Missing) -> Evidence:
    def change(look: PodLook) -> PodLook:
        return structs.replace(look, names=names) if look.pod == WORKER else look

    nodes = tuple(structs.replace(n, pods=tuple(change(p) for p in n.pods)) for n in evidence.nodes)
    return structs.replace(evidence, nodes=nodes)


def looked(
    outcome: LookupOutcome, *addresses: str, name: str = NAME, detail: str = "",
    asked: tuple[str, ...] = FORMS,
) -> NameLookups:  # fmt: skip
    one = NameLookup(name, "ray start --address", outcome, addresses, asked, detail)
    return NameLookups((one,), "vllm-worker-0: network namespace of pid 7", AT)


def services(*seen: ServiceSeen, name: str = NAME, port: int | None = 6379) -> Services:
    wanted = (NameWanted(WORKER, name, "ray start --address", port),)
    return Services(seen, "GET services", AT, wanted)


def judged(
    names: NameLookups | Missing = GONE,
    listed: Services | Missing = GONE,
    *,
    met: bool = False,
    evidence: Evidence | None = None,
) -> Verdict:
    base = evidence or (healthy() if met else apart(healthy()))
    return rendezvous_name.judge_evidence(structs.replace(with_names(base, names), services=listed))


def said(verdict: Verdict) -> tuple[str, str | None]:
    return verdict.outcome, verdict.cause


def test_a_name_that_is_the_leaders_address_passes_and_is_cited() -> None:
    verdict = judged(looked("resolved", HEAD_IP))
    assert verdict.outcome == "pass"
    assert verdict.cites[0].what.endswith(f"{HEAD_IP}")
    assert "namespace of pid 7" in verdict.cites[0].source


def test_a_virtual_address_counts_by_what_is_behind_it() -> None:
    names = looked("resolved", VIP, name="vllm-head")
    assert judged(names, services(CLUSTER, name="vllm-head")).outcome == "pass"
    wrong = structs.replace(CLUSTER, addresses=(WORKER_IP,))
    verdict = judged(names, services(wrong, name="vllm-head"))
    assert said(verdict) == ("fail", "name_wrong")
    assert "vllm-worker-0 (10.0.0.3)" in verdict.says


def test_a_virtual_address_leads_on_only_the_services_ports() -> None:
    names = looked("resolved", VIP, name="vllm-head")
    verdict = judged(names, services(CLUSTER, name="vllm-head", port=29500))
    assert said(verdict) == ("fail", "name_wrong")
    assert "port 29500: only 6379" in verdict.says


def test_the_address_of_another_pod_is_wrong_and_the_right_name_is_told() -> None:
    verdict = judged(looked("resolved", WORKER_IP, name="vllm"), services(HEADLESS, name="vllm"))
    assert said(verdict) == ("fail", "name_wrong")
    assert "but vllm-head-0 is 10.0.0.2" in verdict.says
    assert NAME in (verdict.remedy or "")


def test_a_strangers_address_is_wrong_where_the_specs_say_whose_name_it_is() -> None:
    names = looked("resolved", "10.0.9.9")
    assert said(judged(names, services(HEADLESS))) == ("fail", "name_wrong")
    assert judged(names).outcome == "unknown"


def test_a_fixed_address_on_another_network_is_nobodys_to_judge() -> None:
    fixed = looked("resolved", "192.168.7.2", name="192.168.7.2", asked=())
    verdict = judged(fixed, services(HEADLESS))
    assert (verdict.outcome, "not known" in verdict.says) == ("unknown", True)


def test_a_name_of_several_pods_is_a_warning() -> None:
    verdict = judged(looked("resolved", HEAD_IP, WORKER_IP))
    assert said(verdict) == ("warn", "name_wrong")
    assert "2 addresses, of which vllm-head-0 is one" in verdict.says


def test_an_address_of_the_other_family_is_not_another_pod() -> None:
    assert judged(looked("resolved", HEAD_IP, "fd00::2")).outcome == "pass"


RENAMED = structs.replace(HEADLESS, hostnames={"vllm-405b-head-0": HEAD_IP})


def test_a_hostname_that_no_pod_has_is_told_with_the_one_that_it_has() -> None:
    verdict = judged(looked("no_such_name"), services(RENAMED))
    assert said(verdict) == ("fail", "name_unresolved")
    assert "vllm-worker-0 cannot resolve vllm-head-0.vllm-head" in verdict.says
    assert "no pod of Service vllm-head has the hostname vllm-head-0" in verdict.says
    assert "vllm-405b-head-0.vllm-head" in (verdict.remedy or "")


def test_a_service_that_is_not_there_is_told() -> None:
    verdict = judged(looked("no_such_name", name="head"), services(HEADLESS, name="head"))
    assert "there is no Service head in namespace llm" in verdict.says
    assert NAME in (verdict.remedy or "")


def test_a_name_of_another_namespace_is_told() -> None:
    name = "vllm-head-0.vllm-head.prod"
    verdict = judged(looked("no_such_name", name=name), services(HEADLESS, name=name))
    assert said(verdict) == ("fail", "name_unresolved")
    assert "of namespace prod" in verdict.says


LATE = structs.replace(HEADLESS, publish_not_ready=False, addresses=(), not_ready=(HEAD_IP,))


def test_a_service_that_hides_a_leader_until_it_is_ready_is_a_deadlock() -> None:
    verdict = judged(looked("no_such_name"), services(LATE))
    assert said(verdict) == ("fail", "no_endpoints")
    assert "vllm-head-0 is not ready" in verdict.says
    assert "publishNotReadyAddresses: true" in (verdict.remedy or "")


def test_a_service_that_selects_nobody_is_told_with_its_selector() -> None:
    nobody = structs.replace(CLUSTER, addresses=())
    names = looked("resolved", VIP, name="vllm-head")
    verdict = judged(names, services(nobody, name="vllm-head"))
    assert said(verdict) == ("fail", "no_endpoints")
    assert "has no pod (app=vllm-head)" in verdict.says


def test_a_name_server_that_does_not_answer_is_told() -> None:
    verdict = judged(looked("no_answer", detail="10.96.0.10 gives no answer in 2 s"))
    assert said(verdict) == ("fail", "name_unresolved")
    assert "10.96.0.10 gives no answer" in verdict.says
    assert "port 53" in (verdict.remedy or "")


def test_a_name_server_that_is_behind_the_specs_is_told() -> None:
    verdict = judged(looked("no_such_name"), services(HEADLESS))
    assert "the name server is behind" in verdict.says


def test_a_resolver_that_searches_no_domain_of_the_cluster_is_told() -> None:
    verdict = judged(looked("no_such_name", asked=(NAME,)), services(HEADLESS))
    assert said(verdict) == ("fail", "name_unresolved")
    assert "searches no domain of the cluster" in verdict.says
    assert "ClusterFirstWithHostNet" in (verdict.remedy or "")


def test_an_error_of_a_name_server_decides_nothing() -> None:
    verdict = judged(looked("error", detail="SERVFAIL for a"))
    assert (verdict.outcome, "SERVFAIL" in verdict.says) == ("unknown", True)


def test_a_leader_without_an_address_yet_decides_nothing() -> None:
    base = apart(healthy())
    pods = (structs.replace(base.pods[0], ip=None), base.pods[1])
    base = structs.replace(base, pods=pods, policies=GONE)
    verdict = judged(looked("no_such_name"), services(HEADLESS), evidence=base)
    assert (verdict.outcome, "no address yet" in verdict.says) == ("unknown", True)


@pytest.mark.parametrize("names", [looked("no_such_name"), looked("no_answer"), GONE])
def test_a_group_that_has_met_is_not_failed_for_its_name(names: NameLookups | Missing) -> None:
    verdict = judged(names, services(RENAMED), met=True)
    assert verdict.outcome == ("pass" if isinstance(names, Missing) else "warn")
    assert "next start" in verdict.says or "leads to vllm-head-0" in verdict.says


@pytest.mark.parametrize(
    ("seen", "name", "outcome", "cause"),
    [
        (HEADLESS, NAME, "unknown", None),
        (RENAMED, NAME, "fail", "name_unresolved"),
        (LATE, NAME, "fail", "no_endpoints"),
        (HEADLESS, "vllm-head", "unknown", None),
        (HEADLESS, "head", "fail", "name_unresolved"),
        (HEADLESS, "a.b.other", "unknown", None),
        (HEADLESS, HEAD_IP, "pass", None),
        (HEADLESS, WORKER_IP, "fail", "name_wrong"),
        (structs.replace(CLUSTER, addresses=(WORKER_IP,)), "vllm-head", "fail", "name_wrong"),
    ],
)
def test_without_a_look_up_the_specs_fail_only_what_is_certain(
    seen: ServiceSeen, name: str, outcome: str, cause: str | None
) -> None:
    assert said(judged(GONE, services(seen, name=name))) == (outcome, cause)


def test_specs_alone_do_not_fail_a_group_that_seems_to_be_well() -> None:
    """All of it is ready, and nothing shows that the worker has not met the leader."""
    base = apart(healthy())
    ready = structs.replace(base, pods=tuple(structs.replace(p, ready=True) for p in base.pods))
    verdict = judged(GONE, services(RENAMED), evidence=ready)
    assert (verdict.outcome, "by the specs" in verdict.says) == ("unknown", True)
    assert said(judged(looked("no_such_name"), services(RENAMED), evidence=ready))[0] == "fail"


def test_a_worker_that_rays_head_does_not_count_is_failed_by_specs_alone() -> None:
    base = apart(healthy())
    ready = structs.replace(base, pods=tuple(structs.replace(p, ready=True) for p in base.pods))
    ray = healthy().nodes[0].ray
    assert not isinstance(ray, Missing)
    alone = structs.replace(ray, nodes=ray.nodes[:1])
    nodes = (structs.replace(ready.nodes[0], ray=alone), *ready.nodes[1:])
    verdict = judged(GONE, services(RENAMED), evidence=structs.replace(ready, nodes=nodes))
    assert said(verdict) == ("fail", "name_unresolved")


def test_endpoints_that_were_not_read_decide_nothing() -> None:
    listed = structs.replace(services(LATE), unasked=("EndpointSlices could not be listed",))
    assert judged(GONE, listed).outcome == "unknown"


def test_a_pod_outside_the_group_that_joins_nobody_is_told() -> None:
    stray = NameWanted("llm/vllm-worker-7", NAME, "ray start --address", 6379)
    listed = structs.replace(services(RENAMED), wanted=(stray,))
    verdict = judged(looked("resolved", HEAD_IP), listed)
    assert verdict.outcome == "fail"
    assert verdict.subjects == ("vllm-worker-7",)


def test_a_worker_of_which_no_name_is_known_leaves_it_undecided() -> None:
    verdict = judged(GONE, GONE)
    assert (verdict.outcome, "switched off" in verdict.says) == ("unknown", True)


def test_the_leaders_own_variable_needs_no_look_up_where_the_workers_have_met_it() -> None:
    both = tuple(NameWanted(pod, NAME, "LWS_LEADER_ADDRESS") for pod in (HEAD, WORKER))
    verdict = judged(GONE, structs.replace(services(HEADLESS), wanted=both), met=True)
    assert verdict.outcome == "pass"


def test_one_pod_joins_nobody_whatever_a_variable_names() -> None:
    assert rendezvous_name.judge_evidence(healthy(1)).outcome == "skipped"
    own = (NameWanted(HEAD, NAME, "LWS_LEADER_ADDRESS"),)
    named = structs.replace(healthy(1), services=structs.replace(services(HEADLESS), wanted=own))
    assert rendezvous_name.judge_evidence(named).outcome == "skipped"


def _beside(used_for: str, *addresses: str) -> NameLookups:
    """The right name of `ray start --address`, and another one that a variable names."""
    right = looked("resolved", HEAD_IP)
    other = NameLookup("other", used_for, "resolved", addresses, (), "/etc/hosts")
    return structs.replace(right, lookups=(*right.lookups, other))


@pytest.mark.parametrize("name", ["MASTER_ADDR", "VLLM_DP_MASTER_IP"])
def test_a_variable_that_nobody_joins_by_condemns_no_group(name: str) -> None:
    assert judged(_beside(name, WORKER_IP)).outcome == "pass"
    by_flag = judged(_beside("--master-addr", WORKER_IP))
    assert said(by_flag) == ("fail", "name_wrong")


def test_a_variable_alone_that_leads_a_pod_to_itself_is_not_known_to_be_used() -> None:
    one = NameLookup(WORKER_IP, "MASTER_ADDR", "resolved", (WORKER_IP,), (), "an address")
    verdict = judged(NameLookups((one,), "variables", AT))
    assert (verdict.outcome, verdict.cause) == ("unknown", None)
    assert "who uses MASTER_ADDR is not known" in verdict.says


@pytest.mark.parametrize("written", ["fd00:0:0::2", "FD00::2"])
def test_an_ipv6_address_is_the_same_however_it_is_written(written: str) -> None:
    evidence = with_names(apart(healthy()), looked("resolved", written))
    ips = dict(zip((HEAD, WORKER), ("fd00::2", "fd00::3"), strict=True))
    pods = tuple(structs.replace(p, ip=ips[p.key]) for p in evidence.pods)
    evidence = structs.replace(evidence, pods=pods, policies=Missing("x"), services=Missing("x"))
    assert rendezvous_name.judge_evidence(evidence).outcome == "pass"
