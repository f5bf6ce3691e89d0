"""What a name means to the cluster's DNS, by the specs of Services alone.

A Service has `service.namespace.svc.DOMAIN`; a headless one also `hostname.service...` for each
endpoint with a host name, which a pod has whose `subdomain` is the Service
(Kubernetes DNS specification, 2.3 and 2.4; StatefulSets set both).
"""

from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec import Struct, structs

from distcheck.checks.evidence.policy import Services, ServiceSeen

Result = Literal["resolves", "no_service", "no_host", "no_endpoints", "elsewhere", "unknown"]


class Meaning(Struct, frozen=True):
    """One way to read a name, as a resolver in `namespace` completes it."""

    service: str
    namespace: str
    host: str = ""


class ByName(Struct, frozen=True):
    """What the specs say of a name: addresses, and the Service that it is about.

    `virtual`: the addresses are the Service's own, and it leads on to `behind`. Not `certain`
    where the name may mean something in another namespace, too.
    """

    result: Result
    addresses: tuple[str, ...] = ()
    service: ServiceSeen | None = None
    meaning: Meaning | None = None
    virtual: bool = False
    certain: bool = True

    @property
    def behind(self) -> tuple[str, ...]:
        """The pods' addresses that the name leads to."""
        return self.service.addresses if self.virtual and self.service else self.addresses


def meanings(name: str, namespace: str) -> tuple[Meaning, ...]:
    """What `name` may mean to a pod of `namespace`, in the order of its search list.

    With the search list that kubelets write: `NS.svc.DOMAIN`, `svc.DOMAIN`, `DOMAIN`.
    """
    labels = name.rstrip(".").lower().split(".")
    if "svc" in labels[2:]:
        return tuple(_of(labels[: labels.index("svc", 2)]))
    here = Meaning(labels[-1], namespace, labels[0] if len(labels) == 2 else "")
    return (*([here] if len(labels) < 3 else []), *_of(labels))


def _of(labels: Sequence[str]) -> Iterator[Meaning]:
    """`service.namespace`, `host.service.namespace`."""
    if len(labels) == 2:
        yield Meaning(labels[0], labels[1])
    elif len(labels) == 3:
        yield Meaning(labels[1], labels[2], labels[0])


def by_specs(name: str, namespace: str, seen: Services) -> ByName:
    """What the Services that were listed make of `name`, asked for in `namespace`.

    The first reading that resolves, as a resolver takes it; else the one whose Service is there.
    """
    read = meanings(name, namespace)
    results = [_read(one, seen) for one in read if one.namespace == namespace]
    found = next((r for r in results if r.result == "resolves"), None)
    known = next((r for r in results if r.service is not None), None)
    if found or known:
        return found or known or ByName("unknown")
    apart = next((m for m in read if m.namespace != namespace), None)
    if not results:
        return ByName("elsewhere", meaning=apart) if apart else ByName("unknown")
    return structs.replace(results[0], certain=apart is None)


def _read(one: Meaning, seen: Services) -> ByName:
    service = next((s for s in seen.services if s.name == one.service), None)
    if service is None:
        return ByName("unknown" if seen.unasked else "no_service", meaning=one)
    known = service.cluster_ips and service.addresses and not one.host
    if service.external_name or (seen.unasked and not known):
        return ByName("unknown", service=service, meaning=one)
    return _of_host(service, one) if one.host else _of_service(service, one)


def _of_host(service: ServiceSeen, one: Meaning) -> ByName:
    address = service.hostnames.get(one.host)
    if address in service.addresses:
        return ByName("resolves", (str(address),), service, one)
    empty = not (service.addresses or service.hostnames)
    late = address in service.not_ready or empty
    return ByName("no_endpoints" if late else "no_host", service=service, meaning=one)


def _of_service(service: ServiceSeen, one: Meaning) -> ByName:
    virtual = bool(service.cluster_ips)
    addresses = service.cluster_ips or service.addresses
    result: Result = "resolves" if service.addresses else "no_endpoints"
    return ByName(result, addresses, service, one, virtual)


def names_for(address: str, seen: Services) -> Iterator[str]:
    """Names that lead to this pod alone, the most certain first."""
    for one in seen.services:
        hosts = [h for h, a in one.hostnames.items() if a == address]
        if one.headless and hosts:
            yield f"{hosts[0]}.{one.name}"
    yield from (s.name for s in seen.services if s.addresses == (address,))
