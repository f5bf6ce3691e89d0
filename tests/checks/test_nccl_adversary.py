"""What a healthy-looking NCCL log must not prove."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.checks.test_nccl import group, judge, quiet, read, with_log
from tests.evidence_builder import change_looks, healthy
from tests.logs.nccl_lines import COMM, HOSTS, head, job

from distcheck.agent.logs.nccl import NcclReader
from distcheck.checks.evidence import Evidence, NcclLog
from distcheck.checks.evidence.nccl import Channels, Failure
from distcheck.checks.facts.nccl_present import present
from distcheck.checks.facts.nccl_worlds import NcclWorlds
from distcheck.checks.knowledge.transports import transport_verdict
from distcheck.checks.nccl.gdr_between_nodes import gdr_between_nodes
from distcheck.checks.nccl.no_failure import no_failure
from distcheck.checks.nccl.peer_to_peer_on_node import peer_to_peer_on_node
from distcheck.checks.nccl.ranks_initialised import ranks_initialised
from distcheck.checks.nccl.rdma_between_nodes import rdma_between_nodes

AT = head(HOSTS[0], 200, 0)
BOTH = (ranks_initialised, rdma_between_nodes)


def ended() -> list[str]:
    """The job's lines, and the end of its communicator on every rank."""
    hosts = ((r, HOSTS[r // 8], r % 8) for r in range(16))
    said = "comm 0x55a0{0:04x} rank {0} nranks 16 cudaDev {2} busId 1000 - Destroy COMPLETE"
    return [*job(), *(f"{head(h, 200 + d, d)} {said.format(r, h, d)}" for r, h, d in hosts)]


def copies(*, shown: int = 8) -> Evidence:
    """Two copies of TP=8, each with a communicator of its own on its node."""
    lines = []
    for host, name in zip(HOSTS, ("0xaaaa", "0xbbbb"), strict=True):
        own = job(hosts=[host], shown=range(8 if host == HOSTS[0] else shown))
        lines += [x.replace(COMM, name) for x in own]
    two = group(lines)
    return replace(two, intent=replace(two.intent, tp=8, pp=1, dp=2))


def test_a_corrupt_number_of_ranks_does_not_hang_the_verdict() -> None:
    lines = [x.replace("nranks 16", "nranks 60000") for x in job()]
    verdict = judge(ranks_initialised, lines)
    assert verdict.outcome == "unknown"
    assert "not seen: rank 16 to 59999" in verdict.says


def test_more_ranks_than_any_job_has_are_sheared() -> None:
    log = read([f"{AT} comm 0x1 rank 0 nranks 65537 commId 0x2 - Init COMPLETE"] * 2, "pod")
    assert (log.communicators, log.sheared) == ((), 2)


FORMS = (
    "comm 0x1 rank {0} nranks {0} cudaDev {0} nvmlDev {0} busId 1 commId 0x2 - Init START",
    "comm 0x1 rank 0 nranks 2 cudaDev 0 nvmlDev {0} busId 1 commId 0x2 - Init COMPLETE",
    "comm 0x1 rank {0} nRanks {0} nNodes {0} localRanks {0} localRank {0} MNNVL {0}",
    "comm 0x1 rank 0 nRanks 2 nNodes {0} localRanks 1 localRank 0 MNNVL 0",
    "comm 0x1 rank {0} nranks 2 - Destroy COMPLETE",
    "Channel {0}/0 : {0}[0] -> {0}[1] [send] via NET/IB/{0}/GDRDMA",
    "CollNet {0} : {0} [send] via COLLNET/SHARP/{0}",
    "NCCL version {0}.{0}.{0}",
    "x [repeated {0}x across cluster]",
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(FORMS), st.sampled_from([1, 9, 10, 20, 4301, 5000]))
def test_numbers_of_any_length_do_not_blind_the_reader(form: str, digits: int) -> None:
    reader = NcclReader("pod")
    for number, line in enumerate([f"{AT} {form.format('7' * digits)}", *job()], 1):
        reader.line(number, None, line)
    assert len(reader.result().communicators[-1].complete) == 16


def test_huge_numbers_in_the_head_do_not_blind_the_reader() -> None:
    reader, huge = NcclReader("pod"), "9" * 5000
    for line in (f"a:{huge}:1 [0]", f"a:1:{huge} [0]", f"a:1:1 [{huge}]", f"a:1:1 [0] x.cc:{huge}"):
        reader.line(1, None, f"{line} NCCL INFO Using network IB")
    assert reader.result().processes == ()


@pytest.mark.parametrize("pending", [True, False])
def test_sockets_fail_though_another_pod_is_pending_or_not_known(*, pending: bool) -> None:
    lines = job(network="Socket", transport="NET/Socket/{nic}")
    evidence = group([x for x in lines if x.startswith(HOSTS[0])])
    first, second = evidence.pods
    pods = (first, replace(second, node=None)) if pending else (first,)
    verdict = rdma_between_nodes.judge_evidence(replace(evidence, pods=pods))
    assert verdict.outcome == "fail"


@pytest.mark.parametrize("pending", [True, False])
def test_a_pod_without_a_node_keeps_one_node_from_being_skipped(*, pending: bool) -> None:
    evidence = group(job(hosts=HOSTS[:1]))
    first, second = evidence.pods
    pods = (first, replace(second, node=None)) if pending else (first,)
    verdict = rdma_between_nodes.judge_evidence(replace(evidence, pods=pods))
    assert verdict.outcome == "unknown"


def test_a_log_with_two_nodes_is_not_skipped_as_one_node() -> None:
    evidence = group([x for x in quiet(job()) if x.startswith(HOSTS[0])], nodes=1)
    assert rdma_between_nodes.judge_evidence(evidence).outcome == "unknown"


def test_communicators_that_have_all_ended_prove_nothing() -> None:
    verdict = judge(ranks_initialised, ended())
    assert verdict.outcome == "unknown"
    assert "every communicator in the logs has ended" in verdict.says


def test_ranks_on_a_host_that_is_no_pod_of_the_group_do_not_pass() -> None:
    foreign = read([x.replace(HOSTS[1], "stranger") for x in job()], "head")
    seen = with_log(lambda look: foreign if "head" in look.pod else NcclLog())
    for one in BOTH:
        verdict = one.judge_evidence(seen)
        assert verdict.outcome == "unknown"
        assert "stranger" in verdict.says
    worlds = NcclWorlds.fold(seen)
    assert isinstance(worlds, NcclWorlds)
    assert not any(w.closed for w in worlds.worlds)


def test_a_node_name_is_a_host_of_its_pod() -> None:
    named = [x.replace(HOSTS[0], "gpu-0").replace(HOSTS[1], "gpu-1") for x in job()]
    seen = with_log(lambda look: read(named, "head") if "head" in look.pod else NcclLog())
    for one in BOTH:
        assert one.judge_evidence(seen).outcome == "pass"


def test_more_ranks_on_a_pod_than_it_has_gpus_do_not_pass() -> None:
    evidence = group(job())
    pods = tuple(replace(p, gpus=4) for p in evidence.pods)
    for one in BOTH:
        verdict = one.judge_evidence(replace(evidence, pods=pods))
        assert verdict.outcome == "unknown"
        assert "8 NCCL ranks are on vllm-head-0, which has 4 GPUs" in verdict.says


def test_a_pod_that_speaks_without_ranks_is_not_covered() -> None:
    words = [f"{head(HOSTS[1], 200, 0)} Using network IB"] * 2
    lines = [*job(hosts=HOSTS[:1]), *words]
    verdict = judge(ranks_initialised, lines)
    assert verdict.outcome == "unknown"


@pytest.mark.parametrize("direction", ["[send]", "[receive]"])
def test_a_host_without_channels_in_both_directions_does_not_pass(direction: str) -> None:
    lines = [x for x in job() if not (x.startswith(HOSTS[1]) and direction in x)]
    verdict = judge(rdma_between_nodes, lines)
    assert verdict.outcome == "unknown"
    assert f"no {direction[1:-1]} channel of vllm-worker-0" in verdict.says


def test_a_log_that_lost_its_first_lines_does_not_pass() -> None:
    late = [x for x in job() if "Bootstrap" not in x and " START" not in x]
    verdict = judge(rdma_between_nodes, late)
    assert verdict.outcome == "unknown"
    assert "the first NCCL lines of vllm-head-0 were not seen" in verdict.says


def test_one_process_that_chose_sockets_keeps_rdma_from_passing() -> None:
    at = head(HOSTS[1], 203, 3)
    lines = [x.replace("network IB", "network Socket") if x.startswith(at) else x for x in job()]
    verdict = judge(rdma_between_nodes, lines)
    assert verdict.outcome == "unknown"
    assert "vllm-worker-0 chose sockets" in verdict.says


def test_collnet_channels_alone_are_not_nvlink() -> None:
    one = Channels(HOSTS[0], 200, "send", "COLLNET/SHARP", "inter_node", 1, "pod:1")
    assert transport_verdict(NcclLog(lines=1, channels=(one,))) == "inconclusive"


def test_copies_that_each_fit_a_node_are_skipped_by_evidence() -> None:
    verdict = rdma_between_nodes.judge_evidence(copies())
    assert verdict.outcome == "skipped"
    assert verdict.cites


def test_copies_with_a_rank_not_seen_are_unknown() -> None:
    for one in BOTH:
        assert one.judge_evidence(copies(shown=7)).outcome == "unknown"


def test_copies_of_a_mixture_of_experts_are_not_skipped() -> None:
    evidence = copies()
    evidence = replace(evidence, intent=replace(evidence.intent, ep=True))
    assert rdma_between_nodes.judge_evidence(evidence).outcome == "unknown"


def test_every_copy_is_expected_and_not_the_first_alone() -> None:
    assert ranks_initialised.judge_evidence(copies()).outcome == "pass"
    tripled = copies()
    tripled = replace(tripled, intent=replace(tripled.intent, dp=3))
    verdict = ranks_initialised.judge_evidence(tripled)
    assert (verdict.outcome, "16 of the 24 ranks" in verdict.says) == ("unknown", True)


def test_the_healthy_group_itself_passes_both() -> None:
    same = change_looks(healthy(), lambda look: look)
    assert ranks_initialised.judge_evidence(same).outcome == "pass"


def test_a_send_whose_receiver_shows_no_channel_does_not_pass() -> None:
    told = head(HOSTS[1], 200, 0)
    also = f"{head(HOSTS[1], 201, 1)} Channel 00/0 : 7[7] -> 9[1] [receive] via NET/IB/0/GDRDMA"
    lines = [x for x in job() if not (x.startswith(told) and "[receive]" in x)]
    verdict = judge(rdma_between_nodes, [*lines, also])
    assert verdict.outcome == "unknown"
    assert "no receive channel of rank 8 on vllm-worker-0" in verdict.says


def test_ranks_that_were_not_seen_keep_rdma_from_passing() -> None:
    verdict = judge(rdma_between_nodes, job(shown=[r for r in range(16) if r != 4]))
    assert verdict.outcome == "unknown"
    assert "15 of 16 ranks of communicator" in verdict.says


def test_channels_of_a_communicator_that_was_not_seen_do_not_pass() -> None:
    lines = [x for x in job() if " rank " not in x]
    assert judge(rdma_between_nodes, lines).outcome == "unknown"


@pytest.mark.parametrize("word", ["G", "GDR", "GDRDM", "S", "Share"])
def test_a_channel_line_cut_within_its_last_word_names_no_transport(word: str) -> None:
    line = f"{AT} Channel 00/0 : 7[7] -> 8[0] [send] via NET/IB/0/{word}"
    log = read([line] * 2, "pod")
    assert (log.channels, log.sheared) == ((), 2)


EVERY = (*BOTH, gdr_between_nodes, no_failure, peer_to_peer_on_node)
LINES = job()


@given(st.sets(st.integers(0, len(LINES) - 1)))
@settings(max_examples=80, deadline=None)
def test_lines_that_are_lost_from_a_healthy_log_never_accuse(lost: set[int]) -> None:
    evidence = group([x for i, x in enumerate(LINES) if i not in lost])
    for one in EVERY:
        assert one.judge_evidence(evidence).outcome in ("pass", "unknown")


@given(st.integers(0, 15))
@settings(max_examples=16, deadline=None)
def test_a_rank_whose_every_line_is_lost_keeps_all_but_failures_from_passing(rank: int) -> None:
    evidence = group(job(shown=[r for r in range(16) if r != rank]))
    for one in (*BOTH, gdr_between_nodes, peer_to_peer_on_node):
        assert one.judge_evidence(evidence).outcome == "unknown"


stamps = st.one_of(st.none(), st.text(max_size=30), st.datetimes().map(lambda t: f"{t:%FT%TZ}"))
failures = st.builds(
    Failure,
    id=st.sampled_from(["cuda", "peer-closed", "watchdog-timeout", "unheard-of", ""]),
    fatal=st.booleans(),
    says=st.text(max_size=40),
    source=st.text(max_size=20),
    line=st.integers(0, 1 << 40),
    host=st.sampled_from(["", *HOSTS, "stranger"]),
    peer=st.one_of(st.none(), st.text(max_size=30)),
    stamp=stamps,
    symptom=st.booleans(),
)


@given(st.lists(failures, max_size=6))
@settings(deadline=None)
def test_any_failures_are_judged_and_fatal_ones_never_pass_unless_past(told: list[Failure]) -> None:
    log = replace(read(job(), "head"), failures=tuple(told))
    evidence = with_log(lambda look: log if "head" in look.pod else NcclLog())
    verdict = no_failure.judge_evidence(evidence)
    now = [f for f in present(evidence, told) if f.fatal]
    assert (verdict.outcome == "fail") == bool(now)
    assert not now or any(f.says in verdict.says for f in now)
    for one in EVERY:
        one.judge_evidence(evidence)
