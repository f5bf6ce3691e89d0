"""CONF065: a volume at /dev/shm that is no memory."""

from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

_MEMORY = ("Memory", "HugePages")
_KNOWN = pattern(r"Memory|HugePages(?:-\w+)?|[^\w]*[${<].*")


@rule("CONF065", level="warning", others=("error",))
def shm_is_memory(template: Template) -> Iterator[Finding]:
    """The volume at /dev/shm is memory.

    What:
        The container with the ranks mounts an emptyDir without `medium: Memory`, or a claim, at
        /dev/shm. An error where the medium is none that there is, such as `memory`.

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
        Kubernetes: Volumes, emptyDir. SHM003 sees the file system of the live pod.
    """
    engine = template.engine
    mount = engine.mount_of("/dev/shm") if engine and engine.gpus else None
    if engine and mount and (claim := template.claims.get(mount.text("name"))):
        spot = claim.at("metadata", "name").spot
        yield Finding(spot, f"/dev/shm of {engine.name} is a claim's disk")
    volume = template.volumes.get(mount.text("name")) if mount else None
    if volume is None or engine is None:
        return
    disk = volume.at("emptyDir")
    if disk.text("medium") and not _KNOWN.fullmatch(disk.text("medium")):
        says = f"there is no medium {disk.text('medium')}: the kubelet never starts the pod"
        yield Finding(disk.at("medium").spot, says, "Write `medium: Memory`.", level="error")
    elif disk.value is not None and not disk.text("medium").startswith(_MEMORY):
        spot = disk.key
        limit = str(disk.at("sizeLimit").value or "8Gi")
        fix = f"Set `emptyDir: {{medium: Memory, sizeLimit: {limit}}}`."
        yield Finding(spot, f"/dev/shm of {engine.name} is a folder on the node's disk", fix)
    elif volume.at("persistentVolumeClaim"):
        yield Finding(volume.at("name").spot, f"/dev/shm of {engine.name} is a claim's disk")
