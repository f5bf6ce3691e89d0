"""Groups that no label ties together: who joins whom by name, in one namespace."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from msgspec import Struct

from distcheck.agent.cluster.errors import Ambiguous
from distcheck.agent.cluster.finding.namespace import Namespace
from distcheck.agent.cluster.finding.reached import reach
from distcheck.agent.cluster.finding.roster import choices, name_of
from distcheck.agent.cluster.podspec import Object


class Ties(Struct, frozen=True):
    """The pods of a namespace, there or not, and who joins whom.

    `hosts` is what each pod joins, as it is written; `joined_by` are the pods that join one.
    `torn` are pods whose address leads to several leaders, with these; `unread` are pods that
    join an address which cannot be read from their specs.
    """

    pods: tuple[Object, ...]
    hosts: Mapping[str, str]
    joined_by: Mapping[str, frozenset[str]]
    torn: Mapping[str, frozenset[str]] = {}
    unread: frozenset[str] = frozenset()
    heads: frozenset[str] = frozenset()

    def leads(self, pod: Object, mine: frozenset[str]) -> bool:
        """Whether `pod` is joined by a seed, or is itself a seed and a leader."""
        own = name_of(pod)
        joining = self.joined_by.get(own, frozenset())
        if own in self.hosts and own not in joining:
            return False
        if own not in mine:
            return not mine.isdisjoint(joining)
        return bool(joining) or own in self.heads


def read_ties(look: Namespace, alive: Iterable[Object], absent: Iterable[Object] = ()) -> Ties:
    """Who joins whom; `absent` are pods as they would be.

    Raises:
        Refused, Unreachable: Services cannot be listed, so a member could be missed.
    """
    pods = (*alive, *absent)
    reached = reach(look, pods)
    leaders = {n: reached.leaders(n) for n in reached.joined}
    joined_by: dict[str, set[str]] = defaultdict(set)
    for name, found in leaders.items():
        if len(found) == 1:
            joined_by[next(iter(found))].add(name)
    return Ties(
        pods,
        {n: j.host for n, j in reached.joined.items()},
        {k: frozenset(v) for k, v in joined_by.items()},
        {n: found for n, found in leaders.items() if len(found) > 1},
        frozenset(n for n, e in reached.ends.items() if e.joined and n not in reached.joined),
        frozenset(n for n, e in reached.ends.items() if e.is_head),
    )


def tied(ties: Ties, seeds: Iterable[Object]) -> tuple[Object, ...]:
    """The leader and the workers that join it, leader first; nothing where no tie is seen.

    Raises:
        Ambiguous: the seeds' address leads to more than one leader.
    """
    mine = frozenset(name_of(p) for p in seeds)
    if torn := frozenset().union(*(ties.torn.get(n, ()) for n in mine)) - mine:
        raise Ambiguous("several leaders fit; name one", (f"pod/{n}" for n in sorted(torn)))
    heads = [p for p in ties.pods if ties.leads(p, mine)]
    if len(heads) > 1:
        raise Ambiguous("several leaders fit; name one", choices(heads))
    return tuple(p for head in heads for p in (head, *_workers(ties, head)))


def _workers(ties: Ties, head: Object) -> list[Object]:
    joining = ties.joined_by.get(name_of(head), frozenset())
    return [p for p in ties.pods if name_of(p) in joining and p is not head]
