"""The smallest change that works, and one word for the whole answer."""

from typing import Any

import pytest
from tests.checks.weights_models import config

from distcheck.checks.knowledge.plan import Ask, Plan
from distcheck.checks.knowledge.plan_fabric import Fabric
from distcheck.checks.knowledge.plan_layouts import plan
from distcheck.checks.knowledge.weights import GIB, Checkpoint, Engine

NEW = Engine(version="0.33.0")
UNKNOWN = config("llama-3.1-8b", architectures=["NewForCausalLM"])


def planned(name: str | dict[str, Any], **asked: Any) -> Plan:
    found = config(name) if isinstance(name, str) else name
    return plan(Ask(config=found, **({"engine": NEW} | asked)), "a-model", "config.json")


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"tp": 12}, "TP=8 would start, on 8 of 12 GPUs."),
        ({"tp": 12, "gpus": 64, "gpu_bytes": 80 * GIB}, "TP=8 fits, on 8 of 64 GPUs."),
        ({"tp": 64, "gpus": 64, "gpu_bytes": 80 * GIB}, "TP=8 fits, on 8 of 64 GPUs."),
        (
            {"tp": 64, "gpus": 64, "gpu_bytes": 80 * GIB, "fabric": Fabric(400, "ib")},
            "TP=32 fits, on 32 of 64 GPUs.",
        ),
        ({"tp": 6, "pp": 2}, "TP=4 x PP=2 would start, on 8 of 12 GPUs."),
        ({"tp": 1, "pp": 40}, "TP=1 x PP=20 would start, on 20 of 40 GPUs."),
        ({"tp": 16, "pp": 1, "gpus": 8, "gpu_bytes": 80 * GIB}, "TP=8 fits."),
        ({"tp": 8, "expert_parallel": True}, "TP=8 would start."),
    ],
)
def test_a_refused_cut_is_answered_with_the_nearest_that_works(
    asked: dict[str, Any], says: str
) -> None:
    found = planned("llama-3.1-8b", **asked)
    assert found.verdict == "refused"
    assert found.layouts[0].advice == f"Do not deploy this: vLLM would not start. {says}"


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"gpus": 2}, "It fits on 4 such GPUs, as TP=4."),
        ({"tp": 2}, "It fits on 4 such GPUs, as TP=4."),
        ({"gpus": 8, "gpu_bytes": 16 * GIB}, "It fits on 16 such GPUs, as TP=4 x PP=4."),
    ],
)
def test_memory_that_is_short_is_answered_with_the_next_size_up(
    asked: dict[str, Any], says: str
) -> None:
    wanted = {"gpu_bytes": 80 * GIB, "max_model_len": 65_536, **asked}
    assert says in planned("llama-3.1-70b", **wanted).notes


def test_no_number_of_gpus_is_made_up_where_none_is_enough() -> None:
    found = planned("deepseek-v3", gpus=8, gpu_bytes=16 * GIB)
    assert found.notes == ("No usual layout of up to 64 such GPUs is sure to fit.",)


def test_a_length_that_does_not_fit_is_answered_with_one_that_does() -> None:
    found = planned("llama-3.1-405b-fp8", tp=8, gpu_bytes=80 * GIB, max_model_len=131_072)
    assert found.verdict == "may_fit"
    found = planned("llama-3.1-70b", tp=4, gpu_bytes=48 * GIB, max_model_len=131_072)
    assert found.verdict == "does_not_fit"
    assert found.notes[0].startswith("TP=4 fits with --max-model-len ")


@pytest.mark.parametrize("gpus", [{}, {"gpu_bytes": 80 * GIB}])
def test_unknown_weights_are_the_reason_given_not_the_gpu_s_memory(gpus: dict[str, int]) -> None:
    found = planned(UNKNOWN, tp=8, **gpus)
    assert (found.verdict, found.layouts[0].fits) == ("unknown", None)
    assert "neither are its weights" in found.layouts[0].advice
    assert "--gpu-memory" not in found.layouts[0].advice


def test_without_any_size_or_gpu_the_weights_are_the_reason_too() -> None:
    advice = planned(UNKNOWN).layouts[0].advice
    assert "neither are its weights" in advice
    assert "--gpu-memory" not in advice


@pytest.mark.parametrize(
    ("name", "asked", "verdict"),
    [
        ("llama-3.1-70b", {"gpus": 8, "gpu_bytes": 80 * GIB}, "fits"),
        ("llama-3.1-70b", {"tp": 8}, "weights_only"),
        ("llama-3.1-70b", {"gpus": 1, "gpu_bytes": 80 * GIB}, "does_not_fit"),
        ("llama-3.1-70b", {"tp": 12}, "refused"),
        (
            "llama-3.1-70b",
            {"tp": 16, "gpu_bytes": 80 * GIB, "fabric": Fabric(25, "ethernet")},
            "avoid",
        ),
        (UNKNOWN, {"tp": 8, "gpu_bytes": 80 * GIB, "checkpoint": Checkpoint(200 * GIB)}, "may_fit"),
    ],
)
def test_the_verdict_is_that_of_the_best_layout(
    name: str | dict[str, Any], asked: dict[str, Any], verdict: str
) -> None:
    found = planned(name, **asked)
    assert found.verdict == verdict
    assert (found.best is None) == (verdict in ("does_not_fit", "refused", "avoid"))
    if found.best is not None:
        first = found.layouts[0]
        assert (found.best.tp, found.best.pp, found.best.flags) == (first.tp, first.pp, first.flags)


def test_what_best_first_goes_by_is_said() -> None:
    assert planned("llama-3.1-8b", tp=1).order.startswith("best first: it fits")


@pytest.mark.parametrize(
    ("fabric", "advice"),
    [
        (None, "Fits. Deploy only if the interconnect carries RDMA"),
        (Fabric(400, "ib"), "Deploy it: attention in 2 copies"),
        (Fabric(25, "ethernet"), "Avoid this: 25 Gb/s Ethernet carries pipeline stages only"),
    ],
)
def test_experts_across_nodes_are_advised_as_their_network_carries_them(
    fabric: Fabric | None, advice: str
) -> None:
    asked = {"tp": 8, "dp": 2, "expert_parallel": True, "gpu_bytes": 80 * GIB, "fabric": fabric}
    assert planned("qwen3-30b-a3b", **asked).layouts[0].advice.startswith(advice)


def test_a_stage_across_nodes_is_not_said_to_answer_sooner() -> None:
    slow = planned("deepseek-v3", gpus=16, gpu_bytes=141 * GIB, fabric=Fabric(100, "roce"))
    assert (slow.layouts[0].tp, slow.layouts[0].pp) == (8, 2)
    assert slow.notes[0].startswith("One copy fits on 8 GPUs of one node (TP=8)")
    assert "sooner" not in slow.notes[0]
