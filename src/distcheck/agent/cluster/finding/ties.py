"""Groups that no label ties together: who joins whom by name, in one namespace."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from msgspec import Struct

from distcheck.agent.cluster.api import Object
from distcheck.agent.cluster.errors import Ambiguous
from distcheck.agent.cluster.finding.links import called, leader_host, names_of, starts_head
from distcheck.agent.cluster.finding.members import living
from distcheck.agent.cluster.finding.namespace import Namespace
from distcheck.agent.cluster.finding.roster import choices, name_of


class Ties(Struct, frozen=True):
    """The pods of a namespace, there or not, and who joins whom.

    `hosts` is what each pod joins, as it is written; `joined_by` are the pods that join one.
    """

    pods: tuple[Object, ...]
    hosts: Mapping[str, str]
    joined_by: Mapping[str, frozenset[str]]

    def leads(self, pod: Object, mine: frozenset[str]) -> bool:
        """Whether `pod` is joined by a seed, or is itself a seed and a leader."""
        own = name_of(pod)
        joining = self.joined_by.get(own, frozenset())
        if own in self.hosts and own not in joining:
            return False
        if own not in mine:
            return not mine.isdisjoint(joining)
        return bool(joining) or starts_head(pod)


def read_ties(look: Namespace, absent: Iterable[Object] = ()) -> Ties:
    """Who joins whom; `absent` are pods as they would be.

    Raises:
        Refused, Unreachable: pods or Services cannot be listed, so a member could be missed.
    """
    pods = (*living(look.pods()), *absent)
    services = look.services()
    by_name: dict[str, set[str]] = defaultdict(set)
    for pod in pods:
        for name in names_of(pod, services):
            by_name[name].add(name_of(pod))
    hosts = {name_of(p): host for p in pods if (host := leader_host(p))}
    joined_by: dict[str, set[str]] = defaultdict(set)
    for pod_name, host in hosts.items():
        for leader in set().union(*(by_name.get(n, ()) for n in called(host))):
            joined_by[leader].add(pod_name)
    return Ties(pods, hosts, {k: frozenset(v) for k, v in joined_by.items()})


def tied(ties: Ties, seeds: Iterable[Object]) -> tuple[Object, ...]:
    """The leader and the workers that join it, leader first; nothing where no tie is seen.

    Raises:
        Ambiguous: the seeds' address leads to more than one leader.
    """
    mine = frozenset(name_of(p) for p in seeds)
    heads = [p for p in ties.pods if ties.leads(p, mine)]
    if len(heads) > 1:
        raise Ambiguous("several leaders fit; name one", choices(heads))
    return tuple(p for head in heads for p in (head, *_workers(ties, head)))


def dangling(ties: Ties, seeds: Iterable[Object]) -> tuple[str, ...]:
    """A note for each pod that joins a name which no pod of the namespace has."""
    found = frozenset().union(*ties.joined_by.values())
    lost = [pod for pod in ties.hosts if pod not in found]
    mine = {name_of(p) for p in seeds}
    near = [pod for pod in lost if pod in mine] or lost
    return tuple(f"{pod} joins {ties.hosts[pod]}, and no pod here has that name" for pod in near)


def _workers(ties: Ties, head: Object) -> list[Object]:
    joining = ties.joined_by.get(name_of(head), frozenset())
    return [p for p in ties.pods if name_of(p) in joining and p is not head]
