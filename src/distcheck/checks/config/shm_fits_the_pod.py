"""CONF063: a /dev/shm that the pod's memory limit cuts."""

from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template

_GIB = 1 << 30


@rule("CONF063", level="warning", others=("hint",))
def shm_fits_the_pod(template: Template) -> Iterator[Finding]:
    """/dev/shm is no larger than the pod's memory limit.

    What:
        The `sizeLimit` of the emptyDir in memory at /dev/shm is above the pod's memory limit. A
        hint where the pod has one GPU: one rank shares next to nothing there.
    Why:
        The kubelet cuts it to the limit without a word, and what is written there counts against
        that limit: the pod is killed before the volume is full.
    Fix:
        Raise the memory limit above `sizeLimit` plus what the engine itself needs, or lower
        `sizeLimit`.
    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            resources: {limits: {nvidia.com/gpu: 8, memory: 32Gi}}
            volumeMounts: [{name: dshm, mountPath: /dev/shm}]
          volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 64Gi}}]
    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            resources: {limits: {nvidia.com/gpu: 8, memory: 256Gi}}
            volumeMounts: [{name: dshm, mountPath: /dev/shm}]
          volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 16Gi}}]
    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 64Gi}}]
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            resources: {limits: {nvidia.com/gpu: 8, memory: "${MEMORY}"}}
            volumeMounts: [{name: dshm, mountPath: /dev/shm}]
    Source:
        Kubernetes pkg/volume/emptydir (calculateEmptyDirMemorySize). SHM003 compares it live.
    """
    shm = template.shm
    if shm is None or shm.medium != "memory" or shm.elsewhere is not None:
        return
    size, limit = shm.size_bytes or 0, template.memory_limit
    if limit and size > limit:
        says = f"/dev/shm is {size / _GIB:.0f} GiB, and the pod's memory limit {limit / _GIB:.0f}"
        alone = template.gpus == 1
        yield Finding(template.shm_spot, f"{says} GiB", level="hint" if alone else None)
