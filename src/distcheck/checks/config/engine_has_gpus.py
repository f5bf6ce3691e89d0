"""CONF010: an engine with several ranks, in a pod that asks for no GPU."""

from collections.abc import Iterator

from distcheck.checks.config.world_has_gpus import FLAGS
from distcheck.checks.knowledge.gpu_names import gpu_that_was_meant
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template

_OTHERS = ("cpu", "tpu", "hpu", "xpu", "gaudi", "neuron", "rocm", "ascend")


@rule("CONF010", level="warning", others=("error",))
def engine_has_gpus(group: Group) -> Iterator[Finding]:
    """Pods of an engine with several ranks ask for GPUs.

    What:
        vLLM or SGLang is told of a tensor or pipeline parallel size above 1, and no pod of the
        group has a GPU, a claim for one, or a runtime class. Ray Serve's `engine_kwargs` count too.
        So does a resource whose name is misspelt, such as `nvidia.com/gpus`.

    Why:
        Without a limit the scheduler puts the pod onto any node, and its containers see no GPU.
        A resource that no node has keeps the pod Pending.

    Fix:
        Add `resources: {limits: {nvidia.com/gpu: N}}` to the engine's container.

    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m, --tensor-parallel-size, "4"]
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: typo}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m, --tensor-parallel-size, "4"]
            resources: {limits: {nvidia.com/gpus: 4}}

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
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: passed-through}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m, --tensor-parallel-size, "4"]
            resources: {limits: {nvidia.com/pgpu: 4}}

    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          runtimeClassName: nvidia
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m, --tensor-parallel-size, "4"]

    Source:
        Kubernetes: Schedule GPUs.
    """
    misspelt = list(_misspelt(group))
    yield from misspelt
    world = group.intent.world_size or 0
    if group.gpus != 0 or world <= 1 or not group.is_whole or not _of_an_engine(group):
        return
    if misspelt or any(_may_have(m.template) for m in group.members):
        return
    says = f"{world} ranks, and no pod of {group.name} asks for a GPU"
    yield Finding(group.spot_of(*FLAGS), says, _fix(group, world))


def _fix(group: Group, world: int) -> str:
    """With the GPUs of a pod, where they can be shared out evenly."""
    told = group.leader.template.told
    pods = sum(m.pods or 0 for m in group.workers) if told else group.pods or 0
    each = world // pods if pods and world % pods == 0 else "N"
    where = "each worker's" if told else "the engine's"
    return f"Add `resources: {{limits: {{nvidia.com/gpu: {each}}}}}` to {where} container."


def _of_an_engine(group: Group) -> bool:
    """Whether a command line starts vLLM or SGLang, or the owner's own fields ask for it.

    Or NIM is told of ranks. Its operator gives GPUs by the profile of a NIMCache alone
    (k8s-nim-operator internal/controller/platform/standalone/nimservice.go, addGPUResources).
    """
    asked, leader = group.asked(), group.leader.template
    if any(e.nim for _, e in group.engines):
        return leader.kind != "NIMService" or not _given_by_operator(leader)
    if asked is None or asked[1].asks is None:
        return group.intent.engine == "vllm" and leader.told
    return asked[1].asks.engine in ("vllm", "sglang")


def _given_by_operator(template: Template) -> bool:
    """Whether a NIMService may get its GPUs otherwise: by a NIMCache, a claim, a runtime class."""
    spec = template.owner_place.at("spec")
    cached = spec.at("storage", "nimCache") or spec.at("draResources")
    return bool(cached or spec.at("runtimeClass") or spec.at("runtimeClassName"))


def _misspelt(group: Group) -> Iterator[Finding]:
    """Resources of limits, or of requests alone, that are nearly a GPU's."""
    for container in (c for m in group.members for c in m.template.every):
        limits = container.place.at("resources", "limits")
        requests = container.place.at("resources", "requests")
        for name, place in (*limits.fields(), *requests.fields()):
            meant = gpu_that_was_meant(name)
            if meant and not (name in container.limits and place.path[-2] == "requests"):
                says = f"no node has the resource {name}: did you mean {meant}?"
                yield Finding(place.key, says, f"Write {meant}.", level="error")


def _may_have(template: Template) -> bool:
    """Whether a pod may have accelerators by other means, or of other makers."""
    spec = template.spec
    every = [one for c in template.containers for one in (*c.limits.items(), *c.requests.items())]
    devices = any("/" in name and amount != 0 for name, amount in every)
    claims = spec.at("resourceClaims") or spec.at("runtimeClassName") or template.fragment
    other = any(o in c.image.lower() for c in template.containers for o in _OTHERS)
    return devices or bool(claims) or other or any(c.privileged for c in template.containers)
