"""The kubelet's own word on which devices it gave to whom: pod-resources v1 on its socket.

The service and its limits are those of k8s.io/kubelet/pkg/apis/podresources: v1 since
Kubernetes 1.20, claims of dynamic resource allocation listed by default since 1.34.
"""

import os
import re
import socket
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from distcheck.agent import clock
from distcheck.agent.grpc_call import Failure, call, open_channel
from distcheck.agent.probes.probe import ProbeError
from distcheck.checks.evidence.node import Allocated, Allocation

SOCKET = "kubelet.sock"
_LIST = "/v1.PodResourcesLister/List"
_LARGEST = 16 << 20
"""As much as the kubelet's own client takes (podresources/client.go)."""
_MOST_IDS, _LONGEST = 1024, 256
_WORDS = r"efa|hca|hostdev|ib|infiniband|mellanox\w*|mlnx\w*|mlx\w*|m?rdma|roce|sriov\w*|uverbs"
_KEPT = re.compile(
    r"(?:[a-z0-9.-]{0,200}(?:nvidia|amd)\.com|rdma|dra\.net)(?:/|\Z)"
    rf"|.{{0,{_LONGEST}}}(?<![a-z])(?:{_WORDS})(?![a-z])",
    re.IGNORECASE,
)


def look(path: str, *, timeout: float = 3.0) -> dict[str, Allocated]:
    """What the kubelet gave to each pod of the node that has any container, by `namespace/name`.

    `path` is the folder with its socket, or the socket. A pod without GPU and RDMA devices has
    an empty `Allocated`. Nothing is kept between looks; one takes a few milliseconds.

    Raises:
        ProbeError: no socket, nobody there, no right to it, no such service, no answer within
            `timeout` seconds, one that is too large, or one that cannot be read.
    """
    found = _socket(path)
    if not os.path.exists(found):  # noqa: PTH110 - False, too, where it may not be looked for
        _knock(found, timeout)
    deadline = time.monotonic() + timeout
    with open_channel(f"unix:{found}", _LARGEST) as channel:
        reply = call(channel, _LIST, deadline)
    if isinstance(reply, Failure):
        raise ProbeError(_reason(found, reply, timeout))
    now = clock.now()
    return decode(reply, f"pod-resources of the kubelet ({found})", now)


def decode(reply: bytes, source: str, seen_at: str | None = None) -> dict[str, Allocated]:
    """The bytes of a `ListPodResourcesResponse` as evidence.

    Until 1.34 an ended pod may be listed beside a new one of its name. Its devices were taken
    back before any could be given to the new one, so the lists of one name are added up.

    Raises:
        ProbeError: they are no such message.
    """
    from google.protobuf.message import DecodeError  # noqa: PLC0415 - start-up time

    from distcheck.agent.probes.kubelet_proto import podresources_pb2 as pb  # noqa: PLC0415

    try:
        message = pb.ListReply.FromString(reply)
    except DecodeError as error:
        raise ProbeError(f"{source}: the answer cannot be read: {error}") from error
    found: dict[str, list[Allocation]] = {}
    for pod in message.pods:
        found.setdefault(f"{pod.namespace}/{pod.name}", []).extend(_given(pod.containers))
    return {key: Allocated(tuple(given), source, seen_at) for key, given in found.items()}


def _given(containers: Iterable[Any]) -> Iterator[Allocation]:
    """By container and resource; the kubelet writes one entry for each NUMA node, or each id."""
    for container in containers:
        ids: dict[str, list[str]] = {}
        for entry in container.devices:
            ids.setdefault(entry.resource, []).extend(entry.ids)
        for claim in container.claims:
            for one in claim.devices:
                name = f"{one.driver}/{one.pool}/{one.device}"
                ids.setdefault(one.driver, []).append(name)
        for resource, devices in ids.items():
            if _KEPT.match(resource) and len(resource) <= _LONGEST:
                yield Allocation(container.name, resource, tuple(_bounded(devices)))


def _bounded(ids: Iterable[str]) -> list[str]:
    """Each once: a claim may be named twice. What no device is called is left out."""
    kept = (one for one in dict.fromkeys(ids) if one.isprintable() and len(one) <= _LONGEST)
    return list(kept)[:_MOST_IDS]


def _socket(path: str) -> Path:
    return Path(path, SOCKET) if os.path.isdir(path) else Path(path)  # noqa: PTH112 - as above


def _knock(path: Path, seconds: float) -> None:
    """Raises the words for what is wrong with the socket: gRPC calls all of it `UNAVAILABLE`."""
    try:
        with socket.socket(socket.AF_UNIX) as door:
            door.settimeout(seconds)
            door.connect(str(path))
    except FileNotFoundError as error:
        hint = "mount /var/lib/kubelet/pod-resources of the node as a folder"
        raise ProbeError(f"no pod-resources socket at {path}: {hint}") from error
    except PermissionError as error:
        hint = "the agent must be root on the node"
        raise ProbeError(f"the socket {path} may not be used: {hint}") from error
    except ConnectionRefusedError as error:
        raise ProbeError(f"nobody listens on {path}: the kubelet is not running") from error
    except TimeoutError as error:
        raise ProbeError(f"the kubelet takes no connection on {path}") from error
    except (OSError, ValueError) as error:
        raise ProbeError(f"{path}: {error}") from error


_REASONS = (
    ("UNIMPLEMENTED", "", "the kubelet has no pod-resources v1: it is older than Kubernetes 1.20"),
    ("DEADLINE_EXCEEDED", "", "the kubelet did not answer within {seconds:g} s"),
    ("RESOURCE_EXHAUSTED", "larger than max", "the kubelet's answer is larger than {largest} MiB"),
    ("RESOURCE_EXHAUSTED", "", "the kubelet is asked too often: {details}"),
    ("UNAVAILABLE", "", "what listens there does not speak gRPC, or hung up: {details}"),
)


def _reason(path: Path, failure: Failure, seconds: float) -> str:
    if failure.code == "UNAVAILABLE":
        _knock(path, seconds)
    known = (w for c, part, w in _REASONS if c == failure.code and part in failure.details)
    words = next(known, f"the kubelet answered {failure.code}: {{details}}")
    details = "".join(c for c in failure.details[:200] if c.isprintable())
    return f"{path}: " + words.format(seconds=seconds, largest=_LARGEST >> 20, details=details)
