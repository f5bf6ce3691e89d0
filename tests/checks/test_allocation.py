"""SHARD004 on the kubelet's word: which GPUs were given, to whom, and how many they really are."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.checks.sharding_groups import evidence_of, gpus_of, with_look, with_node
from tests.checks.test_sharding_cases import one, says

from distcheck.checks.evidence import Evidence, Gpus, Missing, Processes
from distcheck.checks.evidence.gpu import MigSlice
from distcheck.checks.evidence.node import Allocated, Allocation
from distcheck.checks.facts.allocation import GpusGiven, was_given
from distcheck.checks.knowledge.weights import GIB, Layout
from distcheck.checks.sharding.one_rank_a_gpu import one_rank_a_gpu

LLAMA_8B = "llama-3.1-8b"
SOURCE = "pod-resources of the kubelet"


def told(evidence: Evidence, node: int, *ids: str, resource: str = "nvidia.com/gpu") -> Evidence:
    """The kubelet of that node gave these ids to the container `vllm` of its pod."""
    return allocated(evidence, node, Allocation("vllm", resource, ids))


def allocated(evidence: Evidence, node: int, *devices: Allocation) -> Evidence:
    return with_look(evidence, node, allocated=Allocated(devices, SOURCE, "now"))


def uuids(evidence: Evidence, node: int) -> list[str]:
    return [d.uuid for d in gpus_of(evidence, node).devices]


def both_told(evidence: Evidence) -> Evidence:
    for node in (0, 1):
        evidence = told(evidence, node, *uuids(evidence, node))
    return evidence


def in_container(evidence: Evidence, node: int, name: str) -> Evidence:
    seen = evidence.nodes[node].pods[0].processes
    assert isinstance(seen, Processes)
    named = tuple(replace(p, container=name) for p in seen.processes)
    return with_look(evidence, node, processes=replace(seen, processes=named))


def test_ranks_on_the_gpus_that_the_kubelet_gave_pass() -> None:
    assert says(one_rank_a_gpu, both_told(evidence_of(one()))).outcome == "pass"


def test_a_rank_on_a_gpu_of_somebody_else_is_a_fault_whatever_its_environment_says() -> None:
    evidence = evidence_of(one())
    evidence = told(evidence, 0, *uuids(evidence, 0)[:7], "GPU-99")
    verdict = says(one_rank_a_gpu, evidence)
    assert (verdict.outcome, verdict.cause) == ("fail", "gpu_not_allocated")
    assert verdict.subjects == ("GPU-07",)


def test_the_kubelets_word_stands_above_the_environment() -> None:
    evidence = both_told(evidence_of(one()))
    seen = evidence.nodes[0].pods[0].processes
    assert isinstance(seen, Processes)
    first, *rest = seen.processes
    bent = replace(first, visible={"NVIDIA_VISIBLE_DEVICES": "GPU-01"})
    evidence = with_look(evidence, 0, processes=replace(seen, processes=(bent, *rest)))
    assert says(one_rank_a_gpu, evidence).outcome == "pass"


def test_an_idle_gpu_is_named_and_the_kubelet_cited() -> None:
    evidence = both_told(evidence_of(one()))
    mine = gpus_of(evidence, 1)
    last = mine.devices[-1]
    idle = replace(last, memory_used=GIB // 2)
    fewer = replace(
        mine,
        processes=tuple(p for p in mine.processes if p.uuid != last.uuid),
        devices=(*mine.devices[:-1], idle),
    )
    verdict = says(one_rank_a_gpu, with_node(evidence, 1, gpus=fewer))
    assert (verdict.outcome, verdict.cause) == ("fail", "gpu_unused")
    assert verdict.says.startswith("15 of 16 GPUs used")
    cited = [c for c in verdict.cites if c.source == SOURCE]
    assert [c.what for c in cited] == [f"{last.uuid} was given to vllm of {evidence.pods[1].name}"]


def test_another_container_of_the_pod_has_its_own_gpus() -> None:
    evidence = evidence_of(one())
    mine = uuids(evidence, 0)
    both = (
        Allocation("vllm", "nvidia.com/gpu", tuple(mine[:7])),
        Allocation("draft", "nvidia.com/gpu", (mine[7],)),
    )
    seen = in_container(allocated(evidence, 0, *both), 0, "vllm")
    verdict = says(one_rank_a_gpu, seen)
    assert (verdict.cause, verdict.subjects) == ("gpu_not_allocated", (mine[7],))
    unnamed = allocated(evidence, 0, *both)
    assert says(one_rank_a_gpu, unnamed).outcome == "pass"


def single(*ids: str, tp: int = 2, gpus: int = 2, resource: str = "nvidia.com/gpu") -> Evidence:
    """One pod on one node, TP `tp`, with these ids; no rank has started."""
    evidence = evidence_of(one(LLAMA_8B, Layout(1), nodes=1))
    seen = gpus_of(evidence, 0)
    bare = replace(seen, processes=(), devices=seen.devices[:1])
    pods = (replace(evidence.pods[0], gpus=gpus),)
    intent = replace(evidence.intent, tp=tp, gpus=gpus)
    evidence = replace(with_node(evidence, 0, gpus=bare), pods=pods, intent=intent)
    return told(evidence, 0, *ids, resource=resource)


def test_two_shares_of_one_gpu_are_too_few_for_two_ranks_before_any_rank_runs() -> None:
    verdict = says(one_rank_a_gpu, single("GPU-00::0", "GPU-00::1"))
    assert (verdict.outcome, verdict.cause) == ("fail", "gpu_shared")
    assert verdict.says == (
        "the GPUs given to the group are fewer than its ranks: "
        "2 shares of GPU-00 were given to vllm of vllm-0"
    )
    assert verdict.cites[0].source == SOURCE


def test_one_gpu_that_two_pods_of_the_group_share_is_too_few_as_well() -> None:
    evidence = evidence_of(one())
    mine = uuids(evidence, 0)
    for node in (0, 1):
        evidence = told(evidence, node, *(f"{uuid}::{node}" for uuid in mine))
    verdict = says(one_rank_a_gpu, evidence)
    assert (verdict.outcome, verdict.cause) == ("fail", "gpu_shared")
    assert verdict.says.endswith(
        "GPU-00 was given to vllm of vllm-0, GPU-00 was given to vllm of vllm-1"
    )


@pytest.mark.parametrize(
    "evidence",
    [
        single("GPU-00::0", "GPU-01::4"),
        single("GPU-00::0", "GPU-00::1", tp=1),
        single("GPU-00::0", gpus=1, tp=1, resource="nvidia.com/gpu.shared"),
        single(
            "gpu.nvidia.com/gpu-a/gpu-0", "gpu.nvidia.com/gpu-a/gpu-1", resource="gpu.nvidia.com"
        ),
        single("12", "13", resource="rdma/hca_shared_devices_a"),
        replace(
            single("GPU-00::0", "GPU-00::1"),
            intent=replace(single().intent, tp=2, gpus=16),
        ),
    ],
)
def test_shares_that_no_two_ranks_must_share_are_no_fault(evidence: Evidence) -> None:
    assert says(one_rank_a_gpu, evidence).outcome == "unknown"


def test_shares_count_once() -> None:
    """Two shares asked for, one GPU got: not two GPUs with one idle, but no pass either."""
    evidence = evidence_of(one(LLAMA_8B, Layout(1), nodes=1))
    pods = (replace(evidence.pods[0], gpus=2),)
    asked = replace(evidence, pods=pods, intent=replace(evidence.intent, gpus=2))
    verdict = says(one_rank_a_gpu, told(asked, 0, "GPU-00::0", "GPU-00::1"))
    assert verdict.outcome == "unknown"
    assert verdict.says == "2 GPUs are asked for; the pods that are known have 1"


def gke(evidence: Evidence, node: int) -> Evidence:
    """NVML with minor numbers, in another order than its indices."""
    seen = gpus_of(evidence, node)
    turned = tuple(replace(d, minor=7 - d.index) for d in seen.devices)
    return with_node(evidence, node, gpus=replace(seen, devices=turned))


def test_gkes_names_are_minor_numbers() -> None:
    evidence = gke(gke(evidence_of(one()), 0), 1)
    names = [f"nvidia{n}" for n in range(8)]
    for node in (0, 1):
        evidence = told(evidence, node, *names)
    assert says(one_rank_a_gpu, evidence).outcome == "pass"
    verdict = says(one_rank_a_gpu, told(evidence, 0, *names[:7]))
    assert (verdict.cause, verdict.subjects) == ("gpu_not_allocated", ("GPU-00",))


def test_gkes_names_say_nothing_where_nvml_tells_no_minor_number() -> None:
    evidence = told(evidence_of(one()), 0, "nvidia0", "nvidia1")
    assert says(one_rank_a_gpu, evidence).outcome == "pass"


def cut(where: str, *given_ids: str) -> Evidence:
    """One GPU in two slices; the rank is on `where`, and the pod was given these."""
    evidence = evidence_of(one(LLAMA_8B, Layout(1), nodes=1, gpu_gib=40.0))
    gpus = gpus_of(evidence, 0)
    (rank,) = gpus.processes
    device = replace(gpus.devices[0], minor=0, mig=True)
    slices = tuple(MigSlice(f"MIG-{i}", "GPU-00", i, 0, 40 * GIB, 36 * GIB) for i in range(2))
    process = replace(rank, uuid=where, memory_used=None, untold="MIG")
    seen: Gpus = replace(gpus, devices=(device,), slices=slices, processes=(process,))
    pod = replace(evidence.pods[0], gpus=1)
    intent = replace(evidence.intent, gpus=1)
    evidence = replace(with_node(evidence, 0, gpus=seen), pods=(pod,), intent=intent)
    return told(evidence, 0, *given_ids, resource="nvidia.com/mig-3g.20gb")


@pytest.mark.parametrize(
    ("where", "ids", "cause"),
    [
        ("MIG-0", ["MIG-0"], None),
        ("MIG-0", ["MIG-0::1"], None),
        ("MIG-0", ["nvidia0/gi0"], None),
        ("MIG-0", ["nvidia0/gi0/vgpu1"], None),
        ("MIG-0", ["MIG-1"], "gpu_not_allocated"),
        ("MIG-0", ["nvidia0/gi1"], "gpu_not_allocated"),
        ("MIG-0", ["nvidia0/gi5"], None),
        ("GPU-00", ["MIG-1"], None),
    ],
)
def test_slices_are_told_apart(where: str, ids: Sequence[str], cause: str | None) -> None:
    verdict = says(one_rank_a_gpu, cut(where, *ids))
    assert verdict.cause == cause, verdict.says
    assert verdict.outcome == ("fail" if cause else "pass")


def test_a_kubelet_that_was_not_asked_changes_nothing() -> None:
    evidence = evidence_of(one())
    assert isinstance(GpusGiven.fold(evidence), Missing)
    assert says(one_rank_a_gpu, evidence).outcome == "pass"
    empty = allocated(evidence, 0)
    assert was_given(empty, empty.pods[0], 1, "GPU-00") is None


IDS = st.text(max_size=12) | st.from_regex(r"(GPU|MIG)-0[0-9](::[0-9])?|nvidia[0-9](/gi[0-9])?")
NAMES = st.sampled_from(["nvidia.com/gpu", "gpu.nvidia.com", "rdma/ib", "vllm", ""])


@settings(deadline=None)
@given(
    st.lists(st.builds(Allocation, NAMES, NAMES, st.lists(IDS, max_size=9).map(tuple)), max_size=4)
)
def test_any_allocation_is_judged(devices: list[Allocation]) -> None:
    verdict = says(one_rank_a_gpu, allocated(evidence_of(one()), 0, *devices))
    assert verdict.outcome in ("pass", "fail", "unknown")
    assert verdict.cites or verdict.outcome == "unknown"
