"""NCCL003: GPUDirect RDMA on every channel between nodes, both ways."""

import pytest
from msgspec.structs import replace
from tests.checks.test_nccl import group, judge, quiet, read, with_log
from tests.logs.nccl_lines import HOSTS, head, job

from distcheck.checks.evidence import Evidence, GpuDevice, Gpus, Missing, NcclLog
from distcheck.checks.knowledge.gdr_causes import GDR_EVIDENCE
from distcheck.checks.nccl.gdr_between_nodes import gdr_between_nodes

GDR = "NET/IB/0/GDRDMA"
OFI = "NET/AWS Libfabric/{nic}"


def without(lines: list[str], host: str, *ways: str) -> list[str]:
    """The lines with GPUDirect off on `host`, in these directions."""
    hit = [x.startswith(f"{host}:") and any(f"[{w}]" in x for w in ways) for x in lines]
    return [x.replace(GDR, "NET/IB/0") if h else x for x, h in zip(lines, hit, strict=True)]


def said(host: str, words: str) -> str:
    return f"{head(host, 200, 0)} {words}"


def on_gpus(evidence: Evidence, name: str | None) -> Evidence:
    """The group on nodes with GPUs of that name; None where nobody looked."""
    device = GpuDevice("GPU-0", 0, name or "")
    gpus = Missing("NVML did not answer") if name is None else Gpus((device,))
    return replace(evidence, nodes=tuple(replace(n, gpus=gpus) for n in evidence.nodes))


def efa(gpu: str | None) -> Evidence:
    provider = [said(h, "NET/OFI Selected provider is efa, fabric is efa") for h in HOSTS]
    lines = [*job(network="AWS Libfabric", transport=OFI), *provider]
    return on_gpus(group(lines), gpu)


def test_gpudirect_in_both_directions_passes_and_cites_each_of_both_nodes() -> None:
    verdict = judge(gdr_between_nodes, job())
    assert verdict.outcome == "pass"
    assert len(verdict.cites) == 4
    assert "all 4 channel lines" in verdict.says


def test_a_node_without_gpudirect_is_named_with_directions_and_shares() -> None:
    verdict = judge(gdr_between_nodes, without(job(), HOSTS[1], "send", "receive"))
    assert (verdict.outcome, verdict.cause) == ("warn", "gdr-asymmetric")
    assert verdict.subjects == (HOSTS[1],)
    assert "vllm-worker-0 on gpu-1 (receive: 0 of 1, send: 0 of 1" in verdict.says
    assert "the other nodes use it" in verdict.says
    assert all(c.source.startswith("vllm-worker-0:") for c in verdict.cites)


@pytest.mark.parametrize("way", ["send", "receive"])
def test_one_direction_without_gpudirect_is_not_a_pass(way: str) -> None:
    lines = without(without(job(), HOSTS[0], way), HOSTS[1], way)
    verdict = judge(gdr_between_nodes, lines)
    assert (verdict.outcome, verdict.cause) == ("warn", "gdr-one-direction")
    assert f"({way}: 0 of 1 channel lines" in verdict.says


def test_one_direction_of_one_node_is_a_difference_between_nodes() -> None:
    verdict = judge(gdr_between_nodes, without(job(), HOSTS[0], "receive"))
    assert (verdict.outcome, verdict.cause) == ("warn", "gdr-asymmetric")
    assert verdict.subjects == (HOSTS[0],)


def test_one_channel_of_many_without_gpudirect_is_counted() -> None:
    one = f"{head(HOSTS[0], 207, 7)} Channel 01/0 : 7[7] -> 8[0] [send] via NET/IB/1"
    lines = job()
    lines.insert(next(i for i, x in enumerate(lines) if ":207:" in x and "Connected" in x), one)
    verdict = judge(gdr_between_nodes, lines)
    assert verdict.outcome == "warn"
    assert "send: 1 of 2 channel lines have it" in verdict.says


def test_a_loss_on_all_nodes_without_a_word_says_that_none_is_there() -> None:
    verdict = judge(gdr_between_nodes, job(transport="NET/IB/{nic}"))
    assert (verdict.outcome, verdict.cause) == ("warn", "gdr-off")


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ("NCCL_NET_GDR_LEVEL set by environment to LOC.", "env-gdr"),
        ("NET/IB : GPU Direct RDMA Disabled for HCA 0 'mlx5_0'", "no_peermem"),
        ("GPU Direct RDMA Disabled for GPU 1 / HCA 0 (distance 7 > 4)", "gdr-topology"),
    ],
)
def test_the_line_that_says_why_gives_the_cause(words: str, cause: str) -> None:
    lines = [*without(job(), HOSTS[1], "send", "receive"), said(HOSTS[1], words)]
    assert judge(gdr_between_nodes, lines).cause == cause


def test_a_word_of_the_healthy_node_is_no_cause_of_the_others_loss() -> None:
    words = said(HOSTS[0], "NCCL_NET_GDR_LEVEL set by environment to LOC.")
    lines = [*without(job(), HOSTS[1], "send", "receive"), words]
    assert judge(gdr_between_nodes, lines).cause == "gdr-asymmetric"


def test_every_cause_that_the_log_can_name_is_documented() -> None:
    assert set(GDR_EVIDENCE) <= set(gdr_between_nodes.page.causes)


@pytest.mark.parametrize("gpu", ["NVIDIA A10G", "Tesla T4"])
def test_efa_without_gpudirect_on_an_instance_that_has_none_is_skipped(gpu: str) -> None:
    verdict = gdr_between_nodes.judge_evidence(efa(gpu))
    assert verdict.outcome == "skipped"
    assert gpu in verdict.says
    assert any("NVML" in c.source for c in verdict.cites)


def test_efa_without_gpudirect_beside_h100_is_a_loss() -> None:
    verdict = gdr_between_nodes.judge_evidence(efa("NVIDIA H100 80GB HBM3"))
    assert (verdict.outcome, verdict.cause) == ("warn", "gdr-off")


def test_efa_without_gpudirect_beside_unseen_gpus_is_unknown() -> None:
    verdict = gdr_between_nodes.judge_evidence(efa(None))
    assert verdict.outcome == "unknown"
    assert "no GPU of the group's nodes is named" in verdict.says


def test_infiniband_on_the_same_gpus_is_not_excused() -> None:
    evidence = on_gpus(group(job(transport="NET/IB/{nic}")), "NVIDIA A10G")
    assert gdr_between_nodes.judge_evidence(evidence).outcome == "warn"


def test_sockets_have_no_gpudirect_to_lose() -> None:
    lines = job(network="Socket", transport="NET/Socket/{nic}")
    verdict = judge(gdr_between_nodes, lines)
    assert verdict.outcome == "skipped"
    assert "NCCL002" in verdict.says


def test_sockets_beside_rdma_keep_every_channel_from_passing() -> None:
    one = f"{head(HOSTS[0], 207, 7)} Channel 01/0 : 7[7] -> 8[0] [send] via NET/Socket/0"
    verdict = judge(gdr_between_nodes, [*job(), one])
    assert verdict.outcome == "unknown"
    assert "NET/Socket" in verdict.says


def test_a_network_of_no_known_kind_is_unknown() -> None:
    lines = job(network="Nova", transport="NET/Nova/{nic}")
    assert judge(gdr_between_nodes, lines).outcome == "unknown"


def test_one_node_is_skipped() -> None:
    verdict = gdr_between_nodes.judge_evidence(group(job(hosts=HOSTS[:1]), nodes=1))
    assert verdict.outcome == "skipped"


def test_no_channel_yet_is_unknown() -> None:
    assert judge(gdr_between_nodes, quiet(job())).outcome == "unknown"


def test_no_log_is_unknown() -> None:
    gone = with_log(lambda _: Missing("no agent"))
    assert gdr_between_nodes.judge_evidence(gone).outcome == "unknown"


@pytest.mark.parametrize("way", ["[send]", "[receive]"])
def test_half_seen_channels_do_not_pass(way: str) -> None:
    lines = [x for x in job() if not (x.startswith(HOSTS[1]) and way in x)]
    verdict = judge(gdr_between_nodes, lines)
    assert verdict.outcome == "unknown"
    assert "vllm-worker-0" in verdict.says


def test_a_failure_after_the_choice_is_not_a_pass() -> None:
    line = f"{head(HOSTS[0], 200, 0, 'WARN')} Cuda failure 700 'an illegal memory access'"
    assert judge(gdr_between_nodes, [*job(), line]).outcome == "unknown"


def test_the_same_log_twice_says_the_same() -> None:
    whole = read(without(job(), HOSTS[1], "send"), "head")
    twice = with_log(lambda _: whole)
    once = with_log(lambda look: whole if "head" in look.pod else NcclLog())
    verdicts = [gdr_between_nodes.judge_evidence(e) for e in (once, twice)]
    assert {v.outcome for v in verdicts} == {"warn"}
    assert {v.subjects for v in verdicts} == {(HOSTS[1],)}
