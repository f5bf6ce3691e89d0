"""CONF065: a volume at /dev/shm that is no memory."""

from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template

_MEMORY = ("Memory", "HugePages")


@rule("CONF065", level="warning")
def shm_is_memory(template: Template) -> Iterator[Finding]:
    """The volume at /dev/shm is memory.

    What:
        The container with the ranks mounts an emptyDir without `medium: Memory`, or a claim, at
        /dev/shm.

    Why:
        That is a disk: what ranks exchange goes through its page cache and is written back, and
        the pod is evicted when the node's disk fills. It may work, slowly.

    Fix:
        Set `emptyDir: {medium: Memory, sizeLimit: 8Gi}`.

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
          volumes: [{name: dshm, emptyDir: {}}]

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

    Source:
        Kubernetes: Volumes, emptyDir. SHM003 sees the file system of the live pod.
    """
    engine = template.engine
    mount = engine.mount_of("/dev/shm") if engine and engine.gpus else None
    volume = template.volumes.get(mount.text("name")) if mount else None
    if volume is None or engine is None:
        return
    disk = volume.at("emptyDir")
    if disk.value is not None and not disk.text("medium").startswith(_MEMORY):
        spot = disk.key
        yield Finding(spot, f"/dev/shm of {engine.name} is a folder on the node's disk")
    elif volume.at("persistentVolumeClaim"):
        yield Finding(volume.at("name").spot, f"/dev/shm of {engine.name} is a claim's disk")
