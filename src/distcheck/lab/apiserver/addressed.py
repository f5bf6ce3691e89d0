"""What the API server itself puts into a Service: the address by which it is reached."""

import zlib
from typing import Any

Object = dict[str, Any]


def addressed(one: Object) -> Object:
    """A Service with its `clusterIP` and `clusterIPs`; anything else as it is.

    Kubernetes pkg/registry/core/service/storage/alloc.go: all but type ExternalName get one, a
    headless Service keeps `None`. Here the name chooses it, so that it stays through time.
    """
    spec = one.get("spec") or {}
    if (one.get("apiVersion"), one.get("kind")) != ("v1", "Service"):
        return one
    if spec.get("type") == "ExternalName":
        return one
    meta = one["metadata"]
    number = zlib.crc32(f"{meta.get('namespace')}/{meta.get('name')}".encode())
    ip = spec.get("clusterIP") or f"10.96.{number >> 8 & 255}.{number & 255}"
    return {**one, "spec": {**spec, "clusterIP": ip, "clusterIPs": spec.get("clusterIPs") or [ip]}}
