"""CONF050: annotations of networks where nothing reads them."""

from collections.abc import Iterator

from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.pod_networks import MULTUS, networks_of
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
def networks_are_the_pods(bundle: Bundle) -> Iterator[Finding]:
    """Networks are asked for by the pods, not by what makes them, with the devices they need.

    What:
        `k8s.v1.cni.cncf.io/networks`, or GKE's `networking.gke.io/interfaces`, stands in the
        metadata of a workload, and not in that of its pod template. Or Multus is asked for
        networks of pods with `hostNetwork: true`: a hint, a warning where a variable names the
        interface that they would bring (`net1`). Or a NetworkAttachmentDefinition of host-device,
        sriov or ib-sriov names neither a device nor the annotation `resourceName`; a hint where no
        container requests that resource.
    Why:
        The network plugin reads the pod's own annotations, and no controller copies those of the
        workload: the pods get eth0 alone, without the interfaces that RDMA needs. No plugin is
        called for pods in the node's network: they have the node's interfaces, and no other.
        Multus tells a plugin which device the kubelet gave the pod by `resourceName`.
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
        container runtime calls no CNI plugin for a pod with hostNetwork. host-device and sriov-cni
        README; network-attachment-definition-client pkg/types; Mellanox/network-operator#1382.
    """
    for template in bundle.templates:
        if template.serves:
            yield from _of_the_owner(template)
            yield from _without_device(bundle, template)
            networks = template.place.at("metadata", "annotations", MULTUS)
            if template.host_network and networks.text().strip() not in ("", "[]"):
                yield _without_effect(template, networks)


def _of_the_owner(template: Template) -> Iterator[Finding]:
    if template.kind not in _WITH_LWS:
        return
    own = dict(template.place.fields("metadata", "annotations"))
    for name, place in template.owner_place.fields("metadata", "annotations"):
        if name in _NETWORKS and not own.keys() & set(_NETWORKS):
            says = f"{name} is {template.kind} {template.owner}'s, and its pods have none"
            fix = f"Move it to the pod template: {_where(template)}."
            yield Finding(place.key, says, fix)
            return


def _without_device(bundle: Bundle, template: Template) -> Iterator[Finding]:
    """Networks of plugins that move a device into the pod, and are not told which."""
    has = {n for c in template.every for n in (*c.limits, *c.requests)}
    networks = template.place.at("metadata", "annotations", MULTUS)
    for network in networks_of(bundle, template):
        spot = network.place.at("metadata", "name").spot
        if not network.resource:
            says = f"network {network.name}: nothing tells {network.plugin} which device to take"
            fix = "Add the annotation `k8s.v1.cni.cncf.io/resourceName`, and request the resource."
            yield Finding(spot, says, fix, also=(networks.key,))
        elif network.resource not in has and not template.spec.at("resourceClaims"):
            says = f"network {network.name} needs {network.resource}, which {template.what} does"
            unseen = "whether a webhook of the network operator requests it"
            yield Finding(networks.key, f"{says} not request", unseen=unseen, also=(spot,))


def _without_effect(template: Template, networks: Place) -> Finding:
    """Multus is not called for a pod of the node's network."""
    says = f"{template.what} has hostNetwork: {MULTUS} gives its pods no interface"
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


_NET1 = pattern(r"(?:^|[=,])net\d+(?:$|,)")
"""As Multus calls the interfaces that it adds."""


def _where(template: Template) -> str:
    steps = (str(s) for s in (*template.place.path, "metadata", "annotations"))
    return f"`{'.'.join(steps)}`"
