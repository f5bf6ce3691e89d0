"""Pods as NetworkPolicies see them."""

import re
from collections.abc import Iterator

from distcheck.agent.cluster.api import Object
from distcheck.agent.cluster.podspec import containers
from distcheck.checks.evidence.policy import EPHEMERAL, PolicyPod

_RANGE = re.compile(r"\s{0,9}([0-9]{1,5})\s{1,9}([0-9]{1,5})\s{0,9}\Z")
_SYSCTL = "net.ipv4.ip_local_port_range"
_AMBIENT = ("istio.io/dataplane-mode", "ambient")
_MESH = ("istio-proxy", "linkerd-proxy")


def policy_pod(raw: Object) -> PolicyPod:
    """Labels, named TCP ports, addresses, names in `hosts` and range of random ports of one pod."""
    meta, spec, status = raw["metadata"], raw.get("spec") or {}, raw.get("status") or {}
    labels = {str(k): str(v) for k, v in (meta.get("labels") or {}).items()}
    ips = [status.get("podIP"), *(one.get("ip") for one in status.get("podIPs") or ())]
    return PolicyPod(
        key=f"{meta.get('namespace', '')}/{meta['name']}",
        labels=labels,
        ports=dict(_ports(raw)),
        ips=tuple(dict.fromkeys(str(ip) for ip in ips if ip)),
        host_network=bool(spec.get("hostNetwork")),
        local_ports=_local_ports(spec),
        mesh=_mesh(raw, labels),
        hosts=tuple(_hosts(spec)),
    )


def _hosts(spec: Object) -> Iterator[str]:
    for alias in spec.get("hostAliases") or ():
        yield from (str(name) for name in alias.get("hostnames") or ())


def _ports(raw: Object) -> Iterator[tuple[str, int]]:
    for port in (p for c in containers(raw) for p in c.get("ports") or ()):
        number = port.get("containerPort")
        over_tcp = port.get("protocol") in (None, "", "TCP")
        if port.get("name") and isinstance(number, int) and over_tcp:
            yield str(port["name"]), number


def _local_ports(spec: Object) -> tuple[int, int]:
    """A pod may set this one sysctl without anybody's leave (Kubernetes' safe sysctls)."""
    settings = (spec.get("securityContext") or {}).get("sysctls") or ()
    value = next((str(s.get("value")) for s in settings if s.get("name") == _SYSCTL), "")
    found = _RANGE.match(value)
    return (int(found[1]), int(found[2])) if found else EPHEMERAL


def _mesh(raw: Object, labels: dict[str, str]) -> bool:
    spec = raw.get("spec") or {}
    every = (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))
    key, value = _AMBIENT
    return labels.get(key) == value or any(c.get("name") in _MESH for c in every)
