"""CONF061: a /dev/shm that is smaller than the ranks need."""

from collections.abc import Iterator

from distcheck.checks.knowledge.shm import MIB, shm_need
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.rule import rule


@rule("CONF061", level="error")
def shm_is_large_enough(group: Group) -> Iterator[Finding]:
    """/dev/shm has room for what the ranks of the pod write there.

    What:
        The `sizeLimit` of the volume at /dev/shm is below what NCCL and vLLM need for the ranks
        of this pod; the arithmetic is in the message.
    Why:
        NCCL takes its pools at once and ends with "No space left on device"; vLLM's ring grows
        into the limit later and dies of SIGBUS.
    Fix:
        Raise `sizeLimit` to what is said to be enough.
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
                  resources: {limits: {nvidia.com/gpu: 8}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 32Mi}}]
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
                  resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 2Gi}}]
    Source:
        NCCL src/proxy.cc and vLLM shm_broadcast.py, as docs/shm.md counts them. SHM001.
    """
    many = (group.nodes or 1) > 1 and group.is_whole
    for member, engine in group.engines:
        shm = member.template.shm
        if shm is None or shm.elsewhere is not None or shm.medium != "memory" or not engine.gpus:
            continue
        size = shm.size_bytes
        if size is None or (engine.gpus < 2 and not many):
            continue
        need = shm_need(engine.gpus, None if many else 0, None)
        if size >= need.enough:
            continue
        spot = member.template.shm_spot
        if size < need.least:
            says = f"/dev/shm is {size / MIB:.0f} MiB, and its ranks need {need.least_says}"
            yield Finding(spot, says, f"Set sizeLimit to {-(-need.enough // MIB)}Mi or more.")
        else:
            says = f"/dev/shm is {size / MIB:.0f} MiB; sure to be enough is {need.enough_says}"
            yield Finding(spot, says, level="hint")
