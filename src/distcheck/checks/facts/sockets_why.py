"""Why ranks use sockets, where no log says it: what their environment and container show."""

from collections.abc import Iterator

from msgspec import Struct

from distcheck.checks.evidence import Cite, Evidence, Missing, Processes
from distcheck.checks.evidence.rdma import RdmaAccess
from distcheck.checks.knowledge.transport_remedies import SOCKETS

UNTOLD = "sockets-without-log"
_REMEDY = (
    "Set NCCL_DEBUG=INFO and restart the group: NCCL then says why it takes sockets. Look whether"
    " the pod has its RDMA device (rdma/hca or vpc.amazonaws.com/efa in its limits), and whether"
    " the image has libibverbs and the network's plugin."
)
_DIRECT_TCP = ("NCCL_GPUDIRECTTCPX", "NCCL_FASTRAK")
_DIRECT_NETS = ("gpudirecttcpx", "fastrak")
_Set = tuple[str, str, str]
"""A variable, its value, and where it was seen."""


class Why(Struct, frozen=True):
    """The cause, in the words of the log's own causes; `gpu_direct_tcp` is what asks for that."""

    cause: str = UNTOLD
    says: str = ""
    cites: tuple[Cite, ...] = ()
    remedy: str = _REMEDY
    gpu_direct_tcp: str = ""


def sockets_why(evidence: Evidence) -> Why:
    """The first reason that is seen, of a setting before that of the container's devices."""
    found = list(_settings(evidence))
    direct = next((f"{n}={v}" for n, v, _ in found if _is_direct(n, v)), "")
    for name, value, source in found:
        cause = _cause_of(name, value)
        if cause is not None:
            return _why(cause, (Cite(f"{name}={value}", source),), direct)
    without = tuple(_without_verbs(evidence))
    return _why("no-ib-device", without, direct) if without else Why(gpu_direct_tcp=direct)


def _why(cause: str, cites: tuple[Cite, ...], direct: str) -> Why:
    return Why(cause, SOCKETS[cause].short, cites, SOCKETS[cause].remedy, direct)


def _settings(evidence: Evidence) -> Iterator[_Set]:
    for name, value in evidence.intent.nccl.items():
        yield name, value, evidence.intent.sources.get(f"nccl.{name}", "the leader's spec")
    for pod in evidence.pods:
        seen = evidence.look(pod).processes
        environ = seen.environ if isinstance(seen, Processes) else {}
        for name, value in sorted(environ.items()):
            yield name, value, f"environment of {pod.name}"


def _is_direct(name: str, value: str) -> bool:
    asked = name == "NCCL_NET" and value.lower().startswith(_DIRECT_NETS)
    return asked or name.startswith(_DIRECT_TCP)


def _cause_of(name: str, value: str) -> str | None:
    if name == "NCCL_IB_DISABLE" and value.strip() == "1":
        return "env-NCCL_IB_DISABLE"
    return "env-NCCL_NET" if name == "NCCL_NET" and value.strip().lower() == "socket" else None


def _without_verbs(evidence: Evidence) -> Iterator[Cite]:
    """Pods whose container has no uverbs file at all."""
    for pod in evidence.pods:
        seen = evidence.look(pod).rdma
        if not isinstance(seen, RdmaAccess) or isinstance(seen.verbs, Missing):
            continue
        if not any(v.startswith("uverbs") for v in seen.verbs):
            yield Cite(f"no uverbs file is in {pod.name}", seen.source, seen.seen_at)
