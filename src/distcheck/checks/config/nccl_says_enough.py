"""CONF121: NCCL too quiet for anybody to see what it uses."""

from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.rule import rule


@rule("CONF121", level="hint")
def nccl_says_enough(group: Group) -> Iterator[Finding]:
    """NCCL logs which transport it uses between nodes.

    What:
        A group of several nodes has no NCCL_DEBUG, or one below INFO.
    Why:
        Only the log proves RDMA and GPUDirect: without it a group that fell back to sockets looks
        like a slow one, and `verify` has to judge by counters.
    Fix:
        Set NCCL_DEBUG=INFO and NCCL_DEBUG_SUBSYS=INIT,NET,ENV: some hundred lines at the start,
        none later.
    Fails:
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
                  env: [{name: NCCL_DEBUG, value: WARN}]
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
                  env: [{name: NCCL_DEBUG, value: INFO}]
                  resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]
    Source:
        NCCL environment variables; docs/nccl-logs.md.
    """
    if (group.nodes or 1) < 2:
        return
    for _member, engine in group.engines:
        level = engine.value("NCCL_DEBUG")
        if not engine.gpus or engine.may_have_more or (level or "").upper() in ("INFO", "TRACE"):
            continue
        found = engine.variable("NCCL_DEBUG")
        if found is not None and found.value is None:
            continue
        shown = found is not None and not found.given
        spot = found.place.spot if found and shown else engine.place.at("name").spot
        says = f"NCCL_DEBUG is {level or 'not set'}: the log does not show the transport"
        yield Finding(spot, says)
        return
