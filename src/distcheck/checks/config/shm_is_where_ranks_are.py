"""CONF064: the volume for /dev/shm is not mounted where the ranks are."""

from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template


@rule("CONF064", level="error")
def shm_is_where_ranks_are(template: Template) -> Iterator[Finding]:
    """The volume that is meant for /dev/shm is mounted in the container of the ranks.

    What:
        The pod has a volume in memory for /dev/shm, and the container with the GPUs does not
        mount it there: another one does, or none; or it mounts it `readOnly`.
    Why:
        The ranks see the container runtime's 64 MiB, whatever the volume's size; where they
        cannot write, NCCL and the engine end when they make their segments.
    Fix:
        Mount it at /dev/shm in the container that has the GPUs.
    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: proxy
            image: envoyproxy/envoy:v1.31
            volumeMounts: [{name: dshm, mountPath: /dev/shm}]
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            resources: {limits: {nvidia.com/gpu: 8}}
          volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]
    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: proxy
            image: envoyproxy/envoy:v1.31
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
          volumes: [{name: cache, emptyDir: {medium: Memory}}]
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            resources: {limits: {nvidia.com/gpu: 8}}
    Source:
        containerd internal/cri/server/podsandbox (defaultShmSize). SHM001 and SHM003 see it on
        the live pod as a size of 64 MiB.
    """
    for container in template.containers:
        mount = container.mount_of("/dev/shm") if container.gpus else None
        if mount is not None and mount.at("readOnly").value is True:
            says = f"container {container.name} cannot write to /dev/shm: its mount is read-only"
            yield Finding(mount.at("readOnly").spot, says, "Take out `readOnly`.")
    shm, engine = template.shm, template.engine
    if shm is None or engine is None or shm.elsewhere is None or engine.gpus < 2:
        return
    first = [c for c in template.inits if c.mount_of("/dev/shm")]
    unseen = "whether it is meant for what runs before alone" if any(c.gpus for c in first) else ""
    others = " and ".join([*shm.elsewhere, *(c.name for c in first)])
    who = f"only {others} mount{'s' * (' and ' not in others)} it" if others else "none mounts it"
    volumes = [v for v in template.volumes.values() if v.text("name") in shm.source]
    spot = volumes[0].at("name").spot if volumes else engine.place.at("name").spot
    says = f"the volume for /dev/shm is not mounted in {engine.name}, which has the GPUs: {who}"
    name = volumes[0].text("name") if volumes else "NAME"
    fix = f"Add `volumeMounts: [{{name: {name}, mountPath: /dev/shm}}]` to container {engine.name}."
    yield Finding(spot, says, fix, unseen=unseen, also=(engine.place.at("name").spot,))
