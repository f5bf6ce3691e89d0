"""A Ray that no agent could ask, asked through the Kubernetes API.

An agent stands outside the pods: a network policy, a token, certificates or a head on loopback
keep it from a GCS that its own pod reaches.
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import structs

from distcheck.agent.cluster.without_agents.fallback import Outside
from distcheck.agent.cluster.without_agents.ray_ways import (
    RayQuestion,
    ask_ray,
    known_raylets,
    python_of,
)
from distcheck.agent.cluster.without_agents.through import head_of
from distcheck.checks.evidence import Missing, NodeLook, Pod, PodLook, RayCluster
from distcheck.checks.evidence.ray import RayLocal


def ray_again(
    outside: Outside, pods: Sequence[Pod], looks: Mapping[str, NodeLook]
) -> dict[str, NodeLook]:
    """The looks that say more now: none where an agent was told, or found no GCS to ask."""
    refused = [n.ray for n in looks.values() if isinstance(n.ray, Missing) and n.ray.cause]
    if not refused or any(isinstance(n.ray, RayCluster) for n in looks.values()):
        return {}
    seen = {p.pod: p for n in looks.values() for p in n.pods}
    address = next(iter(_addresses(seen.values())), "")
    head = next((p for p in pods if _is_head(seen.get(p.key))), None) or head_of(address, pods)
    if not address or head is None or head.node is None or head.node not in looks:
        return {}
    outside.progress(f"asking Ray in {head.name}")
    question = _question(outside, head, address, seen)
    question = structs.replace(question, before=tuple(dict.fromkeys(refused)))
    found = ask_ray(outside.api, question, outside.deadline)
    return {head.node: structs.replace(looks[head.node], ray=found)}


def _question(
    outside: Outside, head: Pod, address: str, seen: Mapping[str, PodLook]
) -> RayQuestion:
    locals_ = {key: look.ray_local for key, look in seen.items()}
    known, python = known_raylets(locals_.values()), python_of(locals_.get(head.key))
    return RayQuestion(head, address, outside.ray_token, outside.forbidden, python, known)


def _is_head(look: PodLook | None) -> bool:
    local = look.ray_local if look is not None else None
    return isinstance(local, RayLocal) and bool(local.heads)


def _addresses(looks: Iterable[PodLook]) -> Iterable[str]:
    """Where raylets have their GCS, those of heads first: a worker may be told another one."""
    locals_ = [k.ray_local for k in looks if isinstance(k.ray_local, RayLocal)]
    for local in sorted(locals_, key=lambda one: not one.heads):
        yield from (r.gcs_address for r in local.raylets if r.gcs_address)
        yield from (h.address for h in local.heads if h.address)
