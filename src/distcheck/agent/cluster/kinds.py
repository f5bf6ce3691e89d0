"""The kinds that a TARGET may name, and where the API keeps them."""

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
STATEFULSET = Kind("StatefulSet", "sts", "/apis/apps/v1", "statefulsets")
DEPLOYMENT = Kind("Deployment", "deploy", "/apis/apps/v1", "deployments")
LWS = Kind("LeaderWorkerSet", "lws", "/apis/leaderworkerset.x-k8s.io/v1", "leaderworkersets")
RAYCLUSTER = Kind("RayCluster", "raycluster", "/apis/ray.io/v1", "rayclusters")
RAYSERVICE = Kind("RayService", "rayservice", "/apis/ray.io/v1", "rayservices")
NIMSERVICE = Kind("NIMService", "nimservice", "/apis/apps.nvidia.com/v1alpha1", "nimservices")

WORKLOADS = (STATEFULSET, DEPLOYMENT, LWS, RAYCLUSTER, RAYSERVICE, NIMSERVICE)
_ALL = (POD, SERVICE, *WORKLOADS)
_ALIASES = {"po": POD, "svc": SERVICE}


def named_kind(word: str) -> Kind | None:
    """The kind that `sts`, `statefulset`, `statefulsets` or `StatefulSet` mean."""
    word = word.lower()
    names = {w: k for k in _ALL for w in (k.short, k.plural, k.kind.lower())}
    return (_ALIASES | names).get(word)
