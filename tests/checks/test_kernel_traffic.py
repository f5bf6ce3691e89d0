"""NCCL002 where no log tells: what the kernels of the nodes show of their ranks' traffic."""

from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from tests.evidence_builder import AT, PER_NODE, change_looks, healthy, name_of

from distcheck.checks.evidence import Evidence, Missing, NcclLog, NodeLook, PodLook, Processes
from distcheck.checks.evidence.flows import TcpFlow, TcpFlows
from distcheck.checks.evidence.open_devices import OpenDevice, OpenDevices
from distcheck.checks.evidence.process import Process
from distcheck.checks.evidence.rdma import (
    QueuePair,
    QueuePairs,
    RdmaAccess,
    RdmaDevices,
    RdmaPort,
)
from distcheck.checks.nccl.rdma_between_nodes import rdma_between_nodes
from distcheck.checks.verdict import Verdict

EARLIER = "2026-01-15T09:29:51Z"
KB, MB, GB = 1_000, 1_000_000, 1_000_000_000
NO_LOG = Missing("no NCCL line is in the log (is NCCL_DEBUG=INFO set?)")
RANKS = tuple(range(200, 200 + PER_NODE))
IPS = {name_of(0): "10.0.0.2", name_of(1): "10.0.0.3", name_of(2): "10.0.0.4"}
Change = Callable[[PodLook], PodLook]


def judged(evidence: Evidence) -> Verdict:
    return rdma_between_nodes.judge_evidence(evidence)


def quiet(nodes: int = 2) -> Evidence:
    """The healthy group, but no log has a line of NCCL."""
    return change_looks(healthy(nodes), lambda look: structs.replace(look, nccl=NO_LOG))


def number(pod: str) -> int:
    return list(IPS).index(pod.removeprefix("llm/"))


def with_rdma(
    evidence: Evidence, nodes: int = 2, kind: str = "RC", device: str = "mlx5_0"
) -> Evidence:
    """A ring over the nodes: each rank is connected to that of its number on the next one."""

    def change(look: PodLook) -> PodLook:
        own = number(look.pod)
        pairs = [p for at in range(nodes) for p in ring(own, at, nodes, kind)]
        flush = [QueuePair("mlx5_0", 1, 900 + r, "RC", "RTS", r, 900 + r) for r in RANKS]
        own_device = tuple(structs.replace(p, device=device) for p in (*pairs, *flush))
        seen = QueuePairs(own_device, "RDMA netlink", AT, devices=(device,))
        held = tuple(OpenDevice(r, ("uverbs0",)) for r in RANKS)
        opened = OpenDevices(held, RANKS, "/proc/PID/fd", AT, {"uverbs0": device})
        return structs.replace(look, queue_pairs=seen, open_devices=opened)

    return change_looks(evidence, change)


def ring(own: int, at: int, nodes: int, kind: str) -> Iterable[QueuePair]:
    """The queue pairs of node `own` in the connections from node `at` to the next one."""
    after = (at + 1) % nodes
    for rank in RANKS:
        here, there = 5000 + 100 * at + rank, 9000 + 100 * at + rank
        if own == at:
            yield QueuePair("mlx5_0", 1, here, kind, "RTS", rank, there)
        if own == after:
            yield QueuePair("mlx5_0", 1, there, kind, "RTS", rank, here)


def with_tcp(
    evidence: Evidence, size: int, before: int | None = None, owned: bool = True
) -> Evidence:
    """Each rank has a connection to that of its number in every other pod, of `size` bytes."""

    def change(look: PodLook) -> PodLook:
        own = number(look.pod)
        flows = tuple(tcp(own, size, evidence, owned=owned))
        earlier = () if before is None else tuple(tcp(own, before, evidence, owned=owned))
        at = None if before is None else EARLIER
        source = "inet_diag"
        pids = RANKS if owned else ()
        seen = TcpFlows(flows, source, AT, before=earlier, before_at=at, owned=pids)
        return structs.replace(look, flows=seen)

    return change_looks(evidence, change)


def tcp(own: int, size: int, evidence: Evidence, *, owned: bool) -> Iterable[TcpFlow]:
    ips = [IPS[p.name] for p in evidence.pods]
    for other in set(range(len(ips))) - {own}:
        for rank in RANKS:
            low, high = (46_000 + rank, 36_000 + rank)
            ports, sent = ((low, high), size) if own < other else ((high, low), 0)
            whole = ips[own], ports[0], ips[other], ports[1], sent, size - sent
            yield TcpFlow(*whole, pid=rank if owned else 0)


def bare(evidence: Evidence, *pods: str) -> Evidence:
    """The ranks of `pods`, or of all, hold no device of a fabric."""

    def change(look: PodLook) -> PodLook:
        if pods and look.pod.removeprefix("llm/") not in pods:
            return look
        none = OpenDevices((), RANKS, "/proc/PID/fd", AT)
        gone = Missing("queue pairs: the node has no HCA, so the kernel tracks no queue pair")
        return structs.replace(look, open_devices=none, queue_pairs=gone)

    return change_looks(evidence, change)


def with_counters(evidence: Evidence, words: int, device: str = "mlx5_0") -> Evidence:
    """The node's HCA sent `words` of four bytes between two looks."""

    def change(look: NodeLook) -> NodeLook:
        then, now = (RdmaPort(device, 1, counters={"port_xmit_data": n}) for n in (7, 7 + words))
        seen = RdmaDevices((now,), "/sys", AT, before=(then,), before_at=EARLIER)
        return structs.replace(look, rdma=seen)

    return structs.replace(evidence, nodes=tuple(map(change, evidence.nodes)))


def test_queue_pairs_of_each_other_beside_quiet_tcp_are_rdma() -> None:
    verdict = judged(with_tcp(with_rdma(quiet()), 40 * KB))
    assert verdict.outcome == "pass"
    assert "16 RDMA connections between ranks on 2 nodes" in verdict.says
    assert "TCP between them carried 320 kB" in verdict.says
    assert any("8 of 8 ranks of vllm-head-0 hold mlx5_0 open" in c.what for c in verdict.cites)


def test_a_ring_of_three_nodes_joins_them_all() -> None:
    assert judged(with_tcp(with_rdma(quiet(3), 3), 40 * KB)).outcome == "pass"


def test_a_node_that_no_rdma_connection_reaches_is_not_proven() -> None:
    verdict = judged(with_tcp(with_rdma(quiet(3), 2), 40 * KB))
    assert verdict.outcome == "unknown"


def test_queue_pairs_with_other_groups_prove_nothing() -> None:
    """Cached keys and values go to another group: those peers are none of these ranks."""
    alone = change_looks(
        with_rdma(quiet()),
        lambda look: structs.replace(
            look,
            queue_pairs=QueuePairs(
                tuple(QueuePair("mlx5_0", 1, r, "RC", "RTS", r, 77 + r) for r in RANKS), "x", AT
            ),
        ),
    )
    assert judged(with_tcp(alone, 40 * KB)).outcome == "unknown"


@pytest.mark.parametrize("state", ["INIT", "RTR", "ERR"])
def test_queue_pairs_that_cannot_send_prove_nothing(state: str) -> None:
    def change(look: PodLook) -> PodLook:
        seen = look.queue_pairs
        assert isinstance(seen, QueuePairs)
        pairs = tuple(structs.replace(p, state=state) for p in seen.pairs)
        return structs.replace(look, queue_pairs=structs.replace(seen, pairs=pairs))

    assert judged(change_looks(with_tcp(with_rdma(quiet()), KB), change)).outcome == "unknown"


def test_a_rank_without_an_hca_among_others_is_not_proven() -> None:
    def change(look: PodLook) -> PodLook:
        held = tuple(OpenDevice(r, ("uverbs0",)) for r in RANKS[1:])
        return structs.replace(look, open_devices=OpenDevices(held, RANKS, "x", AT))

    assert judged(change_looks(with_tcp(with_rdma(quiet()), KB), change)).outcome == "unknown"


def test_rdma_beside_tcp_that_was_not_seen_is_unknown_with_the_missing_right() -> None:
    refused = Missing("SYS_ADMIN is not granted to the agent: flows cannot be seen")
    blind = change_looks(with_rdma(quiet()), lambda look: structs.replace(look, flows=refused))
    verdict = judged(blind)
    assert verdict.outcome == "unknown"
    assert "SYS_ADMIN is not granted" in verdict.says
    assert "16 RDMA connections" in verdict.says


def test_gigabytes_over_tcp_and_no_hca_open_are_sockets() -> None:
    verdict = judged(bare(with_tcp(quiet(), 23 * GB)))
    assert (verdict.outcome, verdict.cause) == ("fail", "sockets-without-log")
    assert "TCP carried 184 GB between vllm-head-0 and vllm-worker-0" in verdict.says
    assert "none of their ranks has opened an HCA" in verdict.says
    assert verdict.remedy is not None
    assert "NCCL_DEBUG=INFO" in verdict.remedy


def test_one_node_without_an_hca_is_enough() -> None:
    mixed = bare(with_tcp(with_rdma(quiet()), 23 * GB), name_of(1))
    assert judged(mixed).outcome == "fail"


def test_what_goes_over_tcp_while_the_group_works_shows_sockets_soon_after_a_start() -> None:
    assert judged(bare(with_tcp(quiet(), 60 * MB, 20 * MB))).outcome == "fail"


@pytest.mark.parametrize(
    ("size", "before"), [(40 * KB, None), (3 * MB, 2 * MB), (100 * MB, 99 * MB)]
)
def test_what_setting_up_takes_is_no_proof_of_sockets(size: int, before: int | None) -> None:
    verdict = judged(bare(with_tcp(quiet(), size, before)))
    assert verdict.outcome == "unknown"
    assert "TCP between ranks carried" in verdict.says
    assert verdict.remedy is not None
    assert "Send requests" in verdict.remedy


def test_tcp_of_other_processes_than_ranks_is_no_proof() -> None:
    """Ray moves objects, engines move prompts."""
    assert judged(bare(with_tcp(quiet(), 23 * GB, owned=False))).outcome == "unknown"


def test_copies_that_need_nobody_may_send_each_other_what_they_have_cached() -> None:
    apart = quiet()
    intent = structs.replace(apart.intent, tp=8, dp=2)
    assert judged(bare(with_tcp(structs.replace(apart, intent=intent), 23 * GB))).outcome != "fail"


def test_nvlink_between_nodes_is_no_proof_of_sockets() -> None:
    def change(look: PodLook) -> PodLook:
        held = tuple(OpenDevice(r, ("imex",)) for r in RANKS)
        return structs.replace(look, open_devices=OpenDevices(held, RANKS, "x", AT))

    assert judged(change_looks(with_tcp(quiet(), 23 * GB), change)).outcome == "unknown"


def test_open_hcas_alone_prove_no_use() -> None:
    def change(look: PodLook) -> PodLook:
        return structs.replace(look, queue_pairs=Missing("queue pairs: timed out after 5 s"))

    verdict = judged(change_looks(with_tcp(with_rdma(quiet()), 40 * KB), change))
    assert verdict.outcome == "unknown"
    assert "hold HCAs open, which proves no use" in verdict.says


def test_bulk_tcp_beside_rdma_is_decided_by_what_works_now() -> None:
    """A long life adds up: what counts is which of the two grows."""
    old = with_tcp(with_rdma(quiet()), 3 * GB, 3 * GB - 10 * KB)
    assert judged(old).outcome == "unknown"
    assert "but TCP carried 24 GB between vllm-head-0 and vllm-worker-0 as well" in judged(old).says
    assert judged(with_counters(old, 1 << 26)).outcome == "pass"


@pytest.mark.parametrize(
    "others", [{"shared": ("mlx5_0",)}, {"unread": ("mlx5_0: more than 65536 queue pairs",)}]
)
def test_counters_of_a_shared_hca_prove_nothing(others: dict[str, tuple[str, ...]]) -> None:
    def change(look: PodLook) -> PodLook:
        assert isinstance(look.queue_pairs, QueuePairs)
        shared = structs.replace(look.queue_pairs, **others)
        return structs.replace(look, queue_pairs=shared)

    old = with_counters(with_tcp(with_rdma(quiet()), 3 * GB, 3 * GB), 1 << 26)
    assert judged(change_looks(old, change)).outcome == "unknown"


def test_queue_pairs_without_peers_need_an_hca_that_works_for_them_alone() -> None:
    """EFA's send to many: nothing says to whom."""
    assert judged(on_efa(40 * KB, 40 * KB, words=0)).outcome == "unknown"
    verdict = judged(on_efa(40 * KB, 40 * KB))
    assert verdict.outcome == "pass"
    assert "HCAs of ranks on 2 nodes sent 537 MB between two looks" in verdict.says


def on_efa(size: int, before: int | None, kind: str = "DRIVER", words: int = 1 << 26) -> Evidence:
    access = RdmaAccess(("uverbs0",), "/dev/infiniband", AT, devices=("rdmap0s6",))
    group = change_looks(quiet(), lambda look: structs.replace(look, rdma=access))
    rdma = with_rdma(group, kind=kind, device="rdmap0s6")
    return with_counters(with_tcp(rdma, size, before), words, "rdmap0s6")


@pytest.mark.parametrize("kind", ["UD", "DCI", "DCT", "DRIVER", "SRD"])
def test_on_other_hcas_than_efa_queue_pairs_without_peers_are_not_nccls(kind: str) -> None:
    """NCCL itself uses RC; UCX and NIXL send caches over UD and DC to other groups."""
    other = with_counters(with_tcp(with_rdma(quiet(), kind=kind), 40 * KB, 40 * KB), 1 << 26)
    assert judged(other).outcome == "unknown"


def test_an_hca_that_works_for_caches_of_another_group_proves_nothing() -> None:
    def change(look: PodLook) -> PodLook:
        assert isinstance(look.processes, Processes)
        argv = ("vllm", "serve", "--kv-transfer-config", "(hidden)")
        more = Process(150, "vllm", argv=argv)
        seen = structs.replace(look.processes, processes=(*look.processes.processes, more))
        return structs.replace(look, processes=seen)

    assert judged(change_looks(on_efa(40 * KB, 40 * KB), change)).outcome == "unknown"


@pytest.mark.parametrize(
    ("size", "before"), [(30 * GB, 30 * GB - 50 * MB), (60 * MB, 50 * MB), (40 * KB, None)]
)
def test_counters_prove_nothing_beside_tcp_that_works_or_was_seen_once(
    size: int, before: int | None
) -> None:
    assert judged(on_efa(size, before, words=1 << 30)).outcome == "unknown"


def told(evidence: Evidence, **environ: str) -> Evidence:
    def change(look: PodLook) -> PodLook:
        assert isinstance(look.processes, Processes)
        return structs.replace(look, processes=structs.replace(look.processes, environ=environ))

    return change_looks(evidence, change)


@pytest.mark.parametrize(("name", "value"), [("NCCL_IB_DISABLE", "1"), ("NCCL_NET", "Socket")])
def test_queue_pairs_are_not_nccls_where_it_is_told_to_use_sockets(name: str, value: str) -> None:
    group = with_tcp(with_rdma(quiet()), 20 * MB, 19 * MB)
    assert judged(group).outcome == "pass"
    verdict = judged(told(group, **{name: value}))
    assert verdict.outcome == "unknown"
    assert f"yet {name}={value} tells NCCL to use sockets; others such as UCX" in verdict.says


def test_efa_is_not_nccls_where_it_is_told_to_use_sockets() -> None:
    efa = on_efa(40 * KB, 40 * KB)
    assert judged(told(efa, NCCL_IB_DISABLE="1")).outcome == "pass"
    assert judged(told(efa, NCCL_NET="Socket")).outcome == "unknown"


def only(evidence: Evidence, ranks: Iterable[int], most: int = 99) -> Evidence:
    """The same, where only these ranks of each pod have queue pairs, and `most` of them."""
    kept = set(ranks)

    def change(look: PodLook) -> PodLook:
        assert isinstance(look.queue_pairs, QueuePairs)
        own = tuple(p for p in look.queue_pairs.pairs if p.pid in kept)[:most]
        return structs.replace(look, queue_pairs=structs.replace(look.queue_pairs, pairs=own))

    return change_looks(evidence, change)


def test_the_ring_of_one_hca_comes_in_and_goes_out() -> None:
    """One connection is no ring; where few ranks hold them, as near the only HCA, that is said."""
    group = with_tcp(with_rdma(quiet()), MB)
    assert judged(only(group, RANKS[:1], most=1)).outcome == "unknown"
    verdict = judged(only(group, RANKS[:1]))
    assert verdict.outcome == "pass"
    assert "2 RDMA connections between ranks on 2 nodes, held by 2 of 16 ranks" in verdict.says


def test_each_tensor_parallel_rank_sends_to_the_next_stage() -> None:
    group = with_tcp(with_rdma(quiet()), MB)
    staged = structs.replace(group, intent=structs.replace(group.intent, tp=8, pp=2))
    assert judged(staged).outcome == "pass"
    assert judged(only(staged, RANKS[:3])).outcome == "unknown"


def test_ranks_without_queue_pairs_are_not_proven_where_nobody_saw_what_they_hold() -> None:
    gone = Missing("open devices: SYS_PTRACE is not granted to the agent")
    group = change_looks(
        with_tcp(with_rdma(quiet()), MB), lambda look: structs.replace(look, open_devices=gone)
    )
    assert judged(group).outcome == "pass"
    verdict = judged(only(group, RANKS[:1]))
    assert verdict.outcome == "unknown"
    assert "SYS_PTRACE" in verdict.says


@pytest.mark.parametrize(
    ("words", "outcome"), [(0, "unknown"), (1 << 20, "unknown"), (1 << 27, "pass")]
)
def test_tcp_that_outgrows_what_hcas_send_is_not_rdma(words: int, outcome: str) -> None:
    group = with_tcp(with_rdma(quiet()), 100 * MB, 94 * MB)
    verdict = judged(with_counters(group, words))
    assert verdict.outcome == outcome
    said = "TCP of vllm-head-0 and vllm-worker-0 grew by more than their HCAs sent" in verdict.says
    assert said is (outcome == "unknown")


def test_a_group_at_rest_over_rdma_passes_with_counters_that_do_not_move() -> None:
    group = with_tcp(with_rdma(quiet()), 40 * KB, 39 * KB)
    assert judged(with_counters(group, 0)).outcome == "pass"


@pytest.mark.parametrize("nodes", [2, 3])
def test_numbers_that_nodes_have_alike_join_none(nodes: int) -> None:
    """Every pod's queue pairs may go to pods of another group, in a ring of its own."""

    def change(look: PodLook) -> PodLook:
        pairs = [
            QueuePair("mlx5_0", 1, a + r, "RC", "RTS", r, b + r)
            for r in RANKS
            for a, b in ((5000, 9000), (9000, 5000))
        ]
        return structs.replace(look, queue_pairs=QueuePairs(tuple(pairs), "RDMA netlink", AT))

    group = change_looks(with_tcp(with_rdma(quiet(nodes), nodes), MB), change)
    verdict = judged(group)
    assert verdict.outcome == "unknown"
    assert "RDMA connection" not in verdict.says


def test_counters_alone_prove_nothing() -> None:
    assert judged(with_counters(with_tcp(quiet(), KB, KB), 1 << 28)).outcome == "unknown"


@pytest.mark.parametrize(
    ("name", "value", "outcome", "cause"),
    [
        ("NCCL_IB_DISABLE", "1", "fail", "env-NCCL_IB_DISABLE"),
        ("NCCL_NET", "socket", "fail", "env-NCCL_NET"),
        ("NCCL_IB_HCA", "mlx5", "fail", "sockets-without-log"),
        ("NCCL_NET", "GPUDirectTCPX_v7", "warn", "gpu-direct-tcp"),
        ("NCCL_FASTRAK_CTRL_DEV", "eth0", "warn", "gpu-direct-tcp"),
    ],
)
def test_a_setting_that_asks_for_sockets_is_the_cause(
    name: str, value: str, outcome: str, cause: str
) -> None:
    def change(look: PodLook) -> PodLook:
        assert isinstance(look.processes, Processes)
        return structs.replace(
            look, processes=structs.replace(look.processes, environ={name: value})
        )

    verdict = judged(change_looks(bare(with_tcp(quiet(), 23 * GB)), change))
    assert (verdict.outcome, verdict.cause) == (outcome, cause)


def test_a_container_without_uverbs_is_the_cause() -> None:
    access = RdmaAccess((), "/dev/infiniband", AT)
    sockets = bare(with_tcp(quiet(), 23 * GB))
    verdict = judged(change_looks(sockets, lambda look: structs.replace(look, rdma=access)))
    assert verdict.cause == "no-ib-device"


def test_a_log_that_decides_stays_first() -> None:
    assert judged(with_tcp(with_rdma(healthy()), KB)) == judged(healthy())


def chose(network: str, *pods: str) -> Change:
    """The log of `pods`, or of all, names the network, and no channel: NCCL connects late."""

    def change(look: PodLook) -> PodLook:
        if pods and look.pod.removeprefix("llm/") not in pods:
            return structs.replace(look, nccl=NO_LOG)
        assert isinstance(look.nccl, NcclLog)
        named = tuple(structs.replace(p, network=network) for p in look.nccl.processes)
        return structs.replace(look, nccl=structs.replace(look.nccl, channels=(), processes=named))

    return change


@pytest.mark.parametrize("pods", [(), (name_of(0),)])
@pytest.mark.parametrize("network", ["Socket", "FasTrak"])
def test_queue_pairs_of_others_do_not_outdo_a_log_that_chose_tcp(
    network: str, pods: tuple[str, ...]
) -> None:
    """NVSHMEM, DeepEP and UCX connect the same ranks; NCCL >= 2.22 has no channel line yet."""
    verdict = judged(with_tcp(with_rdma(change_looks(healthy(), chose(network, *pods))), MB))
    assert verdict.outcome == "unknown"
    assert f"TCP was chosen on {name_of(0)}" in verdict.says
    assert "others such as UCX or NVSHMEM may hold those RDMA connections" in verdict.says


def test_queue_pairs_decide_beside_a_log_that_chose_rdma_and_has_no_channel_yet() -> None:
    assert judged(with_tcp(with_rdma(change_looks(healthy(), chose("IB"))), MB)).outcome == "pass"


def test_bulk_tcp_without_an_hca_fails_beside_a_log_that_chose_sockets() -> None:
    chosen = change_looks(healthy(), chose("Socket"))
    assert judged(bare(with_tcp(chosen, 23 * GB))).outcome == "fail"


def test_logs_and_kernel_against_each_other_are_said() -> None:
    verdict = judged(bare(with_tcp(healthy(), 23 * GB)))
    assert verdict.outcome == "unknown"
    assert "the logs show RDMA" in verdict.says
    assert "184 GB" in verdict.says


def test_a_socket_log_beside_rdma_connections_stays_a_failure_and_says_both() -> None:
    def sockets(look: PodLook) -> PodLook:
        assert isinstance(look.nccl, NcclLog)
        found = tuple(structs.replace(c, transport="NET/Socket/0") for c in look.nccl.channels)
        return structs.replace(look, nccl=structs.replace(look.nccl, channels=found))

    verdict = judged(with_tcp(with_rdma(change_looks(healthy(), sockets)), KB))
    assert verdict.outcome == "fail"
    assert "yet the kernel shows 16 RDMA connections" in verdict.says


def test_the_kernel_shows_the_rest_where_one_pods_log_is_lost() -> None:
    def lose(look: PodLook) -> PodLook:
        return structs.replace(look, nccl=NO_LOG) if number(look.pod) else look

    half = change_looks(healthy(), lose)
    assert judged(half).outcome == "unknown"
    verdict = judged(with_tcp(with_rdma(half), KB))
    assert verdict.outcome == "pass"
    assert "the kernel shows the rest: 16 RDMA connections" in verdict.says


def test_a_pod_that_is_not_there_is_not_proven() -> None:
    evidence = with_tcp(with_rdma(quiet()), KB)
    more = structs.replace(evidence.intent, gpus=24)
    assert judged(structs.replace(evidence, intent=more)).outcome == "unknown"


def test_connections_beyond_what_is_kept_may_have_carried_the_data() -> None:
    def change(look: PodLook) -> PodLook:
        assert isinstance(look.flows, TcpFlows)
        return structs.replace(look, flows=structs.replace(look.flows, dropped=40_000))

    assert judged(change_looks(with_tcp(with_rdma(quiet()), 40 * KB), change)).outcome == "unknown"


def test_what_an_engine_hands_out_to_ranks_is_no_proof_beside_their_own_connections() -> None:
    """The prompts and images of weeks go from the engine's process to ranks on other nodes."""

    def add(look: PodLook) -> PodLook:
        assert isinstance(look.flows, TcpFlows)
        head = number(look.pod) == 0
        ends = (
            ("10.0.0.2", 5557, "10.0.0.3", 40_000)
            if head
            else ("10.0.0.3", 40_000, "10.0.0.2", 5557)
        )
        pid = 150 if head else RANKS[0]
        more = TcpFlow(*ends, 90 * GB if head else 0, 0 if head else 90 * GB, pid)
        return structs.replace(
            look, flows=structs.replace(look.flows, flows=(more, *look.flows.flows))
        )

    assert judged(change_looks(bare(with_tcp(quiet(), 40 * KB)), add)).outcome == "unknown"
    assert judged(change_looks(with_tcp(with_rdma(quiet()), 40 * KB), add)).outcome == "pass"


def test_what_adds_up_in_hours_is_no_proof_of_sockets() -> None:
    def long_ago(look: PodLook) -> PodLook:
        assert isinstance(look.flows, TcpFlows)
        return structs.replace(
            look, flows=structs.replace(look.flows, before_at="2026-01-15T02:00:00Z")
        )

    hours = change_looks(bare(with_tcp(quiet(), 60 * MB, 20 * MB)), long_ago)
    assert judged(hours).outcome == "unknown"


def test_ranks_that_show_no_connection_at_all_were_not_seen_whole() -> None:
    """NCCL keeps open what it met by: a look that has none of it did not see the pod's network."""
    none = TcpFlows((), "inet_diag", AT, owned=RANKS)
    blind = change_looks(with_rdma(quiet()), lambda look: structs.replace(look, flows=none))
    verdict = judged(blind)
    assert verdict.outcome == "unknown"
    assert "no TCP connection between ranks was seen" in verdict.says


PARTS = ("flows", "queue_pairs", "open_devices", "processes", "nccl")
hidden = st.frozensets(st.tuples(st.sampled_from(list(IPS)[:2]), st.sampled_from(PARTS)))


def without(evidence: Evidence, parts: Iterable[tuple[str, str]], gpus: Iterable[int]) -> Evidence:
    """The same, but nobody saw these parts of pods, nor the GPUs of these nodes."""
    gone = Missing("not seen, for the test")

    def change(look: PodLook) -> PodLook:
        own = {part: gone for pod, part in parts if look.pod == f"llm/{pod}"}
        return structs.replace(look, **own)

    seen = change_looks(evidence, change)
    nodes = (structs.replace(n, gpus=gone) if at in gpus else n for at, n in enumerate(seen.nodes))
    return structs.replace(seen, nodes=tuple(nodes))


@given(hidden, st.frozensets(st.integers(0, 1)))
@settings(max_examples=80, deadline=None)
def test_no_gap_makes_rdma_a_failure_or_sockets_a_pass(
    parts: frozenset[tuple[str, str]], gpus: frozenset[int]
) -> None:
    assert judged(without(RDMA, parts, gpus)).outcome in ("pass", "unknown")
    assert judged(without(SOCKETS, parts, gpus)).outcome in ("fail", "unknown")


RDMA = with_counters(with_tcp(with_rdma(quiet()), 40 * KB, 39 * KB), 1 << 26)
SOCKETS = with_counters(bare(with_tcp(quiet(), 23 * GB, 22 * GB)), 1 << 26)
