"""The names by which a pod is reached, and what an address may mean."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

Object = dict[str, Any]


class Selecting:
    """Services by the labels that they select: not every one is held against every pod."""

    def __init__(self, services: Iterable[Object]) -> None:
        self._by_label: dict[tuple[str, str], list[Object]] = defaultdict(list)
        self._names: dict[tuple[object, ...], frozenset[str]] = {}
        for service in services:
            for name, value in list(_selector(service).items())[:1]:
                self._by_label[name, str(value)].append(service)

    def names(self, pod: Object) -> frozenset[str]:
        """The names and addresses of the Services that select `pod`; one set for equal labels."""
        labels, namespace = _labels(pod), pod["metadata"].get("namespace", "")
        key = (namespace, frozenset(labels.items()))
        if key not in self._names:
            may = (s for k, v in labels.items() for s in self._by_label.get((k, str(v)), ()))
            those = [s for s in may if all(labels.get(k) == v for k, v in _selector(s).items())]
            short = {s["metadata"]["name"] for s in those}
            addresses = {(s.get("spec") or {}).get("clusterIP", "") for s in those} - {"None", ""}
            self._names[key] = frozenset(_full(short, namespace) | addresses)
        return self._names[key]


def own_names(pod: Object) -> frozenset[str]:
    """The names and addresses that are only `pod`'s, without a cluster domain."""
    meta, spec, status = pod["metadata"], pod.get("spec") or {}, pod.get("status") or {}
    short = set()
    if spec.get("subdomain"):
        short.add(f"{spec.get('hostname') or meta['name']}.{spec['subdomain']}")
    addresses = {status.get("podIP") or "", *(a.get("ip", "") for a in status.get("podIPs") or ())}
    return frozenset((_full(short, meta.get("namespace", "")) | addresses) - {""})


def called(host: str) -> frozenset[str]:
    """The names of a pod or Service that `host` may mean: as it is, or without the domain."""
    return frozenset({host, host.partition(".svc")[0].rstrip(".")} - {""})


def _full(short: Iterable[str], namespace: str) -> set[str]:
    return {n + tail for n in short for tail in ("", f".{namespace}")}


def _selector(service: Object) -> Object:
    return (service.get("spec") or {}).get("selector") or {}


def _labels(pod: Object) -> Object:
    return pod["metadata"].get("labels") or {}
