from collections.abc import Callable, Iterable

import pytest
from msgspec.structs import replace
from tests.evidence_builder import change_looks, healthy
from tests.logs.nccl_lines import HOSTS, job, text

from distcheck.agent.logs.distil import Distiller
from distcheck.agent.logs.nccl_grammar import FAILURES, WRAPPED
from distcheck.checks.check import Check
from distcheck.checks.evidence import Evidence, Missing, NcclLog, PodLook
from distcheck.checks.knowledge.transport_causes import CAUSE_EVIDENCE, PLUGIN_EVIDENCE
from distcheck.checks.nccl.ranks_initialised import ranks_initialised
from distcheck.checks.nccl.rdma_between_nodes import rdma_between_nodes
from distcheck.checks.verdict import Verdict


def read(lines: Iterable[str], source: str) -> NcclLog:
    distiller = Distiller(source)
    distiller.feed(text(lines))
    return distiller.finish().nccl


def group(lines: list[str], *, nodes: int = 2) -> Evidence:
    """A group whose pods' logs hold their own lines of `lines`."""

    def own(look: PodLook) -> PodLook:
        pod = look.pod.partition("/")[2]
        return replace(look, nccl=read((x for x in lines if x.startswith(f"{pod}:")), pod))

    return change_looks(healthy(nodes), own)


def with_log(change: Callable[[PodLook], NcclLog | Missing]) -> Evidence:
    return change_looks(healthy(), lambda look: replace(look, nccl=change(look)))


def judge(one: Check, lines: list[str]) -> Verdict:
    return one.judge_evidence(group(lines))


def quiet(lines: list[str]) -> list[str]:
    """Nothing is connected yet: no channel lines."""
    return [x for x in lines if " via " not in x and "Connected" not in x]


def test_all_ranks_complete_passes_and_cites_a_rank_of_each_pod() -> None:
    verdict = judge(ranks_initialised, job())
    assert verdict.outcome == "pass"
    assert "16 ranks" in verdict.says
    assert [c.source.partition(":")[0] for c in verdict.cites] == list(HOSTS)


def test_ranks_that_are_not_in_the_logs_are_unknown_and_named() -> None:
    verdict = judge(ranks_initialised, job(shown=[*range(8), 8, 9, 12, 13]))
    assert verdict.outcome == "unknown"
    assert "12 of 16 ranks seen" in verdict.says
    assert "10 to 11, 14 to 15" in verdict.says


def test_a_rank_that_only_started_is_not_complete_yet() -> None:
    verdict = judge(ranks_initialised, job(complete=[r for r in range(16) if r != 9]))
    assert verdict.outcome == "unknown"
    assert "not complete yet: rank 9 on vllm-worker-0" in verdict.says


def test_a_fatal_warning_fails_with_its_cause_and_line() -> None:
    lines = quiet(job(complete=[]))
    lines.append(f"{HOSTS[1]}:200:700 [0] misc/socket.cc:5 NCCL WARN connect to x<1> failed : No")
    verdict = judge(ranks_initialised, lines)
    assert (verdict.outcome, verdict.cause) == ("fail", "bootstrap-connect")
    assert verdict.subjects == (HOSTS[1],)
    assert verdict.cites[0].source == "vllm-worker-0:49"


def test_the_first_cause_is_said_and_not_its_symptom() -> None:
    lines = job(complete=[])
    lines.append(f"{HOSTS[0]}:200:700 [0] x.cc:5 NCCL WARN Connection closed by remote peer b<1>")
    lines.append(f"{HOSTS[1]}:200:700 [0] x.cc:5 NCCL WARN Cuda failure 2 'out of memory'")
    assert judge(ranks_initialised, lines).cause == "cuda"


def test_logs_without_nccl_lines_are_unknown_and_ask_for_nccl_debug() -> None:
    verdict = judge(ranks_initialised, [])
    assert verdict.outcome == "unknown"
    assert "no NCCL lines in the logs of vllm-head-0, vllm-worker-0" in verdict.says
    assert "NCCL_DEBUG=INFO" in verdict.says


def test_a_log_that_nobody_read_is_unknown_with_its_reason() -> None:
    gone = with_log(lambda look: Missing(f"log of {look.pod} is not readable"))
    for one in (ranks_initialised, rdma_between_nodes):
        verdict = one.judge_evidence(gone)
        assert verdict.outcome == "unknown"
        assert verdict.says == "log of llm/vllm-head-0 is not readable (vllm-worker-0 alike)"


def test_one_unread_pod_keeps_the_group_from_passing() -> None:
    lines = job()
    one = read([x for x in lines if x.startswith(HOSTS[0])], "head")
    half = with_log(lambda look: one if "head" in look.pod else Missing("no agent on gpu-1"))
    for check in (ranks_initialised, rdma_between_nodes):
        verdict = check.judge_evidence(half)
        assert verdict.outcome == "unknown"


def test_a_worker_whose_lines_a_launcher_writes_into_the_heads_log_is_covered() -> None:
    whole = read(job(), "head")
    forwarded = with_log(lambda look: whole if "head" in look.pod else NcclLog())
    assert ranks_initialised.judge_evidence(forwarded).outcome == "pass"
    assert rdma_between_nodes.judge_evidence(forwarded).outcome == "pass"


def test_two_worlds_of_eight_are_not_one_of_sixteen() -> None:
    lines = [x for h in HOSTS for x in _alone(h)]
    verdict = judge(ranks_initialised, lines)
    assert verdict.outcome == "unknown"


def _alone(host: str) -> list[str]:
    mine = "0xaaaa" if host == HOSTS[0] else "0xbbbb"
    return [x.replace("0x5dca21b0e1f3aa07", mine) for x in job(hosts=[host])]


def test_rdma_between_nodes_passes_and_cites_both_directions_of_both_nodes() -> None:
    verdict = judge(rdma_between_nodes, job())
    assert verdict.outcome == "pass"
    assert len(verdict.cites) == 4
    assert "NET/IB/GDRDMA" in verdict.says


def test_rdma_without_gpudirect_passes_and_says_so() -> None:
    verdict = judge(rdma_between_nodes, job(transport="NET/IB/{nic}"))
    assert verdict.outcome == "pass"
    assert "NCCL003" in verdict.says


def test_sockets_fail_with_the_cause_and_the_line_that_shows_it() -> None:
    lines = job(network="Socket", transport="NET/Socket/{nic}")
    lines = [_no_device(x) for x in lines]
    verdict = judge(rdma_between_nodes, lines)
    assert (verdict.outcome, verdict.cause) == ("fail", "no-ib-device")
    assert verdict.subjects == HOSTS
    assert "NCCL found no RDMA device" in verdict.says
    assert any("No device found" in c.what for c in verdict.cites)


def _no_device(line: str) -> str:
    before, using, _ = line.partition("NET/IB : Using")
    return before + "NET/IB : No device found." if using else line


def test_sockets_on_some_ranks_fail_and_name_them() -> None:
    lines = job()
    lines = [x.replace("NET/IB/0/GDRDMA", "NET/Socket/0") if "7[7] -> 8" in x else x for x in lines]
    verdict = judge(rdma_between_nodes, lines)
    assert verdict.outcome == "fail"
    assert "rank 7 on vllm-head-0, rank 8 on vllm-worker-0" in verdict.says


def test_a_network_without_channel_lines_is_unknown() -> None:
    verdict = judge(rdma_between_nodes, quiet(job()))
    assert verdict.outcome == "unknown"
    assert "NCCL chose IB; no channel line yet" in verdict.says


def test_channels_that_never_connected_are_unknown() -> None:
    verdict = judge(rdma_between_nodes, [x for x in job(complete=[]) if "Connected" not in x])
    assert verdict.outcome == "unknown"


def test_rdma_followed_by_a_failure_is_not_a_pass() -> None:
    words = "NET/IB : Got completion from peer 1.2.3.4<5> with status=12 opcode=0"
    line = f"{HOSTS[0]}:200:700 [0] transport/net_ib.cc:1 NCCL WARN {words}"
    assert judge(rdma_between_nodes, [*job(), line]).outcome == "unknown"


def test_one_node_is_skipped() -> None:
    verdict = rdma_between_nodes.judge_evidence(group(job(hosts=HOSTS[:1]), nodes=1))
    assert verdict.outcome == "skipped"
    assert verdict.cites


def test_no_communicator_between_the_nodes_is_unknown_not_skipped() -> None:
    verdict = judge(rdma_between_nodes, [x for h in HOSTS for x in _alone(h)])
    assert verdict.outcome == "unknown"


def test_gpu_direct_tcp_is_a_warning_of_its_own() -> None:
    verdict = judge(rdma_between_nodes, job(network="FasTrak", transport="NET/FasTrak/{nic}"))
    assert (verdict.outcome, verdict.cause) == ("warn", "gpu-direct-tcp")


def test_warnings_alone_prove_no_transport() -> None:
    lines = [f"{h}:200:700 [0] x.cc:1 NCCL WARN something" for h in HOSTS for _ in range(2)]
    for one in (ranks_initialised, rdma_between_nodes):
        verdict = judge(one, lines)
        assert verdict.outcome == "unknown"
        assert "NCCL_DEBUG=INFO" in verdict.says


def test_a_line_that_names_no_network_is_no_rdma() -> None:
    verdict = judge(rdma_between_nodes, job(network="Nova", transport="NET/Nova/{nic}"))
    assert verdict.outcome == "unknown"
    assert "NET/Nova" in verdict.says


@pytest.mark.parametrize("name", sorted({f.id for f in FAILURES if f.weight != "noise"}))
def test_every_fatal_failure_is_a_documented_cause(name: str) -> None:
    assert name in ranks_initialised.page.causes


def test_every_cause_in_a_callers_words_is_documented() -> None:
    assert {name for name, _ in WRAPPED} <= set(ranks_initialised.page.causes)


def test_every_cause_of_sockets_is_documented() -> None:
    assert {*CAUSE_EVIDENCE, *PLUGIN_EVIDENCE} <= set(rdma_between_nodes.page.causes)


def test_a_prefix_of_ray_does_not_hide_the_ranks_in_their_own_pods_log() -> None:
    def own(look: PodLook) -> NcclLog:
        pod = look.pod.partition("/")[2]
        return read((f"(RayWorkerWrapper pid=9) {x}" for x in job() if x.startswith(pod)), pod)

    assert ranks_initialised.judge_evidence(with_log(own)).outcome == "pass"
