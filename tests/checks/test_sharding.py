"""SHARD001 and SHARD002 on groups of two pods with eight GPUs each."""

import re

import pytest
from msgspec.structs import replace

from distcheck.agent.logs.vllm import VllmReader, merge
from distcheck.checks.check import Check
from distcheck.checks.evidence import (
    Evidence,
    GpuDevice,
    GpuProcess,
    Gpus,
    Intent,
    Missing,
    ModelConfig,
    NcclLog,
    NodeLook,
    Pod,
    PodLook,
    Target,
    VllmLog,
)
from distcheck.checks.evidence.nccl import Communicator, SeenRank
from distcheck.checks.evidence.serving import EngineArguments
from distcheck.checks.sharding.one_world import one_world
from distcheck.checks.sharding.share_of_weights import share_of_weights
from distcheck.checks.verdict import Verdict

LLAMA_70B: dict[str, object] = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 8192,
    "intermediate_size": 28672,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "torch_dtype": "bfloat16",
}
TP16, TP8, TP8_PP2 = 8.4048, 16.4605, 8.2459
PODS = (
    Pod("llm", "vllm-head-0", node="gpu-a", ip="127.77.0.2", role="leader", gpus=8),
    Pod("llm", "vllm-worker-0", node="gpu-b", ip="127.77.0.3", gpus=8),
)
UNSEEN = Missing("nobody looked")


def worker_file(
    rank: int,
    size: int,
    gib: float | None,
    *,
    pp: int = 0,
    pid: int | None = None,
    at: str = "12:00:36",
    init: str = "",
) -> VllmLog:
    """The log of one Ray worker, as vLLM 0.10.2 writes it."""
    reader = VllmReader(f"worker-{'0' * 8}-{'0' * 8}-{pid or 400 + rank}.out")
    if init:
        text = f"world_size={size} rank={rank} local_rank=0 distributed_init_method={init} x"
        reader.line(1, None, f"INFO 09-18 {at} [parallel_state.py:973] {text}")
    text = f"rank {rank} in world size {size} is assigned as DP rank 0, PP rank {pp}"
    text += f", TP rank {rank - 8 * pp}, EP rank 1"
    reader.line(2, None, f"INFO 09-18 {at} [parallel_state.py:1165] {text}")
    if gib is not None:
        text = f"Model loading took {gib:.4f} GiB and 25.02 seconds"
        reader.line(3, None, f"INFO 09-18 {at} [gpu_model_runner.py:2392] {text}")
    return reader.result()


def pod_log(ranks: range, size: int, gib: float | None, **said: object) -> VllmLog:
    return merge([worker_file(r, size, gib, **said) for r in ranks])  # type: ignore[arg-type]


def look(pod: Pod, vllm: VllmLog | Missing, nccl: NcclLog | Missing = UNSEEN) -> PodLook:
    model = ModelConfig("/models/llama/config.json", LLAMA_70B)
    return PodLook(pod.key, UNSEEN, nccl, vllm, UNSEEN, UNSEEN, model)


def group(
    *logs: VllmLog | Missing,
    tp: int | None = 16,
    pp: int = 1,
    nccl: tuple[NcclLog | Missing, ...] = (UNSEEN, UNSEEN),
    gpus: tuple[Gpus | Missing, ...] = (UNSEEN, UNSEEN),
) -> Evidence:
    nodes = tuple(
        NodeLook(pod.node or "", "2025-09-18T12:05:00Z", "0", gpu, UNSEEN, (look(pod, log, comms),))
        for pod, log, comms, gpu in zip(PODS, logs, nccl, gpus, strict=True)
    )
    return Evidence(
        distcheck_version="0",
        observed_at="2025-09-18T12:05:00Z",
        target=Target("llm", "pod", "vllm-head-0"),
        intent=Intent("vllm", tp=tp, pp=pp, gpus=16, sources={"tp": "argv of vllm-head-0"}),
        pods=PODS,
        nodes=nodes,
    )


def with_arguments(evidence: Evidence, *more: str) -> Evidence:
    """The same, and the leader's command line was read."""
    node = evidence.nodes[0]
    told = EngineArguments(7, ("vllm", "serve", "/models/llama", "-tp", "16", *more))
    node = replace(node, pods=(replace(node.pods[0], arguments=told),))
    return replace(evidence, nodes=(node, *evidence.nodes[1:]))


def judged(one: Check, evidence: Evidence) -> Verdict:
    return one.judge_evidence(evidence)


HEALTHY = (pod_log(range(8), 16, TP16), pod_log(range(8, 16), 16, TP16))
REPLICATED = (pod_log(range(8), 8, TP8), pod_log(range(8), 8, TP8))


def test_every_rank_with_its_sixteenth_passes_and_cites_each_line() -> None:
    verdict = judged(share_of_weights, group(*HEALTHY))
    assert verdict.outcome == "pass", verdict.says
    assert sum("loaded 8.4048 GiB" in c.what for c in verdict.cites) == 16
    assert "16 of 16 GPUs" in verdict.says


def test_an_eighth_on_each_of_sixteen_gpus_is_two_copies() -> None:
    verdict = judged(share_of_weights, group(*REPLICATED))
    assert (verdict.outcome, verdict.cause) == ("fail", "replicated")
    assert verdict.says == (
        "each of 16 GPUs holds 16.46 GiB, which is 1/8 of the model: "
        "two copies of TP=8, not one of TP=16"
    )


def test_pipeline_stages_hold_their_share_of_sixteen() -> None:
    logs = pod_log(range(8), 16, TP8_PP2), pod_log(range(8, 16), 16, TP8_PP2, pp=1)
    assert judged(share_of_weights, group(*logs, tp=8, pp=2)).outcome == "pass"
    assert judged(one_world, group(*logs, tp=8, pp=2)).outcome == "pass"


def test_a_share_of_another_degree_that_adds_up_to_no_copies_is_a_wrong_degree() -> None:
    logs = pod_log(range(8), 16, TP16), pod_log(range(8, 16), 16, TP8)
    verdict = judged(share_of_weights, group(*logs))
    assert (verdict.outcome, verdict.cause) == ("fail", "wrong_degree")
    assert "8 of 16 GPUs hold 16.46 GiB, which is 1/8" in verdict.says


def test_weights_that_fit_no_degree_are_unknown_not_failed() -> None:
    logs = pod_log(range(8), 16, 9.9), pod_log(range(8, 16), 16, 9.9)
    verdict = judged(share_of_weights, group(*logs))
    assert verdict.outcome == "unknown"
    assert "fits no share" in verdict.says


def test_seven_of_eight_lines_are_unknown_and_name_the_pod() -> None:
    logs = pod_log(range(8), 16, TP16), pod_log(range(8, 15), 16, TP16)
    verdict = judged(share_of_weights, group(*logs))
    assert verdict.outcome == "unknown"
    assert "weights of 1 of 8 GPUs of vllm-worker-0" in verdict.says


def test_a_pod_that_nobody_saw_makes_both_unknown() -> None:
    evidence = group(HEALTHY[0], Missing("no agent answered on node gpu-b"))
    for one in (share_of_weights, one_world):
        verdict = judged(one, evidence)
        assert verdict.outcome == "unknown"
        assert "no agent answered on node gpu-b" in verdict.says


def test_a_wrong_share_on_half_of_the_group_fails_without_the_other_half() -> None:
    verdict = judged(share_of_weights, group(REPLICATED[0], UNSEEN))
    assert (verdict.outcome, verdict.cause) == ("fail", "wrong_degree")
    assert "8 of 16 GPUs were seen" in verdict.says
    assert "which is 1/8 of the model, not 1/16" in verdict.says
    assert "copies" not in verdict.says
    assert "hold was not seen" in verdict.says


@pytest.mark.parametrize("one", [share_of_weights, one_world])
def test_no_log_at_all_is_unknown(one: Check) -> None:
    assert judged(one, group(UNSEEN, UNSEEN)).outcome == "unknown"


@pytest.mark.parametrize("one", [share_of_weights, one_world])
def test_a_log_without_vllm_lines_is_unknown(one: Check) -> None:
    assert judged(one, group(VllmLog(), VllmLog())).outcome == "unknown"


@pytest.mark.parametrize("one", [share_of_weights, one_world])
def test_without_an_intent_nothing_is_judged(one: Check) -> None:
    assert judged(one, group(*HEALTHY, tp=None)).outcome == "unknown"


def test_gpus_that_are_full_say_nothing_of_the_weights() -> None:
    full = tuple(
        Gpus(
            devices=(GpuDevice("GPU-1", 0, memory_total=80 << 30, memory_used=76 << 30),),
            processes=(GpuProcess("GPU-1", 400, 76 << 30, pod.key),),
        )
        for pod in PODS
    )
    assert judged(share_of_weights, group(VllmLog(), VllmLog(), gpus=full)).outcome == "unknown"


def test_a_line_that_says_more_than_the_gpu_holds_is_no_witness() -> None:
    small = Gpus(devices=(), processes=(GpuProcess("GPU-7", 400, 1 << 30, PODS[0].key),))
    verdict = judged(share_of_weights, group(*HEALTHY, gpus=(small, UNSEEN)))
    assert verdict.outcome == "unknown"
    assert "GPU-7 holds 1.00 GiB, less than" in verdict.says


def test_subjects_are_gpus_where_pids_tell_them() -> None:
    seen = Gpus(devices=(), processes=(GpuProcess("GPU-7", 400, 70 << 30, PODS[0].key),))
    verdict = judged(share_of_weights, group(*REPLICATED, gpus=(seen, UNSEEN)))
    assert verdict.subjects[0] == "GPU-7"


def test_lines_of_an_earlier_start_are_left_out() -> None:
    old = pod_log(range(8), 8, TP8, at="11:00:00")
    new = merge([worker_file(r, 16, TP16, pid=900 + r) for r in range(8)])
    evidence = group(merge([old, new]), HEALTHY[1])
    assert judged(share_of_weights, evidence).outcome == "pass"
    assert judged(one_world, evidence).outcome == "pass"


def test_from_0_11_1_local_rank_0_speaks_for_its_node() -> None:
    logs = []
    for first in (0, 8):
        files = [worker_file(r, 16, TP16 if r == first else None) for r in range(first, first + 8)]
        logs.append(replace(merge(files), version="0.12.0", pp=1))
    assert judged(share_of_weights, group(*logs)).outcome == "pass"
    before = [replace(log, version="0.10.2") for log in logs]
    assert judged(share_of_weights, group(*before)).outcome == "unknown"


def test_lines_that_ray_folded_are_no_witnesses_of_their_values() -> None:
    reader = VllmReader("driver.log")
    line = "(RayWorkerWrapper pid=401) Model loading took 8.4048 GiB and 25.0 seconds"
    reader.line(1, None, f"{line} [repeated 15x across cluster]")
    verdict = judged(share_of_weights, group(reader.result(), VllmLog()))
    assert verdict.outcome == "unknown"
    assert "RAY_DEDUP_LOGS=0" in verdict.says


def test_a_line_in_the_drivers_output_belongs_to_the_pod_of_its_ip() -> None:
    reader = VllmReader("driver.log")
    for rank in range(16):
        ip = ", ip=127.77.0.3" if rank > 7 else ""
        text = (
            f"(RayWorkerWrapper pid={400 + rank}{ip}) Model loading took 8.4048 GiB and 1 seconds"
        )
        reader.line(rank, None, text)
    evidence = group(reader.result(), VllmLog())
    verdict = judged(share_of_weights, evidence)
    assert verdict.outcome == "unknown"
    assert "offloaded to the CPU looks the same" in verdict.says
    assert judged(share_of_weights, with_arguments(evidence)).outcome == "pass"


def test_sixteen_ranks_of_one_world_pass() -> None:
    verdict = judged(one_world, group(*HEALTHY))
    assert verdict.outcome == "pass"
    assert verdict.says == "the engine's ranks form one world of 16, as TP=16 asks"


def test_two_worlds_of_eight_are_a_split() -> None:
    verdict = judged(one_world, group(*REPLICATED))
    assert (verdict.outcome, verdict.cause) == ("fail", "world_split")
    assert "two worlds of 8" in verdict.says


def test_two_worlds_that_meet_at_their_own_addresses_are_a_split() -> None:
    meet = ("tcp://127.77.0.2:29500", "tcp://127.77.0.3:29500")
    logs = [pod_log(range(8), 8, TP8, init=m) for m in meet]
    assert judged(one_world, group(*logs)).cause == "world_split"


def test_fifteen_ranks_are_unknown() -> None:
    logs = pod_log(range(8), 16, TP16), pod_log(range(8, 15), 16, TP16)
    verdict = judged(one_world, group(*logs))
    assert verdict.outcome == "unknown"
    assert "15 of 16 ranks" in verdict.says


def communicators(*sizes: tuple[str, str, range, int]) -> NcclLog:
    """A log with the ranks of one host in each communicator `(id, host, ranks, nranks)`."""
    parts = tuple(
        Communicator(
            id=name,
            nranks=nranks,
            ranks=tuple(
                SeenRank(r, host, 400 + r, "complete", f"{host}.log:{r}", device=r % 8)
                for r in ranks
            ),
            lines=8,
        )
        for name, host, ranks, nranks in sizes
    )
    return NcclLog(lines=99, start_seen=True, communicators=parts)


ONE = (
    communicators(("0xa", "vllm-head-0", range(8), 16)),
    communicators(("0xa", "vllm-worker-0", range(8, 16), 16)),
)
TWO = (
    communicators(("0xa", "vllm-head-0", range(8), 8)),
    communicators(("0xb", "vllm-worker-0", range(8), 8)),
)


def test_communicators_alone_pass_or_fail() -> None:
    assert judged(one_world, group(UNSEEN, UNSEEN, nccl=ONE)).outcome == "pass"
    verdict = judged(one_world, group(UNSEEN, UNSEEN, nccl=TWO))
    assert (verdict.outcome, verdict.cause) == ("fail", "world_split")


def test_half_of_a_communicator_is_unknown() -> None:
    evidence = group(UNSEEN, UNSEEN, nccl=(ONE[0], UNSEEN))
    assert judged(one_world, evidence).outcome == "unknown"


def test_small_communicators_prove_no_split_where_the_start_of_a_log_is_lost() -> None:
    lost = tuple(replace(log, start_seen=False) for log in TWO)
    assert judged(one_world, group(UNSEEN, UNSEEN, nccl=lost)).outcome == "unknown"


def test_witnesses_that_disagree_are_named_both() -> None:
    for evidence in (group(*HEALTHY, nccl=TWO), group(*REPLICATED, nccl=ONE)):
        verdict = judged(one_world, evidence)
        assert (verdict.outcome, verdict.cause) == ("fail", "witnesses_disagree")
        assert re.search("engine's ranks .* NCCL communicators", verdict.says)


def test_stages_bound_by_two_rank_communicators_are_one_world() -> None:
    def node(host: str, other: int) -> NcclLog:
        own = communicators((f"0x{host}", host, range(8), 8))
        pairs = tuple(
            Communicator(
                f"0xp{r}", 2, (SeenRank(other, host, 400 + r, "complete", f"{host}.log:5{r}"),), 2
            )
            for r in range(8)
        )
        return replace(own, communicators=(*own.communicators, *pairs))

    nccl = (node("vllm-head-0", 0), node("vllm-worker-0", 1))
    assert judged(one_world, group(UNSEEN, UNSEEN, tp=8, pp=2, nccl=nccl)).outcome == "pass"


def test_communicators_of_an_earlier_start_do_not_speak_against_the_engine() -> None:
    old = replace(ONE[0].communicators[0], id="0xold", nranks=8)
    old = replace(old, ranks=tuple(replace(r, pid=r.pid - 300) for r in old.ranks))
    log = replace(ONE[0], communicators=(*ONE[0].communicators, old))
    verdict = judged(one_world, group(*HEALTHY, nccl=(log, ONE[1])))
    assert verdict.outcome == "pass", verdict.says


def test_ranks_of_two_pods_that_meet_at_one_address_are_one_world() -> None:
    meet = "tcp://127.77.0.2:29500"
    logs = pod_log(range(8), 16, TP16, init=meet), pod_log(range(8, 16), 16, TP16, init=meet)
    assert judged(one_world, group(*logs)).outcome == "pass"


def test_the_same_loopback_address_in_two_pods_is_two_worlds() -> None:
    logs = [pod_log(range(8), 8, TP8, init="tcp://127.0.0.1:29500") for _ in PODS]
    verdict = judged(one_world, group(*logs))
    assert (verdict.cause, len(verdict.subjects)) == ("world_split", 2)
