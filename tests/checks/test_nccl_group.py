"""The NCCL logs of a whole group as one: folding, coverage, hostnames, communicators."""

import pytest
from msgspec.structs import replace
from tests.checks.test_nccl import group, judge, read, with_log
from tests.evidence_builder import change_looks, healthy
from tests.logs.nccl_lines import COMM, HOSTS, head, job

from distcheck.checks.evidence import Evidence, NcclLog
from distcheck.checks.evidence.nccl import NcclProcess
from distcheck.checks.facts.nccl_group import group_of, hosts_of
from distcheck.checks.facts.nccl_worlds import NcclWorlds
from distcheck.checks.nccl.gdr_between_nodes import gdr_between_nodes
from distcheck.checks.nccl.peer_to_peer_on_node import peer_to_peer_on_node
from distcheck.checks.nccl.ranks_initialised import ranks_initialised
from distcheck.checks.nccl.rdma_between_nodes import rdma_between_nodes

TRANSPORT = (rdma_between_nodes, gdr_between_nodes, peer_to_peer_on_node)
EVERY = (ranks_initialised, *TRANSPORT)


def alone(log: NcclLog) -> NcclLog:
    """The log with each process cited from a file of its own, as Ray's workers write."""
    own = (replace(p, source=f"worker-{p.host}-{p.pid}.out:1") for p in log.processes)
    return replace(log, processes=tuple(own))


def in_head(log: NcclLog) -> Evidence:
    return with_log(lambda look: log if "head" in look.pod else NcclLog())


def test_logs_are_put_together_once_for_each_evidence() -> None:
    evidence = group(job())
    assert group_of(evidence) is group_of(evidence)
    assert group_of(evidence).log is group_of(evidence).log
    fewer = replace(evidence, pods=evidence.pods[:1])
    assert len(group_of(fewer).logs) == 1


def test_a_drivers_log_in_which_ray_folded_lines_proves_no_transport() -> None:
    log = replace(read(job(), "head"), folded=6)
    for one in TRANSPORT:
        verdict = one.judge_evidence(in_head(log))
        assert verdict.outcome == "unknown"
        assert "RAY_DEDUP_LOGS=0" in verdict.says
    assert ranks_initialised.judge_evidence(in_head(log)).outcome == "pass"


def test_the_workers_own_files_make_up_for_a_folded_log() -> None:
    log = replace(alone(read(job(), "head")), folded=6)
    for one in EVERY:
        assert one.judge_evidence(in_head(log)).outcome == "pass"


def test_a_pods_own_unfolded_log_makes_up_for_a_folded_one() -> None:
    folded = replace(read(job(), "head"), folded=6)
    own = read([x for x in job() if x.startswith(HOSTS[1])], "worker")
    seen = with_log(lambda look: folded if "head" in look.pod else own)
    assert group_of(seen).folded_hosts == (HOSTS[0],)


def test_the_same_log_in_both_pods_does_not_count_ranks_twice() -> None:
    whole = read(job(), "head")
    for one in EVERY:
        assert one.judge_evidence(with_log(lambda _: whole)).outcome == "pass"


@pytest.mark.parametrize("ended", [1, 8, 15])
def test_ranks_that_ended_a_communicator_others_hold_do_not_pass(ended: int) -> None:
    said = "comm 0x55a0{0:04x} rank {0} nranks 16 cudaDev {1} busId 1000 - Destroy COMPLETE"
    hosts = [(r, HOSTS[r // 8], r % 8) for r in range(ended)]
    lines = [*job(), *(f"{head(h, 200 + d, d)} {said.format(r, d)}" for r, h, d in hosts)]
    verdict = judge(ranks_initialised, lines)
    assert verdict.outcome == "unknown"
    who = "1 rank" if ended == 1 else f"{ended} ranks"
    assert f"{who} ended a communicator in which others still are" in verdict.says


def test_ranks_that_no_log_shows_are_named_with_their_communicator_and_pods() -> None:
    verdict = judge(ranks_initialised, job(shown=range(8)))
    assert f"not seen: rank 8 to 15 of communicator {COMM}" in verdict.says
    assert "pods without NCCL ranks: vllm-worker-0" in verdict.says
    verdict = judge(rdma_between_nodes, job(shown=range(8)))
    assert f"8 of 16 ranks of communicator {COMM} were seen, not rank 8 to 15" in verdict.says
    assert "no NCCL ranks of vllm-worker-0" in verdict.says


def pairs(*, connected: bool) -> list[str]:
    """Two-rank communicators of a pipeline, one a GPU, beside the world's; set up or not yet."""
    lines = []
    for place, host in enumerate(HOSTS):
        for dev in range(8):
            at, name = head(host, 200 + dev, dev), f"0xbeef{dev:04x}"
            who = f"ncclCommInitRank comm 0x77a{dev} rank {place} nranks 2 cudaDev {dev}"
            tail = f"nvmlDev {dev} busId {0x18000 + dev * 0x1000:x} commId {name} - Init"
            lines.append(f"{at} {who} {tail} START")
            if connected:
                way, ends = ("send", "0[0] -> 1[0]") if place == 0 else ("receive", "0[0] -> 1[0]")
                lines.append(f"{at} Channel 00/1 : {ends} [{way}] via NET/IB/0/GDRDMA")
            lines.append(f"{at} {who} {tail} COMPLETE")
    return lines


def test_pairs_that_are_connected_beside_the_world_pass() -> None:
    for one in EVERY:
        assert judge(one, [*job(), *pairs(connected=True)]).outcome == "pass"


def test_a_pair_that_is_not_connected_yet_is_unknown_and_says_when_it_will_be() -> None:
    lines = [*job(), *pairs(connected=False)]
    assert judge(ranks_initialised, lines).outcome == "pass"
    verdict = judge(rdma_between_nodes, lines)
    assert verdict.outcome == "unknown"
    assert "communicator 0xbeef0000 (2 ranks on vllm-head-0, vllm-worker-0)" in verdict.says
    assert "send a request and look again" in verdict.says


def test_a_second_library_in_the_same_processes_makes_no_second_ranks() -> None:
    other = [x.replace(COMM, "0x77").replace("0x55a0", "0x66b0") for x in job()]
    other = [x.replace("busId ", "busid ") for x in other if "Bootstrap" not in x]
    verdict = judge(ranks_initialised, [*job(), *other])
    assert verdict.outcome == "pass"
    assert "all 16 ranks completed 2 communicators" in verdict.says


def test_a_hostname_of_the_spec_is_a_host_of_its_pod() -> None:
    named = [x.replace(HOSTS[0], "serve-0").replace(HOSTS[1], "serve-1") for x in job()]
    log = read(named, "head")
    assert ranks_initialised.judge_evidence(in_head(log)).outcome == "unknown"
    evidence = in_head(log)
    pods = tuple(replace(p, hostname=f"serve-{i}") for i, p in enumerate(evidence.pods))
    for one in EVERY:
        assert one.judge_evidence(replace(evidence, pods=pods)).outcome == "pass"


def test_a_hostname_of_the_spec_leaves_no_guess_at_a_suffix() -> None:
    pod = replace(healthy().pods[0], name="serve-worker-0-x7k2p")
    assert hosts_of(pod) == ("serve-worker-0-x7k2p", "serve-worker-0", "gpu-0")
    assert "serve-worker-0" not in hosts_of(replace(pod, hostname="serve"))


def test_a_long_name_is_cut_as_the_kubelet_cuts_it() -> None:
    pod = replace(healthy().pods[0], name="a" * 62 + "-b.c", node=None)
    assert hosts_of(pod)[0] == "a" * 62


def test_a_host_that_pods_of_two_nodes_may_answer_for_has_no_node() -> None:
    evidence = healthy()
    names = ("serve-aaaaa", "serve-bbbbb")
    pods = tuple(replace(p, name=n) for p, n in zip(evidence.pods, names, strict=True))
    known = group_of(replace(evidence, pods=pods))
    assert known.home("serve") == "serve"
    assert known.home("serve-aaaaa") == "gpu-0"


def test_lines_of_an_earlier_run_with_other_pids_do_not_pass() -> None:
    old = [x.replace(":20", ":30").replace(COMM, "0x01d") for x in job(complete=range(8))]
    for one in EVERY:
        assert judge(one, [*old, *job()]).outcome == "unknown"


def test_a_run_after_which_the_same_processes_started_again_is_past() -> None:
    old = [x.replace(COMM, "0x01d") for x in job(complete=range(8), transport="NET/Socket/{nic}")]
    for one in EVERY:
        assert judge(one, [*old, *job()]).outcome == judge(one, job()).outcome


def test_another_library_in_the_same_process_is_no_new_start() -> None:
    """PyTorch's NCCL and the one that pynccl loads both say that they start."""
    other = job(transport="NET/Socket/{nic}", per_host=1)
    torch = [x.replace(COMM, "0x01d").replace("2.27.3", "2.21.5") for x in other]
    hosts = read([*torch, *job()], "head").channels
    assert any(c.transport == "NET/Socket" for c in hosts)


def test_a_driver_without_gpus_may_print_the_lines_of_all_workers() -> None:
    workers = ("vllm-worker-0", "vllm-worker-1")
    whole = read(job(hosts=workers), "head")
    base = healthy(3)
    evidence = replace(
        base,
        intent=replace(base.intent, tp=16, gpus=16),
        pods=(replace(base.pods[0], gpus=0), *base.pods[1:]),
    )
    seen = change_looks(
        evidence, lambda look: replace(look, nccl=whole if "head" in look.pod else NcclLog())
    )
    for one in EVERY:
        assert one.judge_evidence(seen).outcome == "pass"
    worlds = NcclWorlds.fold(seen)
    assert isinstance(worlds, NcclWorlds)
    assert [len(w.processes) for w in worlds.worlds] == [16]


def test_a_process_in_a_file_of_its_own_is_not_folded() -> None:
    one = NcclProcess(HOSTS[0], 200, "worker.out:1", 9)
    log = replace(read(job(), "head"), folded=1, processes=(one,))
    assert group_of(in_head(log)).folded_hosts == ()


def test_a_second_start_that_came_no_further_keeps_the_checks_from_passing() -> None:
    """Until 2.21 a rank that waits for others says only which network it chose."""
    first = [x for x in job() if "NCCL version" not in x]
    for offset in ("20", "30"):
        begun = [x for x in first if "Bootstrap" in x or "Using network" in x]
        again = [x.replace(":20", f":{offset}") for x in begun]
        for one in EVERY:
            assert judge(one, [*first, *again]).outcome == "unknown"


def test_channels_planned_after_the_last_connection_are_not_connected() -> None:
    local = [x.replace(COMM, "0xaa") for x in job(transport=None)]
    world = [x for x in job() if "Connected" not in x]
    by_time = sorted(world, key=lambda x: " Channel " in x)
    for one in EVERY[:3]:
        assert judge(one, [*local, *by_time]).outcome == "unknown"
