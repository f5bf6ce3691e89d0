"""CONF010: an engine with several ranks, in a pod that asks for no GPU."""

from collections.abc import Iterator

from distcheck.checks.config.world_has_gpus import FLAGS
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template

_OTHERS = ("cpu", "tpu", "hpu", "xpu", "gaudi", "neuron", "rocm", "ascend")


@rule("CONF010", level="warning")
def engine_has_gpus(group: Group) -> Iterator[Finding]:
    """Pods of an engine with several ranks ask for GPUs.

    What:
        vLLM or SGLang is told of a tensor or pipeline parallel size above 1, and no pod of the
        group has a GPU, a claim for one, or a runtime class.

    Why:
        Without a limit the scheduler puts the pod onto any node, and its containers see no GPU.

    Fix:
        Add `resources: {limits: {nvidia.com/gpu: N}}`.

    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m, --tensor-parallel-size, "4"]

    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m, --tensor-parallel-size, "4"]
            resources: {limits: {nvidia.com/gpu: 4}}

    Source:
        Kubernetes: Schedule GPUs.
    """
    asked, world = group.asked(), group.intent.world_size or 0
    if group.gpus != 0 or world <= 1 or asked is None or asked[1].asks is None:
        return
    if asked[1].asks.engine not in ("vllm", "sglang") or not group.is_whole or asked[1].nim:
        return
    if any(_may_have(m.template) for m in group.members):
        return
    says = f"{world} ranks, and no pod of {group.name} asks for a GPU"
    yield Finding(group.spot_of(*FLAGS), says)


def _may_have(template: Template) -> bool:
    """Whether a pod may have accelerators by other means, or of other makers."""
    spec = template.spec
    devices = any("/" in n for c in template.containers for n in (*c.limits, *c.requests))
    claims = spec.at("resourceClaims") or spec.at("runtimeClassName") or template.fragment
    other = any(o in c.image.lower() for c in template.containers for o in _OTHERS)
    return devices or bool(claims) or other or any(c.privileged for c in template.containers)
