"""What the command line knows better than the evidence: `--expect` and `--model`."""

import msgspec

from distcheck.checks.evidence import Evidence, Missing, ModelConfig, NodeLook, Pod, PodLook


def with_expected(evidence: Evidence, expected: dict[str, int]) -> Evidence:
    """`evidence` whose intent has these values; the report says that they came from `--expect`."""
    if not expected:
        return evidence
    from distcheck.agent.cluster.intent import declared  # noqa: PLC0415 - it takes time

    return msgspec.structs.replace(
        evidence, intent=declared.with_expected(evidence.intent, expected)
    )


def with_model(evidence: Evidence, model: ModelConfig) -> Evidence:
    """`evidence` with `model` for every pod whose own could not be read."""
    nodes = {n.node: n for n in evidence.nodes}
    for pod in evidence.pods:
        if isinstance(evidence.look(pod).model, Missing) and pod.node:
            node = nodes.get(pod.node) or _unasked(evidence, pod.node)
            nodes[pod.node] = _put(node, evidence, pod, model)
    return msgspec.structs.replace(evidence, nodes=tuple(nodes.values()))


def _unasked(evidence: Evidence, node: str) -> NodeLook:
    return NodeLook.unseen(node, evidence.observed_at, f"no agent answered on node {node}")


def _put(node: NodeLook, evidence: Evidence, pod: Pod, model: ModelConfig) -> NodeLook:
    look: PodLook = msgspec.structs.replace(evidence.look(pod), model=model)
    others = tuple(p for p in node.pods if p.pod != pod.key)
    return msgspec.structs.replace(node, pods=(*others, look))
