"""Which pod a worker's command line points to: the one tie that plain workloads have."""

import re
from collections.abc import Iterable
from typing import Any

from distcheck.agent.cluster.podspec import argv_of, containers, environment
from distcheck.agent.logs.argv import engine_flags, ray_start

Object = dict[str, Any]

_SGLANG_ADDRESS = re.compile(r"--dist-init-addr[= ]+(\S+)")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "auto", "local", ""})


def starts_head(pod: Object) -> bool:
    """Whether a container of `pod` runs `ray start --head`."""
    return any((one := ray_start(argv_of(c))) and one.head for c in containers(pod))


def leader_host(pod: Object) -> str | None:
    """The host that `pod` joins, as its command line or RAY_ADDRESS writes it.

    From `ray start --address`, vLLM's `--master-addr`, or SGLang's `--dist-init-addr`.
    """
    hosts = (_host(address) for c in containers(pod) for address in _addresses(c))
    return next((h for h in hosts if h not in _LOOPBACK and "$" not in h), None)


def _addresses(container: Object) -> Iterable[str]:
    argv = argv_of(container)
    ray, engine = ray_start(argv), engine_flags(argv)
    values = environment(container)
    if ray and not ray.head:
        yield _shell_expanded(ray.address or values.get("RAY_ADDRESS", ""), values)
    if engine and engine.master_addr:
        yield _shell_expanded(engine.master_addr, values)
    if found := _SGLANG_ADDRESS.search(" ".join(argv)):
        yield _shell_expanded(found[1], values)


def _shell_expanded(text: str, values: dict[str, str]) -> str:
    return re.sub(r"\$\{?(\w+)\}?", lambda m: values.get(m[1], m[0]), text)


def _host(address: str) -> str:
    host = address.partition("://")[2] or address
    return host.strip("'\"").rpartition(":")[0] or host


def names_of(pod: Object, services: Iterable[Object]) -> frozenset[str]:
    """The names by which others in the cluster can reach `pod`, without a cluster domain."""
    meta, spec = pod["metadata"], pod.get("spec", {})
    namespace = meta.get("namespace", "")
    short = {s["metadata"]["name"] for s in services if _selects(s, pod)}
    if spec.get("subdomain"):
        short.add(f"{spec.get('hostname') or meta['name']}.{spec['subdomain']}")
    ip = pod.get("status", {}).get("podIP")
    return frozenset({n + tail for n in short for tail in ("", f".{namespace}")} | {ip or ""})


def points_to(host: str, names: frozenset[str]) -> bool:
    """Whether `host` is one of `names`, with or without `.svc` and the cluster domain."""
    return bool(host) and (host in names or host.partition(".svc")[0].rstrip(".") in names)


def _selects(service: Object, pod: Object) -> bool:
    selector = service.get("spec", {}).get("selector") or {}
    labels = pod["metadata"].get("labels") or {}
    return bool(selector) and all(labels.get(k) == v for k, v in selector.items())
