"""Data parallel of a model with experts is one world; of a dense model, as many as copies."""

import pytest
from msgspec.structs import replace
from tests.checks.sharding_groups import Running, Truth, evidence_of

from distcheck.checks.evidence import Missing, ModelConfig
from distcheck.checks.facts.wanted_world import WantedWorld
from distcheck.checks.knowledge.weights import Layout
from distcheck.checks.sharding.one_world import one_world
from distcheck.checks.sharding.share_of_weights import share_of_weights

LLAMA, MIXTRAL, QWEN = "llama-3.1-70b", "mixtral-8x7b", "qwen3-30b-a3b"
ASKED = Layout(8, 1, 2)
SPREAD = Layout(1, 1, 16, expert_parallel=True)
APART = (Running(layout=Layout(8)), Running(layout=Layout(8), first=8))
ALONE = tuple(Running(layout=Layout(1), first=i) for i in range(16))


def group(model: str, asked: Layout, *engines: Running) -> Truth:
    return Truth(model=model, asked=asked, engines=engines or (Running(layout=asked),))


@pytest.mark.parametrize("hidden", [(), ("nccl",), ("ranks",), ("weights",), ("weights", "nccl")])
def test_two_engines_do_not_share_their_experts(hidden: tuple[str, ...]) -> None:
    evidence = evidence_of(group(MIXTRAL, ASKED, *APART), hidden)
    verdict = one_world.judge_evidence(evidence)
    assert verdict.outcome == ("unknown" if "ranks" in hidden else "fail"), verdict.says
    if verdict.outcome == "fail":
        assert verdict.cause == "world_split"
        assert "asks for one of 16, as the copies share their experts" in verdict.says
    assert share_of_weights.judge_evidence(evidence).outcome != "pass"


def test_sixteen_engines_of_one_gpu_do_not_share_their_experts() -> None:
    evidence = evidence_of(group(QWEN, SPREAD, *ALONE))
    assert one_world.judge_evidence(evidence).cause == "world_split"
    verdict = share_of_weights.judge_evidence(evidence)
    assert (verdict.outcome, verdict.cause) == ("fail", "replicated")


@pytest.mark.parametrize(("model", "asked"), [(MIXTRAL, ASKED), (QWEN, SPREAD)])
@pytest.mark.parametrize("hidden", [(), ("nccl",), ("ranks",)])
def test_experts_over_all_copies_in_one_world_pass(
    model: str, asked: Layout, hidden: tuple[str, ...]
) -> None:
    verdict = one_world.judge_evidence(evidence_of(group(model, asked), hidden))
    assert verdict.outcome == "pass", verdict.says
    assert "one world of 16" in verdict.says


def test_copies_of_a_dense_model_may_be_worlds_of_their_own_or_one() -> None:
    evidence = evidence_of(group(LLAMA, ASKED))
    assert "two worlds of 8" in one_world.judge_evidence(evidence).says
    assert one_world.judge_evidence(evidence).outcome == "pass"


def test_without_its_config_two_worlds_may_be_right_or_wrong() -> None:
    verdict = one_world.judge_evidence(evidence_of(group(MIXTRAL, ASKED, *APART), ("model",)))
    assert verdict.outcome == "unknown"
    assert verdict.says.count("whether its copies share experts is not known") == 1


@pytest.mark.parametrize(
    ("config", "mixture"),
    [
        ({"num_experts": 64}, True),
        ({"num_local_experts": 1}, False),
        ({"n_routed_experts": None}, False),
        ({"text_config": {"num_local_experts": 16}}, True),
        ({"moe_num_experts": [64, 64]}, True),
        ({"num_experts": [[64]], "text_config": 3}, False),
        ({"num_experts": True}, False),
    ],
)
def test_a_model_has_experts_where_its_config_counts_them(
    config: dict[str, object], mixture: bool
) -> None:
    evidence = evidence_of(group(LLAMA, ASKED))
    nodes = tuple(
        replace(n, pods=tuple(replace(p, model=ModelConfig("/m", config)) for p in n.pods))
        for n in evidence.nodes
    )
    wanted = WantedWorld.fold(replace(evidence, nodes=nodes))
    assert not isinstance(wanted, Missing)
    assert wanted.mixture is mixture
