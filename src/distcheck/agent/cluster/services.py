"""The Services that names of the group may mean, and the addresses behind each."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from distcheck.agent import clock
from distcheck.agent.cluster.api import Api, Object
from distcheck.agent.cluster.errors import ClusterError
from distcheck.agent.cluster.kinds import SERVICE
from distcheck.checks.evidence import Missing
from distcheck.checks.evidence.policy import NameWanted, PolicyPod, Services, ServiceSeen
from distcheck.checks.knowledge.cluster_names import meanings

_SLICES = "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices"
_OF = "kubernetes.io/service-name"
_MOST, _MOST_ENDPOINTS = 8, 1000
Slices = Mapping[str, Sequence[Object]]


def look_services(
    api: Api, namespace: str, listed: Sequence[Object] | Missing, wanted: Sequence[NameWanted],
    leader: PolicyPod | None,
) -> Services | Missing:  # fmt: skip
    """Those of the Services of `namespace` that `wanted` may mean, or that select `leader`.

    Never raises; one request, for their endpoints. A few at most: each name means two at most.
    """
    if not wanted:
        return Missing("the specs of the group's pods name no other pod to join")
    if isinstance(listed, Missing):
        return listed
    read = (m for w in wanted for m in meanings(w.name, namespace))
    named = {m.service for m in read if m.namespace == namespace}
    chosen = [s for s in listed if _name(s) in named]
    chosen += [s for s in listed if leader and _selects(s, leader) and s not in chosen]
    slices, unasked = _slices(api, namespace, [_name(s) for s in chosen[:_MOST]])
    unasked += tuple(f"Service {_name(s)} has no EndpointSlice" for s in chosen if _bare(s, slices))
    return Services(
        tuple(_seen(s, namespace, slices.get(_name(s), ())) for s in chosen[:_MOST]),
        f"GET {SERVICE.path(namespace)}",
        clock.now(),
        tuple(wanted),
        unasked + (f"of {len(chosen)} Services only {_MOST} were read",) * (len(chosen) > _MOST),
    )


def _bare(service: Object, slices: Slices) -> bool:
    """Whether nothing tells its endpoints: of none at all the controller makes an empty slice."""
    return _name(service) not in slices and not (service.get("spec") or {}).get("externalName")


def _slices(api: Api, namespace: str, names: Iterable[str]) -> tuple[Slices, tuple[str, ...]]:
    """The endpoints of each Service by its name, and why they are not known."""
    found: dict[str, list[Object]] = {}
    selector = f"{_OF} in ({','.join(names)})"
    if selector.endswith("()"):
        return found, ()
    try:
        every = api.items(_SLICES.format(namespace), [("labelSelector", selector)])
    except ClusterError as error:
        return found, (f"EndpointSlices could not be listed: {error}",)
    for one in every:
        of = str(((one.get("metadata") or {}).get("labels") or {}).get(_OF))
        found.setdefault(of, []).extend(one.get("endpoints") or ())
    return found, ()


def _seen(service: Object, namespace: str, endpoints: Sequence[Object]) -> ServiceSeen:
    spec = service.get("spec") or {}
    ips = spec.get("clusterIPs") or [spec.get("clusterIP")]
    known = [e for e in endpoints[:_MOST_ENDPOINTS] if e.get("addresses")]
    ready = [e for e in known if (e.get("conditions") or {}).get("ready") is not False]
    late = [e for e in known if e not in ready]
    return ServiceSeen(
        name=_name(service),
        namespace=namespace,
        cluster_ips=tuple(str(ip) for ip in ips if ip and ip != "None"),
        headless="None" in ips,
        external_name=str(spec.get("externalName") or ""),
        publish_not_ready=bool(spec.get("publishNotReadyAddresses")),
        addresses=tuple(_addresses(ready)),
        not_ready=tuple(_addresses(late)),
        hostnames={str(e["hostname"]): str(e["addresses"][0]) for e in known if e.get("hostname")},
        ports=tuple(_ports(spec)),
        selector={str(k): str(v) for k, v in (spec.get("selector") or {}).items()},
    )


def _addresses(endpoints: Iterable[Object]) -> Iterator[str]:
    yield from dict.fromkeys(str(a) for e in endpoints for a in e["addresses"])


def _ports(spec: Object) -> Iterator[int]:
    yield from (p["port"] for p in spec.get("ports") or () if isinstance(p.get("port"), int))


def _selects(service: Object, pod: PolicyPod) -> bool:
    selector = (service.get("spec") or {}).get("selector") or {}
    return bool(selector) and all(pod.labels.get(k) == v for k, v in selector.items())


def _name(one: Object) -> str:
    return str((one.get("metadata") or {}).get("name") or "")
