"""CONF094: pods of one engine with different numbers of GPUs."""

from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.rule import rule


@rule("CONF094", level="warning")
def workers_are_equal(group: Group) -> Iterator[Finding]:
    """All pods that hold ranks of one engine have the same number of GPUs.

    What:
        Pods of a group with TP x PP above one pod's GPUs have different numbers of them.

    Why:
        Engines count ranks by node: with unequal nodes tensor-parallel ranks of one stage fall
        on two nodes, or the launch ends with an error.

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

    Source:
        vLLM docs/serving/parallelism_scaling.md; SGLang server_args.py (ranks of a node).
    """
    having = [m for m in group.members if m.template.gpus]
    counts = {m.template.gpus for m in having}
    world = group.intent.world_size or 0
    if len(counts) < _TWO or not group.is_whole or world <= max(counts):
        return
    first = having[0].template
    other = next(m.template for m in having if m.template.gpus != first.gpus)
    engine, far = first.engine, other.engine
    if engine is None or far is None:
        return
    says = f"a pod of {other.what} has {other.gpus} GPUs, and one of {first.what} {first.gpus}"
    limits = far.place.at("resources", "limits")
    gpus = next((p for n, p in limits.fields() if n.startswith("nvidia.com/")), limits)
    yield Finding(gpus.spot, says, also=(engine.place.at("resources").key,))


_TWO = 2
