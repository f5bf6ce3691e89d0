"""CONF094: pods of one engine with different numbers of GPUs."""

from collections.abc import Iterator

from distcheck.checks.knowledge.counted import counted
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group, Member
from distcheck.checks.manifest.rule import rule
from distcheck.pattern import pattern


@rule("CONF094", level="warning")
def workers_are_equal(group: Group) -> Iterator[Finding]:
    """All pods that hold ranks of one engine have the same GPUs, and as many.

    What:
        Pods of a group with TP x PP above one pod's GPUs have different numbers of them, or their
        nodeSelectors name different products.

    Why:
        Engines count ranks by node: with unequal nodes tensor-parallel ranks of one stage fall
        on two nodes, or the launch ends with an error. Of different GPUs the slowest and the
        smallest decide for all, and kernels that only some have end the group.

    Fix:
        Give each pod the same number of GPUs; a pod that only coordinates has none.

    Fails:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: vllm}
        spec:
          leaderWorkerTemplate:
            size: 2
            leaderTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  command: [sh, -c, "ray start --head; vllm serve /m -tp 4 -pp 3
                    --distributed-executor-backend ray"]
                  resources: {limits: {nvidia.com/gpu: 4}}
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  command: [sh, -c, "ray start --address=$(LWS_LEADER_ADDRESS):6379 --block"]
                  resources: {limits: {nvidia.com/gpu: 8}}

    Passes:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: vllm}
        spec:
          leaderWorkerTemplate:
            size: 2
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  command: [sh, -c, "ray start --address=$(LWS_LEADER_ADDRESS):6379 --block"]
                  resources: {limits: {nvidia.com/gpu: 8, memory: 900Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 32Gi}}]

    Unsure:
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: workers}
        spec:
          serviceName: workers
          selector: {matchLabels: {app: w}}
          template:
            metadata: {labels: {app: w}}
            spec:
              containers:
              - name: w
                image: vllm/vllm-openai:v0.11.0
                command: [ray, start, "--address=head:6379", --block]
                resources: {limits: {nvidia.com/gpu: 4}}

    Source:
        vLLM docs/serving/parallelism_scaling.md; SGLang server_args.py (ranks of a node).
    """
    having = [m for m in group.members if m.template.gpus]
    counts = {m.template.gpus for m in having}
    world = group.intent.world_size or 0
    yield from _other_products(having, world)
    if len(counts) < _TWO or not group.is_whole or world <= max(counts):
        return
    first = having[0].template
    other = next(m.template for m in having if m.template.gpus != first.gpus)
    engine, far = first.engine, other.engine
    if engine is None or far is None:
        return
    has = f"a pod of {other.what} has {counted(other.gpus, 'GPU')}"
    says = f"{has}, and one of {first.what} {first.gpus}"
    limits = far.place.at("resources", "limits")
    gpus = next((p for n, p in limits.fields() if n.startswith("nvidia.com/")), limits)
    yield Finding(gpus.spot, says, also=(engine.place.at("resources").key,))


_TWO = 2


def _other_products(having: list[Member], world: int) -> Iterator[Finding]:
    """Products that the nodeSelectors of two templates name."""
    named = [(m.template, m.template.spec.at("nodeSelector", _PRODUCT)) for m in having]
    told = [(t, p, _model(p.text())) for t, p in named if _model(p.text())]
    first = told[0] if told else None
    for template, place, model in told[1:]:
        if first is not None and model != first[2] and world > first[0].gpus:
            says = f"{template.what} is on {place.text()}, and {first[0].what} on {first[1].text()}"
            fix = "Name the same product for all pods of the group."
            yield Finding(place.spot, says, fix, also=(first[1].spot,))
            return


_PRODUCT = "nvidia.com/gpu.product"
_MODEL = pattern(r"(?:\A|-)(GH200|GB[23]00|[ABHVPT]\d{1,4}[A-Z]?|L\d{1,2}S?)(?:-|\Z)")


def _model(product: str) -> str:
    """`H100` of `NVIDIA-H100-80GB-HBM3`."""
    found = _MODEL.search(product)
    return found[1] if found else ""
