"""The kinds that the stand-in serves, as discovery tells them."""

from msgspec import Struct


class Kind(Struct, frozen=True):
    """One resource of one API group; `extension` is True for a custom resource."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    extension: bool = False

    @property
    def fields(self) -> frozenset[str]:
        """What a field selector may name: of all kinds only the name, and a few more for some."""
        return _NAMES | _FIELDS.get(self.kind, frozenset())

    @property
    def api_version(self) -> str:
        """`group/version`, or the bare version for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version


_NAMES = frozenset({"metadata.name", "metadata.namespace"})
_FIELDS = {
    "Pod": frozenset({
        "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
        "spec.hostNetwork", "status.phase", "status.podIP", "status.podIPs",
        "status.nominatedNodeName",
    }),
    "Event": frozenset({
        "involvedObject.kind", "involvedObject.namespace", "involvedObject.name",
        "involvedObject.uid", "involvedObject.apiVersion", "involvedObject.resourceVersion",
        "involvedObject.fieldPath", "reason", "reportingComponent", "source", "type",
    }),
    "Job": frozenset({"status.successful"}),
    "Node": frozenset({"spec.unschedulable"}),
    "ReplicaSet": frozenset({"status.replicas"}),
    "Namespace": frozenset({"status.phase"}),
    "Service": frozenset({"spec.clusterIP", "spec.type"}),
}  # fmt: skip
"""Field labels that the real server's conversion functions know (kubernetes pkg/apis)."""

KINDS = (
    Kind("", "v1", "namespaces", "Namespace", namespaced=False, short=("ns",)),
    Kind("", "v1", "nodes", "Node", namespaced=False, short=("no",)),
    Kind("", "v1", "pods", "Pod", short=("po",)),
    Kind("", "v1", "services", "Service", short=("svc",)),
    Kind("", "v1", "endpoints", "Endpoints", short=("ep",)),
    Kind("", "v1", "events", "Event", short=("ev",)),
    Kind("", "v1", "configmaps", "ConfigMap", short=("cm",)),
    Kind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", short=("pvc",)),
    Kind("apps", "v1", "statefulsets", "StatefulSet", short=("sts",)),
    Kind("apps", "v1", "deployments", "Deployment", short=("deploy",)),
    Kind("apps", "v1", "replicasets", "ReplicaSet", short=("rs",)),
    Kind("apps", "v1", "daemonsets", "DaemonSet", short=("ds",)),
    Kind("batch", "v1", "jobs", "Job"),
    Kind("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice"),
    Kind("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", short=("netpol",)),
    Kind("cilium.io", "v2", "ciliumnetworkpolicies", "CiliumNetworkPolicy", short=("cnp",),
         extension=True),
    Kind("crd.projectcalico.org", "v1", "globalnetworkpolicies", "GlobalNetworkPolicy",
         namespaced=False, extension=True),
    Kind("security.istio.io", "v1", "peerauthentications", "PeerAuthentication", extension=True),
    Kind("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview",
         namespaced=False),
    Kind("authorization.k8s.io", "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview",
         namespaced=False),
    Kind("leaderworkerset.x-k8s.io", "v1", "leaderworkersets", "LeaderWorkerSet",
         short=("lws",), extension=True),
    Kind("ray.io", "v1", "rayclusters", "RayCluster", extension=True),
    Kind("ray.io", "v1", "rayservices", "RayService", extension=True),
    Kind("ray.io", "v1", "rayjobs", "RayJob", extension=True),
    Kind("argoproj.io", "v1alpha1", "rollouts", "Rollout", short=("ro",), extension=True),
    Kind("kubeflow.org", "v2beta1", "mpijobs", "MPIJob", extension=True),
    Kind("apps.nvidia.com", "v1alpha1", "nimservices", "NIMService", extension=True),
)  # fmt: skip


def find_kind(group: str, version: str, plural: str) -> Kind | None:
    """The kind behind a path, or None."""
    wanted = (group, version, plural)
    return next((k for k in KINDS if (k.group, k.version, k.plural) == wanted), None)


def served(objects: tuple[dict[str, object], ...]) -> tuple[Kind, ...]:
    """The kinds to tell of: custom resources only where an object of their group is stored."""
    groups = {str(o.get("apiVersion", "")).rpartition("/")[0] for o in objects}
    return tuple(k for k in KINDS if not k.extension or k.group in groups)
