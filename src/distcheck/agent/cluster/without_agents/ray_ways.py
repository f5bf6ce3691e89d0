"""Every way to a Ray that can be gone without an agent, the one that tells most first."""

import time
from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct, field, structs

from distcheck.agent.cluster.api import Api
from distcheck.agent.cluster.without_agents.ray_exec import PYTHON, by_image, by_status
from distcheck.agent.cluster.without_agents.through import ask_dashboard, ask_gcs
from distcheck.checks.evidence import Missing, Pod, RayCluster, ray
from distcheck.checks.evidence.ray import RayLocal

_LEAST = 1.0
_NOTHING_THERE = (ray.GCS_REFUSED,)
Ask = Callable[[], RayCluster | Missing]


class RayQuestion(Struct, frozen=True):
    """Which GCS to ask, in whose pod, and what is known of it.

    `token` goes to a head that asks for one. `forbidden` says who forbade exec; empty where
    nobody did. `python` is the interpreter of its Ray, `known` the IP of each raylet by its id,
    and `before` why others could not ask it.
    """

    head: Pod
    address: str
    token: str = ""
    forbidden: str = ""
    python: str = PYTHON
    known: Mapping[str, str] = field(default_factory=dict)
    before: tuple[Missing, ...] = ()


def ask_ray(api: Api, asked: RayQuestion, deadline: float) -> RayCluster | Missing:
    """What Ray tells, by the first way that it can be asked, until `deadline`. Never raises.

    Where nothing listens on the GCS's port in its own pod, no other way is tried: they all lead
    there, and the dashboard goes on to answer from its memory.
    """
    tried = list(asked.before)
    for way in _ways(api, asked, deadline):
        if time.monotonic() + _LEAST > deadline:
            tried.append(Missing("no time is left"))
            break
        seen = way()
        if isinstance(seen, RayCluster):
            return structs.replace(seen, tried=_reasons(tried))
        tried.append(seen)
        if seen.cause in _NOTHING_THERE:
            break
    return Missing("; ".join(_reasons(tried)), _cause(tried))


def _cause(tried: Iterable[Missing]) -> str:
    """That the GCS is gone, where its own pod shows it; else the first that is known."""
    causes = [t.cause for t in tried if t.cause]
    return next((c for c in causes[1:] if c in _NOTHING_THERE), next(iter(causes), ""))


def _reasons(tried: Iterable[Missing]) -> tuple[str, ...]:
    """Each reason once: of those with one cause the first."""
    return tuple({t.cause or t.reason: t.reason for t in reversed([*tried])}.values())[::-1]


def _ways(api: Api, asked: RayQuestion, deadline: float) -> Iterable[Ask]:
    head, address, python = asked.head, asked.address, asked.python
    yield lambda: ask_gcs(api, head, address, deadline, asked.token)
    if asked.forbidden:
        yield lambda: Missing(f"nothing was run in {head.name} ({asked.forbidden})")
    else:
        yield lambda: by_image(api, head, address, deadline, python)
        yield lambda: by_status(api, head, address, deadline, python, known=asked.known)
    yield lambda: ask_dashboard(api, head, address, deadline)


def known_raylets(locals_: Iterable[RayLocal | Missing]) -> dict[str, str]:
    """The IP of each raylet that was seen to run, by its node id."""
    seen = (one for one in locals_ if isinstance(one, RayLocal))
    return {r.node_id: r.node_ip for one in seen for r in one.raylets if r.node_id}


def python_of(local: object) -> str:
    """The interpreter of the Ray in a pod."""
    return (local.python if isinstance(local, RayLocal) else "") or PYTHON
