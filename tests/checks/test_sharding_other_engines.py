"""SGLang, TensorRT-LLM and NIM show less: what they show is said, and nothing passes on it."""

from msgspec import structs
from tests.evidence_builder import healthy

from distcheck.checks.evidence import EngineFolder, EngineLog, Evidence, Missing, VllmLog
from distcheck.checks.evidence.engine import EngineRank
from distcheck.checks.facts.weights_seen import WeightsSeen


def served_by(**parts: object) -> Evidence:
    """The healthy group, without a line of vLLM, and with these parts in each pod's look."""
    evidence = healthy()
    nodes = tuple(
        structs.replace(
            node, pods=tuple(structs.replace(p, vllm=VllmLog(), **parts) for p in node.pods)
        )
        for node in evidence.nodes
    )
    return structs.replace(evidence, nodes=nodes)


SGLANG = EngineLog(
    lines=2,
    engine="sglang",
    tp=16,
    pp=1,
    config_source="a.log:1",
    ranks=(EngineRank("a.log:2", gib=8.6),),
)


def test_what_sglang_says_is_told_and_its_weights_are_not_taken_for_exact() -> None:
    found = WeightsSeen.fold(served_by(engine=SGLANG))
    assert isinstance(found, Missing)
    assert "SGLang of vllm-head-0 says TP=16 x PP=1, and weights near 8.6 GiB a rank (a.log:1)" in (
        found.reason
    )


def test_the_layout_that_a_tensorrt_engine_is_built_for_is_told() -> None:
    found = WeightsSeen.fold(served_by(engine_folder=EngineFolder("/engine", tp=8, pp=2)))
    assert isinstance(found, Missing)
    assert (
        "the TensorRT-LLM engine of vllm-head-0 is built for TP=8 x PP=2 (/engine)" in found.reason
    )
