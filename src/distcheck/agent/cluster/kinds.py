"""The kinds that a TARGET may name, those that own pods, and where the API keeps them."""

from msgspec import Struct


class Kind(Struct, frozen=True):
    """One kind: its short name in a TARGET and its path in the API."""

    kind: str
    short: str
    api: str
    plural: str

    def path(self, namespace: str, name: str = "") -> str:
        """The path of one object, or of all in the namespace."""
        where = f"{self.api}/namespaces/{namespace}/{self.plural}"
        return f"{where}/{name}" if name else where


POD = Kind("Pod", "pod", "/api/v1", "pods")
SERVICE = Kind("Service", "service", "/api/v1", "services")
CONFIGMAP = Kind("ConfigMap", "configmap", "/api/v1", "configmaps")
PVC = Kind("PersistentVolumeClaim", "pvc", "/api/v1", "persistentvolumeclaims")
EVENT = Kind("Event", "event", "/api/v1", "events")
STATEFULSET = Kind("StatefulSet", "sts", "/apis/apps/v1", "statefulsets")
DEPLOYMENT = Kind("Deployment", "deploy", "/apis/apps/v1", "deployments")
JOB = Kind("Job", "job", "/apis/batch/v1", "jobs")
LWS = Kind("LeaderWorkerSet", "lws", "/apis/leaderworkerset.x-k8s.io/v1", "leaderworkersets")
RAYCLUSTER = Kind("RayCluster", "raycluster", "/apis/ray.io/v1", "rayclusters")
RAYSERVICE = Kind("RayService", "rayservice", "/apis/ray.io/v1", "rayservices")
RAYJOB = Kind("RayJob", "rayjob", "/apis/ray.io/v1", "rayjobs")
MPIJOB = Kind("MPIJob", "mpijob", "/apis/kubeflow.org/v2beta1", "mpijobs")
NIMSERVICE = Kind("NIMService", "nimservice", "/apis/apps.nvidia.com/v1alpha1", "nimservices")
ROLLOUT = Kind("Rollout", "rollout", "/apis/argoproj.io/v1alpha1", "rollouts")
"""Argo's; no TARGET: what it wrote is read, and its pods are found as those of a ReplicaSet."""

WORKLOADS = (STATEFULSET, DEPLOYMENT, LWS, RAYCLUSTER, RAYSERVICE, NIMSERVICE)
"""Those that a bare NAME is tried as; jobs only where they are named as such."""

_ALL = (POD, SERVICE, *WORKLOADS, JOB, RAYJOB, MPIJOB)
_ALIASES = {"po": POD, "svc": SERVICE}


def named_kind(word: str) -> Kind | None:
    """The kind that `sts`, `statefulset`, `statefulsets` or `StatefulSet` mean."""
    word = word.lower()
    names = {w: k for k in _ALL for w in (k.short, k.plural, k.kind.lower())}
    return (_ALIASES | names).get(word)


def short_of(kind: str) -> str:
    """`sts` for `StatefulSet`; the kind itself, in small letters, where it is not known."""
    return next((k.short for k in _ALL if k.kind == kind), kind.lower())
