"""CONF062: a /dev/shm without a bound of its own or of the pod."""

from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template


@rule("CONF062", level="hint")
def shm_is_bounded(template: Template) -> Iterator[Finding]:
    """A /dev/shm in memory is bounded, by itself or by the pod's memory limit.

    What:
        The emptyDir at /dev/shm has medium Memory and no `sizeLimit`, and a container of the pod
        has no memory limit.
    Why:
        It may grow to all memory of the node that pods may use, and takes others' pods with it.
    Fix:
        Give it a `sizeLimit`, or give every container a memory limit.
    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            resources: {limits: {nvidia.com/gpu: 8}}
            volumeMounts: [{name: dshm, mountPath: /dev/shm}]
          volumes: [{name: dshm, emptyDir: {medium: Memory}}]
    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            resources: {limits: {nvidia.com/gpu: 8}}
            volumeMounts: [{name: dshm, mountPath: /dev/shm}]
          volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]
    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          volumes: [{name: dshm, hostPath: {path: /mnt/shm}}]
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            resources: {limits: {nvidia.com/gpu: 8}}
            volumeMounts: [{name: dshm, mountPath: /dev/shm}]
    Source:
        Kubernetes pkg/volume/emptydir (calculateEmptyDirMemorySize).
    """
    shm = template.shm
    if shm is None or shm.medium != "memory" or shm.size_bytes or template.memory_limit:
        return
    if shm.elsewhere is None:
        says = f"/dev/shm of {template.what} may take all memory of its node"
        fix = "Set `storage.sharedMemorySizeLimit`, or a memory limit." if template.by_nim else ""
        yield Finding(template.shm_spot, f"{says}: no sizeLimit, no memory limit", fix)
