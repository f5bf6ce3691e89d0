"""Which pod a worker's command line points to: the one tie that plain workloads have."""

import re
from collections.abc import Iterable
from typing import Any

from distcheck.agent.cluster.podspec import argv_of, containers, environment
from distcheck.agent.logs.argv import ray_start

Object = dict[str, Any]

_JOINS = re.compile(
    r"(?<!\S)(?:--(?:dist[-_]init[-_]addr|nccl[-_]init[-_]addr|master[-_]addr"
    r"|data[-_]parallel[-_]address|ray[-_]address|head-address)|-dpa)[= ]\s{0,9}([^\s;&|)]+)"
)
"""SGLang, vLLM's mp and data-parallel flags, vLLM's and NIM's scripts for Ray."""
_VARIABLES = ("VLLM_DP_MASTER_IP",)
_REFERENCE = re.compile(r"\$(?:\{(\w{1,99})\}|(\w{1,99}))")
_SERVICE_HOST = re.compile(r"\$[({]?([A-Z0-9_]{1,253})_SERVICE_HOST[)}]?")
"""The kubelet's own variable for a Service: its name in capitals, with `_` for `-`."""
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1", "auto", "local", "0.0.0.0", ""})  # noqa: S104


def starts_head(pod: Object) -> bool:
    """Whether a container of `pod` runs `ray start --head`."""
    return any((one := ray_start(argv_of(c))) and one.head for c in containers(pod))


def leader_host(pod: Object) -> str | None:
    """The host that `pod` joins, as its command line or environment writes it."""
    hosts = (_host(address) for c in containers(pod) for address in _addresses(c))
    return next((h for h in hosts if h not in _LOOPBACK and "$" not in h), None)


def _addresses(container: Object) -> Iterable[str]:
    argv, values = argv_of(container), environment(container)
    ray = ray_start(argv)
    if ray and not ray.head:
        yield _shell_expanded(ray.address or values.get("RAY_ADDRESS", ""), values)
    for found in _JOINS.finditer(" ".join(argv)):
        yield _shell_expanded(found[1], values)
    for name in _VARIABLES:
        yield values.get(name, "")


def _shell_expanded(text: str, values: dict[str, str]) -> str:
    return _REFERENCE.sub(lambda m: values.get(m[1] or m[2], m[0]), text)


def _host(address: str) -> str:
    """`tcp://host:port`, `[v6]:port` or `host`, as the host alone."""
    host = (address.partition("://")[2] or address).strip("'\"")
    host = _SERVICE_HOST.sub(lambda m: m[1].lower().replace("_", "-"), host)
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host if host.count(":") > 1 else host.rpartition(":")[0] or host


def names_of(pod: Object, services: Iterable[Object]) -> frozenset[str]:
    """The names by which others in the cluster can reach `pod`, without a cluster domain."""
    meta, spec, status = pod["metadata"], pod.get("spec", {}), pod.get("status") or {}
    namespace = meta.get("namespace", "")
    selecting = [s for s in services if _selects(s, pod)]
    short = {s["metadata"]["name"] for s in selecting}
    if spec.get("subdomain"):
        short.add(f"{spec.get('hostname') or meta['name']}.{spec['subdomain']}")
    addresses = {status.get("podIP") or "", *(a.get("ip", "") for a in status.get("podIPs") or ())}
    addresses |= {s.get("spec", {}).get("clusterIP", "") for s in selecting} - {"None"}
    full = {n + tail for n in short for tail in ("", f".{namespace}")}
    return frozenset((full | addresses) - {""})


def called(host: str) -> frozenset[str]:
    """The names of `names_of` that `host` may mean: as it is, or without the cluster domain."""
    return frozenset({host, host.partition(".svc")[0].rstrip(".")} - {""})


def _selects(service: Object, pod: Object) -> bool:
    selector = service.get("spec", {}).get("selector") or {}
    labels = pod["metadata"].get("labels") or {}
    return bool(selector) and all(labels.get(k) == v for k, v in selector.items())
