"""CONF050: annotations of networks where nothing reads them."""

from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

_NETWORKS = (
    "k8s.v1.cni.cncf.io/networks", "networking.gke.io/interfaces",
    "networking.gke.io/default-interface",
)  # fmt: skip
_PLAIN = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"})
_WITH_LWS = _PLAIN | {"LeaderWorkerSet"}


@rule("CONF050", level="warning", others=("hint",))
def networks_are_the_pods(template: Template) -> Iterator[Finding]:
    """Networks are asked for by the pods, not by what makes them.

    What:
        `k8s.v1.cni.cncf.io/networks`, or GKE's `networking.gke.io/interfaces`, stands in the
        metadata of a workload, and not in that of its pod template. Or Multus is asked for
        networks of pods with `hostNetwork: true`: a hint, a warning where a variable names the
        interface that they would bring (`net1`).
    Why:
        The network plugin reads the pod's own annotations, and no controller copies those of the
        workload: the pods get eth0 alone, without the interfaces that RDMA needs. No plugin is
        called for pods in the node's network: they have the node's interfaces, and no other.
    Fix:
        Move it to `spec.template.metadata.annotations`, and take `hostNetwork` out.
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
        Multus docs/how-to-use.md; k8snetworkplumbingwg/multus-cni#444 and #348. Kubernetes: the
        container runtime calls no CNI plugin for a pod with hostNetwork (KEP of the CRI).
    """
    own_networks = template.place.at("metadata", "annotations", _MULTUS)
    if template.host_network and own_networks.text().strip() not in ("", "[]"):
        yield _without_effect(template, own_networks)
    if template.kind not in _WITH_LWS:
        return
    own = dict(template.place.fields("metadata", "annotations"))
    for name, place in template.owner_place.fields("metadata", "annotations"):
        if name in _NETWORKS and not own.keys() & set(_NETWORKS):
            says = f"{name} is {template.kind} {template.owner}'s, and its pods have none"
            fix = f"Move it to the pod template: {_where(template)}."
            yield Finding(place.key, says, fix)
            return


def _without_effect(template: Template, networks: Place) -> Finding:
    """Multus is not called for a pod of the node's network."""
    says = f"{template.what} has hostNetwork: {_MULTUS} gives its pods no interface"
    fix = "Take `hostNetwork` out, or the annotation."
    also = (template.spec.at("hostNetwork").spot,)
    named = (
        v
        for c in template.containers
        for v in c.named("NCCL_", "GLOO_", "UCX_", "NVSHMEM_", "MPI")
        if _NET1.search(v.value or "")
    )
    if wanted := next(named, None):
        return Finding(networks.key, f"{says}, and {wanted.name}={wanted.value}", fix, also=also)
    return Finding(networks.key, says, fix, level="hint", also=also)


_MULTUS = "k8s.v1.cni.cncf.io/networks"
_NET1 = pattern(r"(?:^|[=,])net\d+(?:$|,)")
"""As Multus calls the interfaces that it adds."""


def _where(template: Template) -> str:
    steps = (str(s) for s in (*template.place.path, "metadata", "annotations"))
    return f"`{'.'.join(steps)}`"
