"""Groups that no label ties together: who joins whom by name, in one namespace."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from distcheck.agent.cluster.api import Api, Object
from distcheck.agent.cluster.errors import Ambiguous
from distcheck.agent.cluster.kinds import POD, SERVICE
from distcheck.agent.cluster.links import leader_host, names_of, points_to, starts_head
from distcheck.agent.cluster.members import living


class Ties(Struct, frozen=True):
    """All living pods of a namespace, the names of each, and the host that each one joins."""

    pods: tuple[Object, ...]
    names: Mapping[str, frozenset[str]]
    joins: Mapping[str, str]


def read_ties(api: Api, namespace: str) -> Ties:
    """Who joins whom in `namespace`.

    Raises:
        Refused, Unreachable: pods or Services cannot be listed, so a member could be missed.
    """
    pods = tuple(living(api.items(POD.path(namespace))))
    services = api.items(SERVICE.path(namespace))
    names = {name_of(p): names_of(p, services) for p in pods}
    joins = {name_of(p): host for p in pods if (host := leader_host(p))}
    return Ties(pods, names, joins)


def name_of(pod: Object) -> str:
    """The pod's name, unique in its namespace."""
    return str(pod["metadata"]["name"])


def choices(pods: Iterable[Object]) -> list[str]:
    """Pods as TARGETs."""
    return [f"pod/{name_of(p)}" for p in pods]


def tied(ties: Ties, seeds: Iterable[Object]) -> tuple[Object, ...]:
    """The leader and the workers that join it, leader first; nothing where no tie is seen.

    Raises:
        Ambiguous: the seeds' address leads to more than one leader.
    """
    mine = {name_of(p) for p in seeds}
    heads = [p for p in ties.pods if _leads(name_of(p), starts_head(p), mine, ties)]
    if len(heads) > 1:
        raise Ambiguous("workers could join several leaders", choices(heads))
    return tuple(p for head in heads for p in (head, *_workers(ties, head)))


def dangling(ties: Ties) -> tuple[str, ...]:
    """A note for each pod that joins a name which no pod of the namespace has."""
    return tuple(
        f"{pod} joins {host}, and no pod here has that name"
        for pod, host in ties.joins.items()
        if not any(points_to(host, names) for names in ties.names.values())
    )


def _workers(ties: Ties, head: Object) -> list[Object]:
    names = ties.names[name_of(head)]
    joining = [p for p in ties.pods if points_to(ties.joins.get(name_of(p), ""), names)]
    return [p for p in joining if p is not head]


def _leads(own: str, starts: bool, mine: set[str], ties: Ties) -> bool:
    """Whether pod `own` is joined by a seed, or is itself a seed and a leader."""
    joined_by = {pod for pod, host in ties.joins.items() if points_to(host, ties.names[own])}
    if own in ties.joins and own not in joined_by:
        return False
    return bool(joined_by) or starts if own in mine else bool(joined_by & mine)
