"""CONF095: pods that must share a node which has no room for them."""

from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group, Member
from distcheck.checks.manifest.place import Spot
from distcheck.checks.manifest.placement import HOST, REQUIRED, selects
from distcheck.checks.manifest.rule import rule

_USUAL, _MOST = 8, 16


@rule("CONF095", level="error")
def pods_find_room_apart(group: Group) -> Iterator[Finding]:
    """Pods of a group that need a node each are not forced onto one.

    What:
        Pods of the group, which together need more than 16 GPUs, must be on one node: by a
        required pod affinity with topology key kubernetes.io/hostname, by that key as exclusive
        topology of a LeaderWorkerSet, or by a node's name. With 9 to 16 GPUs it is a hint.

    Why:
        No node has as many: the second pod stays Pending.

    Fix:
        Use a topology key that spans nodes (a rack, a block), or preferred affinity.

    Fails:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: vllm}
        spec:
          leaderWorkerTemplate:
            size: 4
            workerTemplate:
              metadata: {labels: {app: vllm}}
              spec:
                affinity:
                  podAffinity:
                    requiredDuringSchedulingIgnoredDuringExecution:
                    - labelSelector: {matchLabels: {app: vllm}}
                      topologyKey: kubernetes.io/hostname
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  resources: {limits: {nvidia.com/gpu: 8}}

    Passes:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: vllm}
        spec:
          leaderWorkerTemplate:
            size: 4
            workerTemplate:
              metadata: {labels: {app: vllm}}
              spec:
                affinity:
                  podAntiAffinity:
                    requiredDuringSchedulingIgnoredDuringExecution:
                    - labelSelector: {matchLabels: {app: vllm}}
                      topologyKey: kubernetes.io/hostname
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  resources: {limits: {nvidia.com/gpu: 8, memory: 900Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 32Gi}}]

    Unsure:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: vllm}
        spec:
          leaderWorkerTemplate:
            size: 2
            workerTemplate:
              metadata: {labels: {app: vllm}}
              spec:
                affinity:
                  podAffinity:
                    requiredDuringSchedulingIgnoredDuringExecution:
                    - labelSelector: {matchLabels: {app: vllm}}
                      topologyKey: kubernetes.io/hostname
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  resources: {limits: {nvidia.com/gpu: 8}}

    Source:
        Kubernetes: Assigning Pods to Nodes, inter-pod affinity; lws exclusive placement.
    """
    for member in group.members if (group.gpus or 0) > _USUAL else ():
        for spot, chosen, fix in _together(group, member):
            gpus = sum(m.template.gpus * (m.pods or 1) for m in chosen)
            pods = sum(m.pods or 1 for m in chosen if m.template.gpus)
            if pods > 1 and gpus > _USUAL:
                says = f"pods with {gpus} GPUs in all must be on one node"
                few = f"whether a node has {gpus} GPUs" if gpus <= _MOST else ""
                yield Finding(spot, says, fix, unseen=few)


def _together(group: Group, member: Member) -> Iterator[tuple[Spot, list[Member], str]]:
    """What forces pods onto one node, which, and what to do about it.

    Pod affinity, a node's name, lws's topology.
    """
    spec = member.template.spec
    for term in spec.each("affinity", "podAffinity", REQUIRED):
        if term.text("topologyKey") == HOST:
            near = [m for m in group.members if m.template.namespace == member.template.namespace]
            chosen = [m for m in near if selects(term, m.template)]
            yield term.at("topologyKey").spot, chosen, ""
    for place in (spec.at("nodeSelector", HOST), spec.at("nodeName")):
        if place.text():
            yield (
                place.spot,
                [member],
                "Choose nodes by a label that several have, or leave it out.",
            )
    alone = member.template.owner_place.at("metadata", "annotations", _EXCLUSIVE)
    if alone.value == HOST and member is group.leader:
        yield alone.spot, list(group.members), "Write a label that spans nodes: a rack or a block."


_EXCLUSIVE = "leaderworkerset.sigs.k8s.io/exclusive-topology"
