"""Pods that may be of a group, and are in none: their address is wrong, shared or unreadable."""

from collections.abc import Iterable, Sequence

from distcheck.agent.cluster.api import Object
from distcheck.agent.cluster.finding.namespace import Namespace
from distcheck.agent.cluster.finding.roster import name_of
from distcheck.agent.cluster.finding.ties import Ties
from distcheck.agent.cluster.intent.declared import declared_intent
from distcheck.agent.cluster.podspec import containers, gpus_of


def may_lack(look: Namespace, ties: Ties, members: Sequence[Object]) -> str:
    """Why more pods may be of this group than were found; empty where nothing says so."""
    torn = (*_left_out(ties, members), *_astray(ties, members))
    lost = (
        (*_unreadable(ties, members), *_astray(ties, ties.pods)) if _is_short(ties, members) else ()
    )
    for says in (*torn, *lost):
        look.note(says)
    return next((f"{says}: members may be missing" for says in (*torn, *lost)), "")


def _is_short(ties: Ties, members: Sequence[Object]) -> bool:
    """Whether these pods have fewer GPUs than their engine needs.

    Where that is not known, a lone head of Ray, or a pod that joins somebody, lacks others.
    """
    intent = declared_intent(members)
    gpus = sum(gpus_of(c) for p in members for c in containers(p))
    if intent.world_size is None or not gpus:
        joining = ties.heads | ties.unread
        return len(members) == 1 and name_of(members[0]) in joining
    return gpus < intent.world_size


def dangling(ties: Ties, seeds: Iterable[Object]) -> tuple[str, ...]:
    """A note for each pod that joins a name which no pod of the namespace has."""
    return _astray(ties, seeds) or _astray(ties, ties.pods)


def _astray(ties: Ties, members: Iterable[Object]) -> tuple[str, ...]:
    """The same for these pods alone."""
    found = frozenset().union(*ties.joined_by.values(), ties.torn)
    mine = map(name_of, members)
    lost = [pod for pod in mine if pod in ties.hosts and pod not in found]
    return tuple(f"{pod} joins {ties.hosts[pod]}, and no pod here has that name" for pod in lost)


def _left_out(ties: Ties, members: Iterable[Object]) -> tuple[str, ...]:
    """A note for each pod that may belong to these members, and whose address fits others too."""
    mine = {name_of(p) for p in members}
    return tuple(
        f"{pod} joins {ties.hosts[pod]}, which leads to {', '.join(sorted(leaders))}: it is in"
        " no group"
        for pod, leaders in sorted(ties.torn.items())
        if pod not in mine and not mine.isdisjoint(leaders)
    )


def _unreadable(ties: Ties, members: Iterable[Object]) -> tuple[str, ...]:
    """A note for each pod that joins an address which its spec does not tell.

    Such a pod may be a worker of `members`, or these may be its leader's: where one of them
    is such a pod, only those are told.
    """
    mine = {name_of(p) for p in members}
    those = sorted(ties.unread & mine or ties.unread)
    return tuple(f"{pod} joins an address that cannot be read from its spec" for pod in those)
