"""CONF050: annotations of networks on the workload, where only pods have any."""

from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template

_NETWORKS = (
    "k8s.v1.cni.cncf.io/networks", "networking.gke.io/interfaces",
    "networking.gke.io/default-interface",
)  # fmt: skip
_PLAIN = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"})
_WITH_LWS = _PLAIN | {"LeaderWorkerSet"}


@rule("CONF050", level="warning")
def networks_are_the_pods(template: Template) -> Iterator[Finding]:
    """Networks are asked for by the pods, not by what makes them.

    What:
        `k8s.v1.cni.cncf.io/networks`, or GKE's `networking.gke.io/interfaces`, stands in the
        metadata of a workload, and not in that of its pod template.
    Why:
        The network plugin reads the pod's own annotations, and no controller copies those of the
        workload: the pods get eth0 alone, without the interfaces that RDMA needs.
    Fix:
        Move it to `spec.template.metadata.annotations`.
    Fails:
        apiVersion: apps/v1
        kind: StatefulSet
        metadata:
          name: sglang
          annotations: {k8s.v1.cni.cncf.io/networks: "ib-a, ib-b"}
        spec:
          serviceName: sglang
          selector: {matchLabels: {app: sglang}}
          template:
            metadata: {labels: {app: sglang}}
            spec:
              containers:
              - name: sglang
                image: lmsysorg/sglang:v0.5.3
                resources: {limits: {nvidia.com/gpu: 8, nvidia.com/ib: 2}}
    Passes:
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: sglang}
        spec:
          serviceName: sglang
          selector: {matchLabels: {app: sglang}}
          template:
            metadata:
              labels: {app: sglang}
              annotations: {k8s.v1.cni.cncf.io/networks: "ib-a, ib-b"}
            spec:
              containers:
              - name: sglang
                image: lmsysorg/sglang:v0.5.3
                resources: {limits: {nvidia.com/gpu: 8, nvidia.com/ib: 2, memory: 400Gi}}
                volumeMounts: [{name: dshm, mountPath: /dev/shm}]
              volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]
    Certain:
        Both places are in the object; what a webhook adds to the pods it adds to any.
    Source:
        Multus docs/how-to-use.md; k8snetworkplumbingwg/multus-cni#444 and #348.
    """
    if template.kind not in _WITH_LWS:
        return
    own = dict(template.place.fields("metadata", "annotations"))
    for name, place in template.owner_place.fields("metadata", "annotations"):
        if name in _NETWORKS and not own.keys() & set(_NETWORKS):
            says = f"{name} is {template.kind} {template.owner}'s, and its pods have none"
            fix = f"Move it to the pod template: {_where(template)}."
            yield Finding(place.key, says, fix)
            return


def _where(template: Template) -> str:
    steps = (str(s) for s in (*template.place.path, "metadata", "annotations"))
    return f"`{'.'.join(steps)}`"
