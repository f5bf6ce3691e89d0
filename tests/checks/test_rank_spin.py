"""NCCL006 by GPUs that are busy while nothing moves between the nodes."""

from collections.abc import Callable

import pytest
from msgspec import structs
from tests.checks.test_kernel_traffic import bare, with_rdma
from tests.checks.test_kernel_traffic import with_tcp as tcp_of
from tests.evidence_builder import AT, change_looks, healthy

from distcheck.checks.evidence import Evidence, Gpus, Missing, NodeLook, PodLook
from distcheck.checks.evidence.flows import TcpFlows
from distcheck.checks.evidence.gpu_health import GpuHealth
from distcheck.checks.evidence.ras import RasStatus
from distcheck.checks.evidence.rdma import RdmaDevices, RdmaPort
from distcheck.checks.nccl.no_rank_stuck import no_rank_stuck
from distcheck.checks.verdict import Verdict

GIB = 1 << 30
FULL = (1 << 32) - 1
EARLIER = "2026-01-15T09:29:50Z"
LATE = "2026-01-15T09:29:55Z"


def change_nodes(evidence: Evidence, change: Callable[[NodeLook], NodeLook]) -> Evidence:
    """The same, with `change` made to every node."""
    return structs.replace(evidence, nodes=tuple(map(change, evidence.nodes)))


def busy(
    evidence: Evidence,
    *,
    now: int | None = 100,
    then: int = 100,
    one: int | None = None,
    at: str = EARLIER,
) -> Evidence:
    """Every GPU at `now` percent, and at `then` before; the last of each node at `one`."""

    def change(node: NodeLook) -> NodeLook:
        assert isinstance(node.health, GpuHealth)
        gpus = [structs.replace(g, utilization=now) for g in node.health.gpus]
        if one is not None and node is evidence.nodes[0]:
            gpus[-1] = structs.replace(gpus[-1], utilization=one)
        before = {g.uuid: then for g in gpus}
        seen = structs.replace(node.health, gpus=tuple(gpus), used_before=before, before_at=at)
        return structs.replace(node, health=seen)

    return change_nodes(evidence, change)


def hcas(evidence: Evidence, words: int, carried: int = 7 * GIB) -> Evidence:
    """The node's HCA moved `words` of four bytes each way between two looks."""

    def port(n: int) -> RdmaPort:
        return RdmaPort("mlx5_0", 1, counters={"port_xmit_data": n, "port_rcv_data": n})

    seen = RdmaDevices((port(carried + words),), "/sys", AT, before=(port(carried),))
    seen = structs.replace(seen, before_at=EARLIER)
    return change_nodes(evidence, lambda node: structs.replace(node, rdma=seen))


def with_tcp(evidence: Evidence, size: int, before: int) -> Evidence:
    """Each rank's connection to the other node has carried so much, and before."""

    def change(look: PodLook) -> PodLook:
        assert isinstance(look.flows, TcpFlows)
        return structs.replace(look, flows=structs.replace(look.flows, before_at=EARLIER))

    return change_looks(tcp_of(evidence, size, before), change)


def judged(evidence: Evidence) -> Verdict:
    """What NCCL006 says."""
    return no_rank_stuck.judge_evidence(evidence)


def still(words: int = 0) -> Evidence:
    """Over RDMA, which carried a lot and has stopped; TCP only keeps in touch."""
    return with_tcp(with_rdma(hcas(healthy(), words)), 40_000, 39_000)


def test_busy_gpus_and_counters_that_stand_still_warn() -> None:
    """The group has its tensor parallel ranks on two nodes: they send in every layer."""
    found = judged(busy(still()))
    assert (found.outcome, found.cause) == ("warn", "rank_spinning")
    assert found.says == (
        "16 of 16 GPUs are at 95 % or more in two looks 10 s apart, and next to nothing moved"
        " between the nodes"
    )
    assert {c.what for c in found.cites} == {
        "the HCAs of gpu-0 moved 0 bytes in 10 s",
        "the HCAs of gpu-1 moved 0 bytes in 10 s",
    }


def test_the_one_rank_that_does_not_spin_is_named() -> None:
    """The others wait for it."""
    found = judged(busy(still(), one=3))
    assert found.outcome == "warn"
    assert found.says.endswith("; GPU 7 of gpu-0 of vllm-head-0 was at 3 %")
    assert found.subjects == ("vllm-head-0",)


@pytest.mark.parametrize(
    "well",
    [
        busy(still(words=16 << 20)),
        busy(still(), now=40),
        busy(still(), then=40),
        busy(with_tcp(with_rdma(hcas(healthy(), 0)), 9 << 20, 1 << 20)),
    ],
    ids=["over RDMA", "idle now", "idle before", "over TCP"],
)
def test_a_group_that_works_or_is_idle_is_no_sign(well: Evidence) -> None:
    """RAS counts as many calls on each: a pass."""
    assert judged(well).outcome == "pass"


@pytest.mark.parametrize(
    "unclear",
    [
        busy(still(), now=None),
        busy(still(), at=LATE),
        busy(with_tcp(with_rdma(hcas(healthy(), 0, carried=0)), 40_000, 39_000)),
        busy(with_tcp(with_rdma(hcas(healthy(), 0, carried=FULL)), 40_000, 39_000)),
        busy(with_tcp(hcas(healthy(), 0), 40_000, 39_000)),
        busy(with_rdma(change_nodes(healthy(), lambda n: structs.replace(n, rdma=Missing("-"))))),
        busy(with_tcp(with_rdma(hcas(healthy(1), 0)), 40_000, 39_000)),
    ],
    ids=["untold", "too close", "never moved", "full", "no queue pairs", "no HCAs", "one node"],
)
def test_without_a_counter_that_would_move_nothing_is_concluded(unclear: Evidence) -> None:
    """GPUs at 100 % alone prove no hang."""
    assert judged(unclear).cause is None


def test_tcp_that_carried_tensors_and_stopped_is_a_counter() -> None:
    """Where ranks hold no HCA."""
    found = judged(busy(bare(with_tcp(healthy(), 4 * GIB, 4 * GIB - 1000))))
    assert (found.outcome, found.cause) == ("warn", "rank_spinning")
    assert judged(busy(bare(with_tcp(healthy(), 4 * GIB, 3 * GIB)))).cause is None


def test_gpus_that_others_use_too_are_not_judged() -> None:
    """Their load, or MPS's, may be what NVML shows."""

    def shared(node: NodeLook) -> NodeLook:
        assert isinstance(node.gpus, Gpus)
        other = structs.replace(node.gpus.processes[0], pid=9, pod="another pod")
        gpus = structs.replace(node.gpus, processes=(*node.gpus.processes, other))
        return structs.replace(node, gpus=gpus)

    assert judged(change_nodes(busy(still()), shared)).cause is None


@pytest.mark.parametrize("what", [{"tp": 8, "pp": 2}, {"dp": 2}, {"tp": 8, "gpus": 8}], ids=str)
def test_stages_and_copies_may_be_quiet_for_longer(what: dict[str, int]) -> None:
    """A stage computes one long prompt; copies need nobody."""
    evidence = busy(still())
    intent = structs.replace(evidence.intent, **what)
    assert judged(structs.replace(evidence, intent=intent)).cause != "rank_spinning"


def test_calls_that_ras_has_counted_since_are_no_sign() -> None:
    """Those of CUDA graphs are not counted: that RAS stands still shows nothing alone."""
    evidence = busy(still())
    look = evidence.nodes[0].pods[0]
    assert isinstance(look.ras, RasStatus)
    one = look.ras.communicators[0]
    then = tuple(structs.replace(r, counts={"AllReduce": 1}) for r in one.ranks)
    ras = structs.replace(
        look.ras, before=(structs.replace(one, ranks=then),), before_at=EARLIER, seen_at=AT
    )
    first = structs.replace(evidence.nodes[0], pods=(structs.replace(look, ras=ras),))
    moved = structs.replace(evidence, nodes=(first, *evidence.nodes[1:]))
    assert judged(moved).outcome == "pass"
