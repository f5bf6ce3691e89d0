"""CONF002: `--nnodes` against the pods of the group."""

from collections.abc import Iterator

from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template


@rule("CONF002", level="error")
def nnodes_fit_pods(group: Group) -> Iterator[Finding]:
    """`--nnodes` is the number of pods that hold ranks.

    What:
        An engine is told another number of nodes than the group has pods with GPUs.
    Why:
        Every node waits for all others before it starts: with too many asked for it waits for
        ever, with too few the last pods are refused.
    Fix:
        Make `--nnodes` the number of pods: of a LeaderWorkerSet `$(LWS_GROUP_SIZE)`.
    Fails:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: sglang}
        spec:
          leaderWorkerTemplate:
            size: 2
            workerTemplate:
              spec:
                containers:
                - name: sglang
                  image: lmsysorg/sglang:v0.5.0
                  command: [python3, -m, sglang.launch_server, --model-path, /models/m, --tp, "32",
                    --dist-init-addr, $(LWS_LEADER_ADDRESS):20000, --nnodes, "4",
                    --node-rank, $(LWS_WORKER_INDEX)]
                  resources: {limits: {nvidia.com/gpu: 8}}
    Passes:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: sglang}
        spec:
          leaderWorkerTemplate:
            size: 2
            workerTemplate:
              spec:
                containers:
                - name: sglang
                  image: lmsysorg/sglang:v0.5.0
                  command: [python3, -m, sglang.launch_server, --model-path, /models/m, --tp, "16",
                    --dist-init-addr, $(LWS_LEADER_ADDRESS):20000, --nnodes, $(LWS_GROUP_SIZE),
                    --node-rank, $(LWS_WORKER_INDEX)]
                  resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]
    Unsure:
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
                  image: lmsysorg/sglang:v0.5.0
                  command: [sh, -c, "python3 -m sglang.launch_server --model-path /m --tp 32
                    --nnodes $NODES --node-rank $LWS_WORKER_INDEX
                    --dist-init-addr $LWS_LEADER_ADDRESS:20000"]
                  env: [{name: NODES, valueFrom: {configMapKeyRef: {name: c, key: n}}}]
                  resources: {limits: {nvidia.com/gpu: 8}}
    Source:
        vLLM docs/serving/parallelism_scaling.md; SGLang server_args.py; lws docs/examples/sglang.
    """
    nodes = group.nodes
    for member, engine in group.engines:
        asks = engine.asks
        told = _of_torchrun(engine) if asks is None else None
        if told and nodes and told > max(nodes, member.template.pods or told):
            says = f"torchrun waits for {told} nodes, and {group.name} has {nodes} pods with GPUs"
            fix = f"Write `--nnodes {nodes}`, or change the pods."
            yield Finding(engine.spot_of("--nnodes"), says, fix, unseen=group.open)
        if not nodes or asks is None or asks.nnodes is None or asks.nnodes == nodes:
            continue
        if (asks.dp or 1) > 1 or (asks.nnodes < nodes and not group.is_whole):
            continue
        has = f"{nodes} pod{'s' * (nodes != 1)} with GPUs"
        says = f"--nnodes is {asks.nnodes}, and {group.name} has {has}"
        fix = _fix(group, member.template, asks.nnodes)
        yield Finding(engine.spot_of("--nnodes", "-n"), says, fix, unseen=group.open)


def _fix(group: Group, template: Template, told: int) -> str:
    """The number of pods, where the ranks fill as many as `--nnodes` says; else `--nnodes`."""
    count = _COUNTS.get(template.kind)
    alike = {m.template.owner_place.of for m in group.members} == {template.owner_place.of}
    world = group.intent.world_size
    if count and alike and told > 1 and world == told * template.gpus:
        return f"Write `{count}: {told}`: the {world} ranks fill {told} pods."
    nodes = "$(LWS_GROUP_SIZE)" if template.kind == "LeaderWorkerSet" else group.nodes
    return f"Write `--nnodes {nodes}`, or change the pods."


_COUNTS = {"StatefulSet": "replicas", "LeaderWorkerSet": "size"}


def _of_torchrun(engine: Container) -> int | None:
    """How many nodes torchrun waits for; None where it may start with fewer."""
    for command in engine.commands:
        if "torchrun" in {w.rpartition("/")[2] for w in command.words[:2]}:
            for value in command.values("--nnodes"):
                if value.isdigit():
                    return int(value[:9])
    return None
