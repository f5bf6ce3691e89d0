"""CONF090: one ReadWriteOnce claim for pods on several nodes."""

from collections.abc import Iterator

from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.rule import rule


@rule("CONF090", level="error")
def claim_fits_nodes(bundle: Bundle) -> Iterator[Finding]:
    """A claim that pods on several nodes mount can be mounted on several nodes.

    What:
        Pods of one group mount the same PersistentVolumeClaim, whose access mode is
        ReadWriteOnce or ReadWriteOncePod, and need more GPUs than one node has.
    Why:
        The volume can be attached to one node: the pods on the others stay in
        ContainerCreating (Multi-Attach error).
    Fix:
        Use ReadOnlyMany or ReadWriteMany with a storage class that has them, or a claim for each
        pod (`volumeClaimTemplates`).
    Fails:
        apiVersion: v1
        kind: PersistentVolumeClaim
        metadata: {name: models}
        spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 2Ti}}}
        ---
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
                volumes: [{name: models, persistentVolumeClaim: {claimName: models}}]
    Passes:
        apiVersion: v1
        kind: PersistentVolumeClaim
        metadata: {name: models}
        spec: {accessModes: [ReadWriteMany], resources: {requests: {storage: 2Ti}}}
        ---
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
                volumes:
                - {name: models, persistentVolumeClaim: {claimName: models}}
                - {name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}
    Source:
        Kubernetes: Persistent Volumes, access modes.
    """
    claims = {(t.namespace, t.name): t.place for t in bundle.of_kind("PersistentVolumeClaim")}
    for group in bundle.groups:
        for name, volume in _shared(group):
            claim = claims.get((group.leader.template.namespace, name))
            if claim is None:
                continue
            modes = [m.text() for m in claim.each("spec", "accessModes")]
            if modes and all(m in ("ReadWriteOnce", "ReadWriteOncePod") for m in modes):
                pods = f"{group.pods} pods" if group.pods else "the pods"
                says = f"{pods} of {group.name} mount claim {name}, which is {modes[0]}"
                one = _may_share_a_node(group)
                yield Finding(
                    volume.at("persistentVolumeClaim", "claimName").spot, says,
                    also=(claim.at("spec", "accessModes").spot,),
                    unseen="whether one node has the GPUs of all its pods" if one else "",
                )  # fmt: skip


def _shared(group: Group) -> Iterator[tuple[str, Place]]:
    """Claims that more than one pod of the group mounts."""
    counts: dict[str, int] = {}
    places: dict[str, Place] = {}
    for member in group.members:
        for volume in member.template.spec.each("volumes"):
            if name := volume.text("persistentVolumeClaim", "claimName"):
                counts[name] = counts.get(name, 0) + (2 if member.pods is None else member.pods)
                places.setdefault(name, volume)
    yield from ((n, places[n]) for n, count in counts.items() if count > 1)


def _may_share_a_node(group: Group) -> bool:
    """Whether all pods with GPUs may be on one node of 8 (or, MNNVL aside, 16) GPUs."""
    return (group.gpus or 0) <= 8
