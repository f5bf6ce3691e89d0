"""Each raylet asked for its health, as its GCS does it, from where a pod stands.

GCS counts a node whose packets are dropped as ALIVE for another minute (62 to 72 s, tried on
Ray 2.40 and 2.60); asked directly, it is silent at once.
"""

import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

from msgspec import Struct

from distcheck.agent.grpc_health import health
from distcheck.agent.netns import entered
from distcheck.agent.peer_address import why_not
from distcheck.checks.evidence.ray import RayletAnswer, RayletOutcome

RAYLET, STORE = "node_manager", "object_manager"
MAX_TARGETS = 128
SECONDS = 3.0
_AT_ONCE = 64
_TOO_MANY = f"not asked: at most {MAX_TARGETS} from one pod"


class RayletTarget(Struct, frozen=True):
    """One raylet (`node_manager`) or object store (`object_manager`) to ask: whose, and where."""

    peer: str
    address: str
    port: int
    service: str


def is_one(service: str) -> bool:
    """Whether ports of that name are asked here."""
    return service in (RAYLET, STORE)


def look(namespace: Path | None, targets: Sequence[RayletTarget]) -> list[RayletAnswer]:
    """Each target asked at once, from the network namespace at that path, or from the agent's.

    All end within 3 seconds of their start, 64 at a time. Targets beyond the first 128, and
    addresses that no pod can have, are not asked, and each says so.

    Raises:
        OSError: the process is gone, or its namespace cannot be entered.
    """
    asked, left = targets[:MAX_TARGETS], targets[MAX_TARGETS:]
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        work = [pool.submit(_ask, namespace, t) for t in asked]
        return [*(w.result() for w in work), *(_told(t, "error", _TOO_MANY) for t in left)]


def _ask(namespace: Path | None, target: RayletTarget) -> RayletAnswer:
    refused = why_not(target.address)
    if refused is not None:
        return _told(target, "error", f"not asked: {refused}")
    family = socket.AF_INET6 if ":" in target.address else socket.AF_INET
    start = time.monotonic()
    with nullcontext() if namespace is None else entered(namespace):
        connection = socket.socket(family, socket.SOCK_STREAM)
    with connection:
        outcome, detail = _outcome(connection, target, start + SECONDS)
    return _told(target, outcome, detail, round(time.monotonic() - start, 4))


def _outcome(
    connection: socket.socket, target: RayletTarget, deadline: float
) -> tuple[RayletOutcome, str]:
    connection.settimeout(SECONDS)
    try:
        connection.connect((target.address, target.port))
    except ConnectionRefusedError:
        return "refused", "connection refused: nothing listens on that port"
    except TimeoutError:
        return "no_answer", f"no answer to TCP within {SECONDS:g} s"
    except OSError as error:
        return "error", f"cannot connect: {error.strerror or error}"
    return health(connection, deadline) if target.service == RAYLET else ("open", "")


def _told(
    target: RayletTarget, outcome: RayletOutcome, detail: str, seconds: float = 0.0
) -> RayletAnswer:
    where = (target.peer, target.address, target.port, target.service)
    return RayletAnswer(*where, outcome=outcome, detail=detail, seconds=seconds)
