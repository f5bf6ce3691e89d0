"""CONF089: a volumeMount that names no volume of its pod."""

from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.stand_in import filled_later
from distcheck.checks.manifest.template import Template


@rule("CONF089", level="error")
def mounts_have_volumes(template: Template) -> Iterator[Finding]:
    """Each volumeMount names a volume of its pod.

    What:
        A container mounts a volume by a name that neither `volumes` of the pod nor
        `volumeClaimTemplates` of its StatefulSet or LeaderWorkerSet has.

    Why:
        The API server refuses the pods: "volumeMounts[0].name: Not found". Of custom resources it
        takes the object, and no pod is made.

    Fix:
        Add the volume, or correct the name.

    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m]
            volumeMounts: [{name: shm, mountPath: /dev/shm}]
          volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]

    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m]
            volumeMounts: [{name: dshm, mountPath: /dev/shm}]
          volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]

    Unsure:
        apiVersion: ray.io/v1
        kind: RayCluster
        metadata: {name: vllm}
        spec:
          headGroupSpec:
            template:
              spec:
                containers:
                - name: ray
                  image: rayproject/ray:2.46.0
                  resources: {limits: {nvidia.com/gpu: 8}}
                  volumeMounts: [{name: ray-logs, mountPath: /tmp/ray}]

    Source:
        Kubernetes pkg/apis/core/validation (ValidateVolumeMounts); lws volumeClaimTemplates.
    """
    own = {p.text("name") for p in template.spec.each("volumes")} | template.claims.keys()
    if template.by_nim or (template.fragment and not own):
        return
    for container in template.every:
        for mount in container.place.each("volumeMounts"):
            name = mount.at("name")
            if name.text() and name.text() not in own:
                made = "the volumes that KubeRay adds" if template.kind.startswith("Ray") else ""
                says = (
                    f"{container.name} mounts {name.text()}, and the pod has no volume of that name"
                )
                yield Finding(name.spot, says, unseen=made or filled_later(name.value))
