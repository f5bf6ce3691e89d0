"""RDMA001: device files, locked memory and links, as the node and the container show them."""

from collections.abc import Callable

import pytest
from msgspec import structs
from tests.evidence_builder import change_looks, healthy

from distcheck.checks.catalog import catalog
from distcheck.checks.evidence import Evidence, Missing, NcclLog, NodeLook, PodLook
from distcheck.checks.evidence.nccl import Channels
from distcheck.checks.evidence.rdma import QueuePair, QueuePairs, RdmaAccess, RdmaDevices, RdmaPort
from distcheck.checks.judging import judge
from distcheck.checks.nccl.rdma_between_nodes import rdma_between_nodes
from distcheck.checks.rdma.can_use_rdma import can_use_rdma
from distcheck.checks.verdict import Verdict

GONE = Missing("not seen")


def judged(evidence: Evidence) -> Verdict:
    return can_use_rdma.judge_evidence(evidence)


def access(evidence: Evidence, **changes: object) -> Evidence:
    """The same, with changes made to what every container has."""

    def change(look: PodLook) -> PodLook:
        assert isinstance(look.rdma, RdmaAccess)
        return structs.replace(look, rdma=structs.replace(look.rdma, **changes))

    return change_looks(evidence, change)


def ports(
    evidence: Evidence, change: Callable[[RdmaPort], RdmaPort], *, node: str = "gpu-"
) -> Evidence:
    """The same, with `change` made to every port of nodes whose names begin with `node`."""

    def of_node(look: NodeLook) -> NodeLook:
        if not look.node.startswith(node) or not isinstance(look.rdma, RdmaDevices):
            return look
        new = structs.replace(look.rdma, ports=tuple(map(change, look.rdma.ports)))
        return structs.replace(look, rdma=new)

    return structs.replace(evidence, nodes=tuple(map(of_node, evidence.nodes)))


def silent(evidence: Evidence) -> Evidence:
    """The same, without NCCL's log."""
    return change_looks(evidence, lambda look: structs.replace(look, nccl=GONE))


def told(evidence: Evidence, **variables: str) -> Evidence:
    """The same, with variables in every process's environment."""

    def change(look: PodLook) -> PodLook:
        return structs.replace(look, processes=structs.replace(look.processes, environ=variables))

    return change_looks(evidence, change)


def undeclared(evidence: Evidence) -> Evidence:
    pods = tuple(structs.replace(p, rdma=()) for p in evidence.pods)
    return structs.replace(evidence, pods=pods)


def bare(evidence: Evidence) -> Evidence:
    return access(evidence, verbs=(), devices=())


def down(port: RdmaPort) -> RdmaPort:
    return structs.replace(port, state="DOWN", phys_state="Polling")


def one_down(port: RdmaPort) -> RdmaPort:
    return down(port) if port.device == "mlx5_3" else port


def roce(port: RdmaPort) -> RdmaPort:
    gids = {"0": "IB/RoCE v1", "1": "RoCE v2", "2": "IB/RoCE v1", "3": "RoCE v2"}
    return structs.replace(port, link_layer="Ethernet", gids=gids)


def over(evidence: Evidence, transport: str) -> Evidence:
    """The same, where channels between nodes use `transport`."""

    def change(look: PodLook) -> PodLook:
        assert isinstance(look.nccl, NcclLog)
        channels = tuple(_over(c, transport) for c in look.nccl.channels)
        return structs.replace(look, nccl=structs.replace(look.nccl, channels=channels))

    return change_looks(evidence, change)


def _over(one: Channels, transport: str) -> Channels:
    return structs.replace(one, transport=transport) if one.scope == "inter_node" else one


def test_a_healthy_group_passes_with_its_numbers() -> None:
    verdict = judged(healthy())
    assert verdict.outcome == "pass"
    who = "vllm-head-0 and vllm-worker-0"
    assert verdict.says == (f"{who} each have 8 active links of 400 Gb/s, and may lock all memory")


def test_a_group_on_one_node_is_not_judged() -> None:
    assert judged(healthy(1)).outcome == "skipped"


def test_a_pod_without_the_device_that_it_asks_for_fails_and_says_what_is_there() -> None:
    verdict = judged(silent(bare(healthy())))
    assert (verdict.outcome, verdict.cause) == ("fail", "no_rdma_device")
    assert verdict.says == (
        "vllm-head-0 and vllm-worker-0 have no RDMA device: rdma/hca_shared_devices_a in the spec,"
        " no /dev/infiniband in the container; gpu-0 has 8 active links"
    )


def test_sockets_where_the_node_has_links_that_nobody_asked_for_fail() -> None:
    verdict = judged(over(undeclared(bare(healthy())), "NET/Socket"))
    assert (verdict.outcome, verdict.cause) == ("fail", "no_rdma_device")
    assert "no rdma/* resource in the spec" in verdict.says


def test_links_that_nobody_asked_for_are_a_warning_while_nothing_shows_sockets() -> None:
    verdict = judged(silent(undeclared(bare(healthy()))))
    assert (verdict.outcome, verdict.cause) == ("warn", "no_rdma_device")


def test_nodes_without_links_where_nothing_asks_for_rdma_are_not_judged() -> None:
    evidence = ports(silent(undeclared(bare(healthy()))), down)
    assert judged(evidence).outcome == "skipped"


def test_a_pod_that_is_told_to_use_sockets_is_not_judged() -> None:
    for name, value in (("NCCL_NET", "Socket"), ("NCCL_IB_DISABLE", "1")):
        verdict = judged(told(silent(bare(healthy())), **{name: value}))
        assert (verdict.outcome, verdict.says[:8]) == ("skipped", name[:8])


@pytest.mark.parametrize(("limit", "size"), [(65536, "64 KiB"), (8 << 20, "8 MiB")])
def test_a_limit_of_locked_memory_fails_without_the_capability(limit: int, size: str) -> None:
    verdict = judged(silent(access(healthy(), memlock_bytes=limit, ipc_lock=False)))
    assert (verdict.outcome, verdict.cause) == ("fail", "memlock")
    assert f"may lock {size} of memory" in verdict.says


def test_the_capability_makes_the_limit_void() -> None:
    verdict = judged(silent(access(healthy(), memlock_bytes=65536, ipc_lock=True)))
    assert verdict.outcome == "pass"


def test_no_limit_needs_no_capability() -> None:
    assert judged(silent(access(healthy(), memlock_bytes=None, ipc_lock=False))).outcome == "pass"


def test_a_limit_under_which_nccl_works_is_no_fault() -> None:
    assert judged(access(healthy(), memlock_bytes=8 << 20, ipc_lock=False)).outcome == "pass"


def test_a_limit_without_known_capabilities_is_unknown() -> None:
    verdict = judged(silent(access(healthy(), memlock_bytes=65536, ipc_lock=GONE)))
    assert verdict.outcome == "unknown"


def test_no_link_that_is_up_fails() -> None:
    verdict = judged(ports(healthy(), down, node="gpu-1"))
    assert (verdict.outcome, verdict.cause) == ("fail", "link_down")
    assert (
        "no link is up that vllm-worker-0 may use: mlx5_0:1 on gpu-1 is DOWN (Polling)"
        in verdict.says
    )


def test_one_link_that_is_down_where_the_other_node_has_it_up_is_a_warning() -> None:
    verdict = judged(ports(healthy(), one_down, node="gpu-1"))
    assert (verdict.outcome, verdict.cause) == ("warn", "link_down")
    assert verdict.says == "7 of 8 links of vllm-worker-0 are up: on gpu-1 mlx5_3:1 is DOWN"


def test_a_slow_management_link_that_is_down_on_one_node_is_nobodys() -> None:
    def slow(port: RdmaPort) -> RdmaPort:
        return structs.replace(port, rate_gbps=25.0) if port.device == "mlx5_3" else port

    assert judged(ports(ports(healthy(), slow), one_down, node="gpu-1")).outcome == "pass"


def test_ports_without_a_cable_are_nobodys_where_nothing_asks_for_rdma() -> None:
    """A privileged container sees on-board NICs that are there and never used."""
    evidence = ports(silent(undeclared(healthy())), down)
    verdict = judged(evidence)
    assert verdict.outcome == "skipped"
    assert verdict.says == "nothing asks for RDMA, and no link is active on gpu-0 and gpu-1"
    assert judged(ports(silent(healthy()), down)).cause == "link_down"


def test_links_that_are_down_on_one_node_alone_are_missed() -> None:
    evidence = ports(silent(undeclared(healthy())), down, node="gpu-1")
    assert judged(evidence).cause == "link_down"


def test_links_that_are_down_where_ranks_use_sockets_are_missed_beside_one_that_is_up() -> None:
    one = access(undeclared(over(healthy(), "NET/Socket")), devices=("mlx5_3",))
    assert judged(ports(one, one_down)).cause == "link_down"
    assert judged(ports(one, down)).outcome == "skipped"


def test_ranks_that_are_connected_have_locked_what_they_need() -> None:
    short = access(silent(healthy()), memlock_bytes=8 << 20, ipc_lock=False)
    assert judged(short).cause == "memlock"

    def connect(look: PodLook) -> PodLook:
        pids = range(200, 208)
        pairs = tuple(QueuePair("mlx5_0", 1, p, "RC", "RTS", p, 9000 + p) for p in pids)
        return structs.replace(look, queue_pairs=QueuePairs(pairs, "RDMA netlink"))

    verdict = judged(change_looks(short, connect))
    assert verdict.outcome == "pass"
    assert "may lock 8 MiB of memory: enough for the queue pairs that" in verdict.says


def test_a_link_that_is_down_on_every_node_is_nobodys() -> None:
    assert judged(ports(healthy(), one_down)).outcome == "pass"


def test_a_link_that_is_down_on_every_node_and_named_is_a_warning() -> None:
    evidence = told(ports(healthy(), one_down), NCCL_IB_HCA="mlx5_2,mlx5_3")
    assert judged(evidence).outcome == "warn"


def test_a_prefix_asks_for_none_of_its_devices_by_name() -> None:
    assert judged(told(ports(healthy(), one_down), NCCL_IB_HCA="mlx5")).outcome == "pass"


def test_efa_does_not_read_the_switch_of_nccls_own_transport() -> None:
    evidence = ports(silent(healthy()), lambda p: structs.replace(p, driver="efa"))
    assert judged(told(evidence, NCCL_IB_DISABLE="1")).outcome == "pass"


@pytest.mark.parametrize("hca", ["^mlx5_3", "=mlx5_0,mlx5_1", "mlx5_0:1", "mlx5_4,mlx5_5"])
def test_a_link_that_nccl_leaves_out_may_be_down(hca: str) -> None:
    evidence = told(ports(healthy(), one_down, node="gpu-1"), NCCL_IB_HCA=hca)
    assert judged(evidence).outcome == "pass"


def test_a_device_that_the_container_lacks_may_be_down() -> None:
    evidence = ports(healthy(), one_down, node="gpu-1")
    own = ("mlx5_0", "mlx5_1")
    assert judged(access(evidence, devices=own, verbs=("uverbs0", "uverbs1"))).outcome == "pass"


def test_a_filter_that_leaves_no_device_fails() -> None:
    verdict = judged(told(silent(healthy()), NCCL_IB_HCA="=ibp0"))
    assert (verdict.outcome, verdict.cause) == ("fail", "hca_filter")
    assert verdict.says.startswith("NCCL_IB_HCA==ibp0 leaves no device of vllm-head-0")


def test_a_link_that_went_down_between_two_looks_is_a_warning() -> None:
    evidence = ports(healthy(), lambda p: structs.replace(p, counters={"link_downed": 2}))

    def with_before(look: NodeLook) -> NodeLook:
        assert isinstance(look.rdma, RdmaDevices)
        before = tuple(structs.replace(p, counters={"link_downed": 0}) for p in look.rdma.ports[:1])
        return structs.replace(
            look, rdma=structs.replace(look.rdma, before=before, before_at="then")
        )

    verdict = judged(structs.replace(evidence, nodes=tuple(map(with_before, evidence.nodes))))
    assert (verdict.outcome, verdict.cause) == ("warn", "link_down")
    assert verdict.says == "links of gpu-0 went down since then: mlx5_0:1 2 times"


def test_roce_with_a_routable_gid_passes() -> None:
    assert judged(ports(silent(healthy()), roce)).outcome == "pass"


def test_roce_without_a_routable_gid_is_a_warning() -> None:
    flat = ports(
        silent(healthy()),
        lambda p: structs.replace(roce(p), gids={"0": "IB/RoCE v1"}),
        node="gpu-0",
    )
    verdict = judged(flat)
    assert (verdict.outcome, verdict.cause) == ("warn", "gid_type")
    assert "no GID of RoCE v2" in verdict.says


@pytest.mark.parametrize(("index", "outcome"), [("3", "pass"), ("2", "warn"), ("9", "warn")])
def test_the_gid_that_nccl_is_told_to_use_must_be_routable(index: str, outcome: str) -> None:
    evidence = told(ports(silent(healthy()), roce), NCCL_IB_GID_INDEX=index)
    assert judged(evidence).outcome == outcome


def test_host_memory_without_the_module_is_a_warning() -> None:
    def without(look: NodeLook) -> NodeLook:
        assert isinstance(look.rdma, RdmaDevices)
        return structs.replace(look, rdma=structs.replace(look.rdma, peermem=False))

    evidence = over(healthy(), "NET/IB")
    verdict = judged(structs.replace(evidence, nodes=tuple(map(without, evidence.nodes))))
    assert (verdict.outcome, verdict.cause) == ("warn", "no_peermem")


def test_the_module_alone_says_nothing() -> None:
    def without(look: NodeLook) -> NodeLook:
        assert isinstance(look.rdma, RdmaDevices)
        return structs.replace(look, rdma=structs.replace(look.rdma, peermem=False))

    evidence = healthy()
    same = structs.replace(evidence, nodes=tuple(map(without, evidence.nodes)))
    assert judged(same).outcome == "pass"


def test_efa_is_judged_by_its_links_alone() -> None:
    def efa(port: RdmaPort) -> RdmaPort:
        return structs.replace(port, driver="efa", link_layer="Unspecified", gids={})

    evidence = told(ports(silent(healthy()), efa), NCCL_IB_HCA="mlx5_nothing")
    assert judged(evidence).outcome == "pass"


def test_nodes_joined_by_nvlink_need_no_rdma() -> None:
    assert judged(over(bare(healthy()), "P2P/MNNVL")).outcome == "skipped"


@pytest.mark.parametrize("part", ["access", "devices"])
def test_what_was_not_seen_is_unknown_with_its_reason(part: str) -> None:
    evidence = silent(healthy())
    if part == "access":
        evidence = change_looks(evidence, lambda look: structs.replace(look, rdma=GONE))
    else:
        nodes = tuple(structs.replace(n, rdma=GONE) for n in evidence.nodes)
        evidence = structs.replace(evidence, nodes=nodes)
    verdict = judged(evidence)
    assert (verdict.outcome, "not seen" in verdict.says) == ("unknown", True)


def test_sockets_are_told_with_the_nodes_state_beside_the_logs_line() -> None:
    verdict = rdma_between_nodes.judge_evidence(over(bare(healthy()), "NET/Socket"))
    assert verdict.says == (
        "ranks on different nodes talk over TCP sockets because vllm-head-0 and vllm-worker-0 have"
        " no RDMA device (RDMA001)"
    )
    assert [c.source for c in verdict.cites[-2:]] == [
        f"{pod}: /dev/infiniband and limits of pid 200" for pod in ("vllm-head-0", "vllm-worker-0")
    ]


def test_sockets_over_links_that_are_down_say_so() -> None:
    evidence = ports(over(healthy(), "NET/Socket"), down)
    verdict = rdma_between_nodes.judge_evidence(evidence)
    assert "because no link of vllm-head-0 and vllm-worker-0 is up (RDMA001)" in verdict.says


def test_the_summary_tells_the_first_cause() -> None:
    evidence = over(undeclared(bare(healthy())), "NET/Socket")
    assert judge(evidence, catalog()).report.summary.startswith("RDMA001: vllm-head-0 and")
