"""CONF111: vLLM from 0.11.1 on does not take Ray by itself."""

from collections.abc import Iterator

from distcheck.checks.knowledge.engine_release import vllm_release
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.rule import rule

_LAST = (0, 11, 0)


@rule("CONF111", level="error")
def ray_is_asked_for(group: Group) -> Iterator[Finding]:
    """vLLM over several nodes by Ray is told so.

    What:
        The group is joined by Ray, TP x PP is larger than the leader's GPUs, the image is vLLM
        0.11.1 or newer, and `--distributed-executor-backend ray` is not there; a hint where the
        image's tag does not say which vLLM it is.

    Why:
        Up to 0.11.0 vLLM took Ray by itself where the GPUs of the node were too few. Since then
        it stays with one node and ends with "World size (16) is larger than the number of
        available GPUs (8) in this node"; 0.11.1 to 0.12 say "Tensor parallel size (16) cannot be
        larger than the number of available GPUs (8)".

    Fix:
        Add `--distributed-executor-backend ray`.

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
                  image: vllm/vllm-openai:v0.12.0
                  command: [sh, -c, "ray start --head; vllm serve /m -tp 8 -pp 2"]
                  resources: {limits: {nvidia.com/gpu: 8}}
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.12.0
                  command: [sh, -c, "ray start --address=$(LWS_LEADER_ADDRESS):6379 --block"]
                  resources: {limits: {nvidia.com/gpu: 8}}

    Passes:
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
                  image: vllm/vllm-openai:v0.12.0
                  command: [sh, -c, "ray start --head; vllm serve /m -tp 8 -pp 2
                    --distributed-executor-backend ray"]
                  resources: {limits: {nvidia.com/gpu: 8, memory: 900Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 32Gi}}]
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.12.0
                  command: [sh, -c, "ray start --address=$(LWS_LEADER_ADDRESS):6379 --block"]
                  resources: {limits: {nvidia.com/gpu: 8, memory: 900Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 32Gi}}]

    Unsure:
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
                  image: vllm/vllm-openai:latest
                  command: [sh, -c, "ray start --head; vllm serve /m -tp 16"]
                  resources: {limits: {nvidia.com/gpu: 8}}
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:latest
                  command: [sh, -c, "ray start --address=$(LWS_LEADER_ADDRESS):6379 --block"]
                  resources: {limits: {nvidia.com/gpu: 8}}

    Source:
        vLLM vllm/config/parallel.py; vLLM issue 29447.
    """
    world = group.intent.world_size or 0
    for member, engine in group.engines:
        asks = engine.asks
        if asks is None or asks.engine != "vllm" or asks.unread:
            continue
        if asks.executor not in (None, "mp"):
            continue
        gpus = member.template.gpus
        if (asks.nnodes or 1) > 1 or not 0 < gpus < world or not _by_ray(group, engine):
            continue
        if asks.executor == "mp":
            says = f"the executor mp starts ranks on one node, and {world} need several"
            spot = engine.spot_of("--distributed-executor-backend")
            yield Finding(spot, says, "Write `--distributed-executor-backend ray`.")
        else:
            yield from _of_version(engine, world)


def _of_version(engine: Container, world: int) -> Iterator[Finding]:
    spot, version = engine.spot_of("vllm serve", "api_server", "vllm"), vllm_release(engine.image)
    if version is None and not engine.nim:
        says = f"vLLM from 0.11.1 on does not take Ray by itself for {world} ranks"
        unseen = f"which vLLM is in {engine.image or 'the image'}"
        yield Finding(spot, says, unseen=unseen)
    elif version is not None and version > _LAST:
        told = ".".join(str(n) for n in version)
        yield Finding(spot, f"vLLM {told} does not take Ray by itself for {world} ranks")


def _by_ray(group: Group, engine: Container) -> bool:
    """Whether workers join by Ray, or the leader runs vLLM's script for it."""
    every = [c for m in group.members for c in m.template.containers]
    if any(m.template.of_ray and m.template.kind != "RayService" for m in group.workers):
        return True
    joined = any(c.joins_ray for c in every)
    return joined or engine.heads_ray
