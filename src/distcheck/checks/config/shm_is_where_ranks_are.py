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
        mount it there: another one does, or none.
    Why:
        The ranks see the container runtime's 64 MiB, whatever the volume's size.
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
    Source:
        SHM001 and SHM003 see it on the live pod as a size of 64 MiB.
    """
    shm, engine = template.shm, template.engine
    if shm is None or engine is None or shm.elsewhere is None or engine.gpus < 2:
        return
    who = f"only {', '.join(shm.elsewhere)} mounts it" if shm.elsewhere else "none mounts it"
    volumes = [v for v in template.volumes.values() if v.text("name") in shm.source]
    spot = volumes[0].at("name").spot if volumes else engine.place.at("name").spot
    says = f"the volume for /dev/shm is not mounted in {engine.name}, which has the GPUs: {who}"
    yield Finding(spot, says, also=(engine.place.at("name").spot,))
