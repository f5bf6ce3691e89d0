"""CONF095: pods that must share a node which has no room for them."""

from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template

_HOST = "kubernetes.io/hostname"
_MOST = 16


@rule("CONF095", level="error")
def pods_find_room_apart(group: Group) -> Iterator[Finding]:
    """Pods of a group that need a node each are not forced onto one.

    What:
        A required pod affinity with topology key kubernetes.io/hostname selects the group's own
        pods, which together need more than 16 GPUs.

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

    Source:
        Kubernetes: Assigning Pods to Nodes, inter-pod affinity.
    """
    if (group.gpus or 0) <= _MOST:
        return
    for member in group.members:
        affinity = member.template.spec.at("affinity", "podAffinity")
        for term in affinity.each("requiredDuringSchedulingIgnoredDuringExecution"):
            chosen = [m for m in group.members if _selects(term, m.template)]
            gpus = sum(m.template.gpus * (m.pods or 1) for m in chosen)
            if term.text("topologyKey") == _HOST and gpus > _MOST:
                says = f"pods with {gpus} GPUs in all must be on one node"
                yield Finding(term.at("topologyKey").spot, says)


def _selects(term: Place, template: Template) -> bool:
    labels = dict(term.at("labelSelector").fields("matchLabels"))
    plain = not term.at("labelSelector", "matchExpressions") and bool(labels)
    return plain and all(template.labels.get(k) == p.value for k, p in labels.items())
