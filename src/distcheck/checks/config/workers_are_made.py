"""CONF031: workers that are made only when the leader is ready, which needs them."""

from collections.abc import Iterator

from distcheck.checks.config.readiness_can_come import engine_probe
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.place import Spot
from distcheck.checks.manifest.rule import rule


@rule("CONF031", level="error")
def workers_are_made(group: Group) -> Iterator[Finding]:
    """Workers are made before the leader is ready.

    What:
        The leader's readiness probe asks the engine, which needs the workers' GPUs, and the
        workers are made only after that: `startupPolicy: LeaderReady` of a LeaderWorkerSet, or
        a StatefulSet of several ranks without `podManagementPolicy: Parallel`.

    Why:
        A deadlock: the engine answers when all ranks are there, and they are made when it
        answers.

    Fix:
        Use `startupPolicy: LeaderCreated`, or `podManagementPolicy: Parallel`.

    Fails:
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: sglang}
        spec:
          serviceName: sglang
          replicas: 2
          selector: {matchLabels: {app: sglang}}
          template:
            metadata: {labels: {app: sglang}}
            spec:
              containers:
              - name: sglang
                image: lmsysorg/sglang:v0.5.2
                command: [bash, -c, "python3 -m sglang.launch_server --model-path /m --tp 16
                  --dist-init-addr sglang-0.sglang:20000 --nnodes 2 --node-rank ${HOSTNAME##*-}
                  --host 0.0.0.0 --port 30000"]
                readinessProbe: {httpGet: {path: /health, port: 30000}}
                resources: {limits: {nvidia.com/gpu: 8}}

    Passes:
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: sglang}
        spec:
          serviceName: sglang
          replicas: 2
          podManagementPolicy: Parallel
          selector: {matchLabels: {app: sglang}}
          template:
            metadata: {labels: {app: sglang}}
            spec:
              containers:
              - name: sglang
                image: lmsysorg/sglang:v0.5.2
                command: [bash, -c, "python3 -m sglang.launch_server --model-path /m --tp 16
                  --dist-init-addr sglang-0.sglang:20000 --nnodes 2 --node-rank ${HOSTNAME##*-}
                  --host 0.0.0.0 --port 30000"]
                readinessProbe: {httpGet: {path: /health, port: 30000}}
                resources: {limits: {nvidia.com/gpu: 8, memory: 900Gi}}
                volumeMounts: [{name: dshm, mountPath: /dev/shm}]
              volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 32Gi}}]

    Unsure:
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: vllm}
        spec:
          serviceName: vllm
          replicas: 2
          selector: {matchLabels: {app: vllm}}
          template:
            metadata: {labels: {app: vllm}}
            spec:
              containers:
              - name: vllm
                image: vllm/vllm-openai:v0.11.0
                command: [/start.sh]
                readinessProbe: {httpGet: {path: /health, port: 8000}}
                resources: {limits: {nvidia.com/gpu: 8}}

    Source:
        Kubernetes: StatefulSet, pod management policies; lws startupPolicy.
    """
    leader, world = group.leader.template, group.intent.world_size or 0
    engine = next((c for c in leader.containers if c.asks), None)
    if not group.is_whole or engine is None or not leader.gpus or world <= leader.gpus:
        return
    spec = leader.owner_place.at("spec")
    where: Spot | None = None
    fix = "Use `startupPolicy: LeaderCreated`."
    if leader.kind == "LeaderWorkerSet" and spec.text("startupPolicy") == "LeaderReady":
        where = spec.at("startupPolicy").spot
    elif leader.kind == "StatefulSet" and group.members[-1].template is leader:
        policy = spec.at("podManagementPolicy")
        ordered = policy.value in (None, "OrderedReady") and len(group.members) > 1
        where = (policy.spot if policy else spec.key) if ordered else None
        fix = "Set `podManagementPolicy: Parallel` (a StatefulSet that exists must be made anew)."
    probe = engine_probe(group) if where is not None else None
    if where is not None and probe is not None:
        says = f"the other pods of {group.name} are made when the first is ready,"
        says = f"{says} which needs them for {world} ranks"
        yield Finding(where, says, fix, also=(probe.key,))
