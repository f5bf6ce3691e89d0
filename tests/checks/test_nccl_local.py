"""NCCL005: peer-to-peer within a node; and NCCL002 where two pods share one."""

import pytest
from msgspec.structs import replace
from tests.checks.test_nccl import group, judge, quiet, with_log
from tests.logs.nccl_lines import HOSTS, head, job

from distcheck.checks.evidence import Evidence, Missing
from distcheck.checks.nccl.gdr_between_nodes import gdr_between_nodes
from distcheck.checks.nccl.peer_to_peer_on_node import peer_to_peer_on_node
from distcheck.checks.nccl.rdma_between_nodes import rdma_between_nodes

SOCKETS = "NET/Socket/{nic}"


def shm(lines: list[str], host: str, form: str = "SHM/direct/direct") -> list[str]:
    """The lines with copies through host memory on `host`."""
    return [x.replace("P2P/CUMEM", form) if x.startswith(f"{host}:") else x for x in lines]


def echo(host: str, words: str) -> str:
    return f"{head(host, 200, 0)} {words}"


def moved(evidence: Evidence, name: str) -> Evidence:
    """The same group with this pod, and what was seen of it, on the first node."""
    first = evidence.nodes[0].node
    pods = tuple(replace(p, node=first) if p.name == name else p for p in evidence.pods)
    home = {p.key: p.node for p in pods}
    looks = [look for n in evidence.nodes for look in n.pods]
    nodes = (
        replace(n, pods=tuple(x for x in looks if home[x.pod] == n.node)) for n in evidence.nodes
    )
    return replace(evidence, pods=pods, nodes=tuple(nodes))


def test_peer_to_peer_passes_and_cites_each_pod() -> None:
    verdict = judge(peer_to_peer_on_node, job())
    assert verdict.outcome == "pass"
    assert "14 channels within nodes use P2P/CUMEM" in verdict.says
    assert verdict.subjects == HOSTS


@pytest.mark.parametrize(
    "form", ["SHM/direct/direct", "SHM/direct", "SHM/CE/direct", "direct shared memory"]
)
def test_copies_through_host_memory_are_a_warning_that_names_the_pod(form: str) -> None:
    verdict = judge(peer_to_peer_on_node, shm(job(), HOSTS[1], form))
    assert (verdict.outcome, verdict.cause) == ("warn", "p2p-unavailable")
    assert verdict.subjects == (HOSTS[1],)
    assert "7 of 14 channels" in verdict.says


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ("NCCL_P2P_DISABLE set by environment to 1.", "env-NCCL_P2P_DISABLE"),
        ("NCCL_P2P_DISABLE set by environment to 0.", "p2p-unavailable"),
        ("NCCL_P2P_LEVEL set by environment to LOC", "env-NCCL_P2P_LEVEL"),
        ("NCCL_P2P_LEVEL set by environment to SYS", "p2p-unavailable"),
    ],
)
def test_the_setting_that_explains_copies_is_the_cause(words: str, cause: str) -> None:
    lines = [*shm(job(), HOSTS[1]), echo(HOSTS[1], words)]
    verdict = judge(peer_to_peer_on_node, lines)
    assert (verdict.outcome, verdict.cause) == ("warn", cause)
    assert any("set to" in c.what for c in verdict.cites) == cause.startswith("env-")


def test_a_setting_of_another_pod_explains_nothing() -> None:
    words = "NCCL_P2P_DISABLE set by environment to 1."
    lines = [*shm(job(), HOSTS[1]), echo(HOSTS[0], words)]
    assert judge(peer_to_peer_on_node, lines).cause == "p2p-unavailable"


def test_the_cause_of_copies_brings_its_own_remedy() -> None:
    words = "NCCL_P2P_DISABLE set by environment to 1."
    verdict = judge(peer_to_peer_on_node, [*shm(job(), HOSTS[1]), echo(HOSTS[1], words)])
    assert verdict.says.endswith("NCCL_P2P_DISABLE=1 switches peer-to-peer off")
    assert "nvidia-smi" not in (verdict.remedy or "nvidia-smi")


def test_one_rank_a_node_is_skipped() -> None:
    lines = job(per_host=1)
    evidence = group(lines)
    pods = tuple(replace(p, gpus=1) for p in evidence.pods)
    verdict = peer_to_peer_on_node.judge_evidence(replace(evidence, pods=pods))
    assert verdict.outcome == "skipped"
    assert verdict.cites


def test_one_rank_a_node_as_far_as_seen_is_not_skipped() -> None:
    lines = job(shown=[0, 8])
    assert judge(peer_to_peer_on_node, lines).outcome == "unknown"


def test_no_channel_yet_is_unknown() -> None:
    assert judge(peer_to_peer_on_node, quiet(job())).outcome == "unknown"


def test_no_log_is_unknown() -> None:
    gone = with_log(lambda _: Missing("no agent"))
    assert peer_to_peer_on_node.judge_evidence(gone).outcome == "unknown"


def test_a_pod_whose_channels_are_not_seen_keeps_the_group_from_passing() -> None:
    lines = [x for x in job() if not (x.startswith(HOSTS[1]) and "P2P" in x)]
    verdict = judge(peer_to_peer_on_node, lines)
    assert verdict.outcome == "unknown"
    assert "a channel on gpu-1 of communicator" in verdict.says


def test_a_rank_that_has_not_said_it_is_connected_keeps_the_group_from_passing() -> None:
    at = head(HOSTS[1], 203, 3)
    lines = [x for x in job() if not (x.startswith(at) and "Connected" in x)]
    verdict = judge(peer_to_peer_on_node, lines)
    assert verdict.outcome == "unknown"
    assert "that the ranks on vllm-worker-0 are connected" in verdict.says


def test_ranks_that_were_not_seen_keep_the_group_from_passing() -> None:
    verdict = judge(peer_to_peer_on_node, job(shown=range(12)))
    assert verdict.outcome == "unknown"
    assert "rank 12 to 15 of communicator" in verdict.says


def test_a_failure_after_the_choice_is_not_a_pass() -> None:
    line = f"{head(HOSTS[0], 200, 0, 'WARN')} Cuda failure 700 'an illegal memory access'"
    assert judge(peer_to_peer_on_node, [*job(), line]).outcome == "unknown"


def test_sockets_between_two_pods_of_one_node_are_no_traffic_between_nodes() -> None:
    evidence = moved(group(job(network="Socket", transport=SOCKETS)), HOSTS[1])
    for one in (rdma_between_nodes, gdr_between_nodes):
        verdict = one.judge_evidence(evidence)
        assert verdict.outcome == "skipped"
        assert "all pods are on one node, gpu-0" in verdict.says


@pytest.mark.parametrize("transport", [SOCKETS, "NET/IB/{nic}/GDRDMA"])
def test_a_network_between_two_pods_of_one_node_is_a_warning_about_the_pods(transport: str) -> None:
    evidence = moved(group(job(transport=transport)), HOSTS[1])
    verdict = peer_to_peer_on_node.judge_evidence(evidence)
    assert (verdict.outcome, verdict.cause) == ("warn", "pods-apart")
    assert verdict.subjects == HOSTS


def three() -> list[str]:
    """Three pods; ranks 7 and 8, of the first two, talk over sockets."""
    lines = job(hosts=(*HOSTS, "vllm-worker-1"))
    near = ("7[7] -> 8[0]",)
    return [x.replace("IB/0/GDRDMA", "Socket/0") if any(n in x for n in near) else x for x in lines]


def test_of_three_pods_only_what_leaves_a_node_is_judged_as_such() -> None:
    apart, together = group(three(), nodes=3), moved(group(three(), nodes=3), HOSTS[1])
    assert rdma_between_nodes.judge_evidence(apart).outcome == "fail"
    assert rdma_between_nodes.judge_evidence(together).outcome == "pass"
    assert gdr_between_nodes.judge_evidence(together).outcome == "pass"
    local = peer_to_peer_on_node.judge_evidence(together)
    assert (local.outcome, local.cause) == ("warn", "pods-apart")


def test_a_network_between_ranks_of_one_pod_is_no_traffic_between_nodes() -> None:
    lines = [x.replace("P2P/CUMEM", "[send] via NET/Socket/0") for x in job()]
    lines = [x.replace("via [send] via", "[send] via") for x in lines]
    assert judge(rdma_between_nodes, lines).outcome == "pass"
    verdict = judge(peer_to_peer_on_node, lines)
    assert (verdict.outcome, verdict.cause) == ("warn", "no-shm")


def test_a_network_with_ends_that_are_not_seen_may_leave_the_node() -> None:
    lines = job(network="Socket", transport=SOCKETS, shown=range(8))
    assert judge(rdma_between_nodes, lines).outcome == "fail"


def test_every_cause_is_documented() -> None:
    named = {"env-NCCL_P2P_DISABLE", "env-NCCL_P2P_LEVEL", "p2p-unavailable"}
    assert named | {"pods-apart", "no-shm", "pcie-for-nvlink"} == set(
        peer_to_peer_on_node.page.causes
    )
