"""NetworkPolicies of a namespace, and whether other engines' policies are there too."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from distcheck.agent import clock
from distcheck.agent.cluster.api import Api, Object
from distcheck.agent.cluster.errors import ClusterError, NotFound
from distcheck.checks.evidence import Missing
from distcheck.checks.evidence.policy import NamespaceLabels, NetworkPolicies, PolicyPod

_PATH = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"
_MOST = 500
_FEW = "50"


class _Engine(Struct, frozen=True):
    """A resource of policies that are not evaluated here; `mesh`: it is for meshed pods alone."""

    group: str
    plural: str
    namespaced: bool = True
    mesh: bool = False


_ENGINES = (
    _Engine("cilium.io", "ciliumnetworkpolicies"),
    _Engine("cilium.io", "ciliumclusterwidenetworkpolicies", namespaced=False),
    _Engine("crd.projectcalico.org", "networkpolicies"),
    _Engine("crd.projectcalico.org", "globalnetworkpolicies", namespaced=False),
    _Engine("crd.antrea.io", "networkpolicies"),
    _Engine("crd.antrea.io", "clusternetworkpolicies", namespaced=False),
    _Engine("policy.networking.k8s.io", "adminnetworkpolicies", namespaced=False),
    _Engine("policy.networking.k8s.io", "baselineadminnetworkpolicies", namespaced=False),
    _Engine("policy.networking.k8s.io", "clusternetworkpolicies", namespaced=False),
    _Engine("security.istio.io", "peerauthentications", mesh=True),
    _Engine("security.istio.io", "authorizationpolicies", mesh=True),
)


class _Others(Struct, frozen=True):
    named: tuple[str, ...] = ()
    unasked: tuple[str, ...] = ()


def look_policies(api: Api, namespace: str, pods: Sequence[PolicyPod]) -> NetworkPolicies | Missing:
    """What is to be seen of policies for `pods`, all of one namespace. Never raises.

    A list that may not be read is named in `unasked`; the NetworkPolicies themselves are
    Missing then.
    """
    path = _PATH.format(namespace)
    try:
        listed = api.items(path)
    except ClusterError as error:
        return Missing(f"NetworkPolicies could not be listed: {error}")
    others = _others(api, namespace, meshed=any(p.mesh for p in pods))
    specs = {_name(o): _spec(o) for o in listed[:_MOST]}
    more = (f"of {len(listed)} NetworkPolicies only {_MOST} were kept",) * (len(listed) > _MOST)
    return NetworkPolicies(
        specs,
        f"GET {path}",
        tuple(pods),
        _labels(api, namespace, specs),
        others.named,
        (*others.unasked, *more),
        clock.now(),
    )


def _spec(policy: Object) -> Object:
    found = policy.get("spec")
    return found if isinstance(found, dict) else {}


def _labels(
    api: Api, namespace: str, specs: dict[str, Object]
) -> tuple[NamespaceLabels, ...] | Missing:
    """The labels of the namespace, where a policy asks for any."""
    if not any(_has(spec, "namespaceSelector") for spec in specs.values()):
        return Missing("its labels were not asked for")
    try:
        found = api.get(f"/api/v1/namespaces/{namespace}")
    except ClusterError as error:
        return Missing(f"its labels could not be read: {error}")
    labels = (found.get("metadata") or {}).get("labels") or {}
    return (NamespaceLabels(namespace, {str(k): str(v) for k, v in labels.items()}),)


def _has(value: object, key: str, depth: int = 8) -> bool:
    if isinstance(value, dict):
        return key in value or any(_has(v, key, depth - 1) for v in value.values() if depth)
    return isinstance(value, list) and any(_has(v, key, depth - 1) for v in value if depth)


def _others(api: Api, namespace: str, *, meshed: bool) -> _Others:
    """By the API groups that are there: one that is absent has no policies."""
    try:
        groups = api.get("/apis").get("groups") or ()
    except ClusterError as error:
        return _Others((), (f"which policy engines there are could not be read: {error}",))
    versions = {str(g.get("name")): _version(g) for g in groups if isinstance(g, dict)}
    named: list[str] = []
    unasked: list[str] = []
    for engine in _ENGINES:
        if engine.group in versions and (meshed or not engine.mesh):
            path = _of(engine, versions[engine.group], namespace)
            try:
                named += _names(api, engine, path)
            except NotFound:
                continue
            except ClusterError as error:
                unasked.append(f"{engine.plural}.{engine.group} could not be listed: {error}")
    return _Others(tuple(named), tuple(unasked))


def _version(group: Object) -> str:
    return str((group.get("preferredVersion") or {}).get("version") or "v1")


def _of(engine: _Engine, version: str, namespace: str) -> str:
    where = f"namespaces/{namespace}/" if engine.namespaced else ""
    return f"/apis/{engine.group}/{version}/{where}{engine.plural}"


def _names(api: Api, engine: _Engine, path: str) -> Iterator[str]:
    page = api.get(path, [("limit", _FEW)])
    return (f"{engine.plural}.{engine.group}/{_name(o)}" for o in page.get("items") or ())


def _name(one: Object) -> str:
    return str((one.get("metadata") or {}).get("name") or "")
