"""Addresses at which the pods of a group are to meet, and which are not rank 0's."""

from collections.abc import Iterator

from msgspec.structs import replace

from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.container import Container, Joining
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.hidden import hidden_before_engine
from distcheck.checks.manifest.named_pods import NamedPod, named_pods
from distcheck.checks.manifest.names import Names
from distcheck.checks.manifest.start_script import SCRIPT
from distcheck.checks.manifest.template import Template

_RANKS = frozenset({"dist-init-addr", "nccl-init-addr", "master-addr"})
_COPIES = frozenset({"data-parallel-address", "dpa"})
_SEVERAL = 2


def met_elsewhere(bundle: Bundle) -> Iterator[Finding]:
    """Of every container that joins others by a name of pods, none of which can lead."""
    names: Names | None = None
    for template in bundle.templates:
        if not template.serves or template.by_nim:
            continue
        for container, join in _joins(template):
            names = names or Names(bundle)
            yield from _judged(names, template, container, join)


def _joins(template: Template) -> Iterator[tuple[Container, Joining]]:
    """The names that its pods join by, each once, with a container that does."""
    every = (one for c in template.containers for one in (c, *c.of_pods[1:]))
    found = {j: c for c in every for j in c.joins if j.is_read}
    for join, container in found.items():
        if not join.by_ip:
            yield container, join


def _judged(
    names: Names, template: Template, container: Container, join: Joining
) -> Iterator[Finding]:
    pods, service = named_pods(names, template, join.host.lower())
    whys = [_why(pod, container, join.way) for pod in pods]
    if not whys or not all(whys):
        return
    leaders = [p for t in names.beside(template) for p in _pods(t) if _leads(p, container, join)]
    if join.way.startswith("ray") and not leaders:
        return  # CONF022 asks for a head
    alone = service is not None and not leaders
    unseen = "pods that are not in the input" if alone else _hidden(pods, join.way)
    fix = _fix(template, leaders)
    if any(p.template.kind == "LeaderWorkerSet" and p.template.part == "leader" for p in pods):
        fix = _OF_LEADERS.get(join.way, fix)
    yield Finding(join.spot, f"{join.host} {whys[0]}", fix, unseen=unseen)


_START = "Let the leader start at 0: `--data-parallel-start-rank` is its index x its copies."
_OF_LEADERS = {
    **dict.fromkeys(_RANKS, "Give the leader rank 0: `--node-rank=$(LWS_WORKER_INDEX)`."),
    **dict.fromkeys(_COPIES, _START),
}
"""Where those who meet at the leader are right, and the leader's own place is not."""


def _why(pod: NamedPod, joining: Container, way: str) -> str:
    """Why nothing listens in it for those who join; empty where something may."""
    if way.startswith("ray"):
        return "joins Ray itself: no head listens there" if _only_joins(pod) else ""
    position = _position(pod, joining)
    if way in _RANKS and position and position[0]:
        return f"is rank {position[0]}, and the ranks meet at rank 0"
    if way in _COPIES and position and position[1]:
        return f"has the copies from {position[1]} on, and they meet where copy 0 is"
    return ""


def _position(pod: NamedPod, joining: Container) -> tuple[int, int] | None:
    """The part that it takes in the engine of `joining`, where it surely takes one."""
    own = joining.asks
    asked = [c.asks for c in pod.containers if c.asks is not None]
    if own is None or own.executor == "ray" or len(asked) != 1 or asked[0].executor == "ray":
        return None
    one = asked[0]
    several = max(one.nnodes or 1, one.dp or 1) >= _SEVERAL
    alike = one.engine == own.engine and (one.nnodes or 1) == (own.nnodes or 1)
    return one.positions[0] if several and alike and len(one.positions) == 1 else None


def _only_joins(pod: NamedPod) -> bool:
    every = list(pod.containers)
    if pod.template.of_ray or any(c.heads_ray for c in every):
        return False
    return any(c.joins_ray for c in every)


def _pods(template: Template) -> Iterator[NamedPod]:
    for number, name in enumerate(template.names or ("",)):
        yield NamedPod(template, number, name)


def _leads(pod: NamedPod, joining: Container, join: Joining) -> bool:
    if join.way.startswith("ray"):
        return any(c.heads_ray or _by_script(c) for c in pod.containers)
    return _position(pod, joining) == (0, 0)


def _by_script(container: Container) -> bool:
    named = (
        w.rpartition("/")[2] for c in container.commands if "leader" in c.words for w in c.words
    )
    return SCRIPT in named


def _hidden(pods: list[NamedPod], way: str) -> str:
    """What may start a head beside what is seen."""
    every = (c for p in pods for c in p.containers) if way.startswith("ray") else ()
    return next(filter(None, (hidden_before_engine(_without_vllms_script(c)) for c in every)), "")


def _without_vllms_script(container: Container) -> Container:
    """What that does is known: as a worker it starts no head."""
    left = (c for c in container.commands if not any(w.endswith(SCRIPT) for w in c.words))
    return replace(container, commands=tuple(left))


def _fix(template: Template, leaders: list[NamedPod]) -> str:
    if template.kind == "LeaderWorkerSet":
        return "Write $(LWS_LEADER_ADDRESS), which lws sets in each pod."
    named = (p for p in leaders if p.name and p.template.subdomain)
    if (first := next(named, None)) is not None:
        return f"Write {first.name}.{first.template.subdomain}."
    return "Write the name of the pod that leads."
