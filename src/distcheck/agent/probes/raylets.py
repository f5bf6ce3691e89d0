"""Each raylet asked for its health, as its GCS does it, from where a pod stands.

GCS counts a node whose packets are dropped as ALIVE for another minute (62 to 72 s, tried on
Ray 2.40 and 2.60); asked directly, it is silent at once.
"""

import socket
import time
from collections.abc import Collection, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from msgspec import Struct

from distcheck.agent.grpc_health import health
from distcheck.agent.netns import entered
from distcheck.agent.peer_address import too_far_here, why_no_peer
from distcheck.agent.side_by_side import Bound, bounded
from distcheck.checks.evidence.ray import RayletAnswer, RayletOutcome

RAYLET, STORE = "node_manager", "object_manager"
MAX_TARGETS = 64
SECONDS = 3.0
TOO_MANY = f"at most {MAX_TARGETS} from one pod"
_BOUND = Bound(MAX_TARGETS, 6.0, TOO_MANY)


class RayletTarget(Struct, frozen=True):
    """One raylet (`node_manager`) or object store (`object_manager`) to ask: whose, and where."""

    peer: str
    address: str
    port: int
    service: str


def is_one(service: str) -> bool:
    """Whether ports of that name are asked here."""
    return service in (RAYLET, STORE)


def look(
    namespace: Path | None,
    targets: Sequence[RayletTarget],
    barred: Collection[str] = (),
    *,
    shared: bool = False,
    pool: Executor | None = None,
) -> list[RayletAnswer]:
    """Each target asked, from the network namespace at that path, or from the agent's own.

    Each is asked for 3 seconds. `shared` says of the agent's own namespace that the pod has
    the same one. Targets beyond the first 64, `barred` addresses, and those that no pod of a
    group can have are not asked, and each says so.

    Raises:
        OSError: the process is gone, or its namespace cannot be entered.
    """
    ask = partial(_ask, namespace, barred=barred, shared=shared)
    return bounded(targets, ask, not_asked, _BOUND, pool)


def not_asked(target: RayletTarget, why: str) -> RayletAnswer:
    """A target that was left out, and why."""
    return _told(target, "error", f"not asked: {why}")


def _ask(
    namespace: Path | None, target: RayletTarget, barred: Collection[str], shared: bool
) -> RayletAnswer:
    refused = why_no_peer(target.address, barred)
    if refused is not None:
        return not_asked(target, refused)
    family = socket.AF_INET6 if ":" in target.address else socket.AF_INET
    start = time.monotonic()
    with nullcontext(shared) if namespace is None else entered(namespace) as own:
        far = too_far_here(target.address, shared=own)
        if far is not None:
            return not_asked(target, far)
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
