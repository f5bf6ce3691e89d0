"""The names by which a pod is reached, and what an address may mean."""

from collections.abc import Iterable
from typing import Any

Object = dict[str, Any]


def names_of(pod: Object, services: Iterable[Object]) -> frozenset[str]:
    """The names by which others in the cluster can reach `pod`, without a cluster domain."""
    meta, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    namespace = meta.get("namespace", "")
    selecting = [s for s in services if _selects(s, pod)]
    short = {s["metadata"]["name"] for s in selecting}
    if spec.get("subdomain"):
        short.add(f"{spec.get('hostname') or meta['name']}.{spec['subdomain']}")
    addresses = {status.get("podIP") or "", *(a.get("ip", "") for a in status.get("podIPs") or ())}
    addresses |= {(s.get("spec") or {}).get("clusterIP", "") for s in selecting} - {"None"}
    full = {n + tail for n in short for tail in ("", f".{namespace}")}
    return frozenset((full | addresses) - {""})


def called(host: str) -> frozenset[str]:
    """The names of `names_of` that `host` may mean: as it is, or without the cluster domain."""
    return frozenset({host, host.partition(".svc")[0].rstrip(".")} - {""})


def _selects(service: Object, pod: Object) -> bool:
    selector = (service.get("spec") or {}).get("selector") or {}
    labels = pod["metadata"].get("labels") or {}
    return bool(selector) and all(labels.get(k) == v for k, v in selector.items())
