"""CONF111: vLLM from 0.11.1 on does not take Ray by itself."""

import re
from collections.abc import Iterator

from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.rule import rule

_OFFICIAL = re.compile(r"(?:\A|/)vllm/vllm-openai:v?(\d+)\.(\d+)\.(\d+)\b")
_LAST = (0, 11, 0)


@rule("CONF111", level="error")
def ray_is_asked_for(group: Group) -> Iterator[Finding]:
    """vLLM over several nodes by Ray is told so.

    What:
        The group is joined by Ray, TP x PP is larger than the leader's GPUs, the image is vLLM
        0.11.1 or newer, and `--distributed-executor-backend ray` is not there.

    Why:
        Up to 0.11.0 vLLM took Ray by itself where the GPUs of the node were too few. Since then
        it stays with one node and ends with "World size (16) is larger than the number of
        available GPUs (8) in this node".

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

    Source:
        vLLM vllm/config/parallel.py; vLLM issue 29447.
    """
    world = group.intent.world_size or 0
    for member, engine in group.engines:
        asks = engine.asks
        if asks is None or asks.engine != "vllm" or asks.executor or asks.unread:
            continue
        if (asks.nnodes or 1) > 1 or world <= member.template.gpus or not _by_ray(group, engine):
            continue
        says = f"vLLM {_version(engine)} does not take Ray by itself for {world} ranks"
        if _new(engine):
            yield Finding(engine.spot_of("vllm serve", "api_server", "vllm"), says)


def _by_ray(group: Group, engine: Container) -> bool:
    """Whether workers join by Ray, or the leader runs vLLM's script for it."""
    every = [c for m in group.members for c in m.template.containers]
    joined = any(j.way.startswith("ray") for c in every for j in c.joins)
    return joined or bool(engine.ray and engine.ray.head)


def _version(engine: Container) -> str:
    found = _OFFICIAL.search(engine.image)
    return ".".join(found.groups()) if found else ""


def _new(engine: Container) -> bool:
    found = _OFFICIAL.search(engine.image)
    return found is not None and tuple(int(n) for n in found.groups()) > _LAST
