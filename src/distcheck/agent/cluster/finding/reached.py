"""The names that lead to the pods of a namespace, and whom each of them joins."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from msgspec import Struct

from distcheck.agent.cluster.finding.links import Ends, ends_of, wanted_maps
from distcheck.agent.cluster.finding.names import Selecting, called, own_names
from distcheck.agent.cluster.finding.namespace import Namespace
from distcheck.agent.cluster.finding.roster import name_of
from distcheck.agent.cluster.kinds import CONFIGMAP, SERVICE
from distcheck.agent.cluster.podspec import Object
from distcheck.agent.joined import Joined

_MOST_MAPS = 8


class Reached(Struct, frozen=True):
    """The pods that could be understood, their ends, and the names by which they are joined."""

    ends: Mapping[str, Ends]
    joined: Mapping[str, Joined]
    by_name: Mapping[str, set[str]]

    def leaders(self, pod: str) -> frozenset[str]:
        """Whom `pod` joins: of several behind one address those of its port, else Ray's heads."""
        one = self.joined[pod]
        found = frozenset().union(*(self.by_name.get(n, ()) for n in called(one.host)))
        for fewer in (self._of_port, self._heads):
            if len(found) > 1:
                found = fewer(one, found) or found
        return found

    def _of_port(self, one: Joined, found: frozenset[str]) -> frozenset[str]:
        """Where pods share their node's network, only the port tells them apart."""
        if one.port is None:
            return found
        return frozenset(n for n in found if self.ends[n].ports.get(one.way, one.port) == one.port)

    def _heads(self, one: Joined, found: frozenset[str]) -> frozenset[str]:
        """A name may lead to workers too, which join somebody themselves."""
        heads = frozenset(n for n in found if one.way == "ray" and self.ends[n].is_head)
        return heads or found.difference(self.joined)


def reach(look: Namespace, pods: Iterable[Object]) -> Reached:
    """The ends of `pods`, and of their names those that somebody joins.

    A pod that cannot be understood ties nobody, and is noted: it may be a stranger's. So are
    Services that cannot be listed, whose names then lead nowhere.
    """
    selecting = Selecting(look.every(SERVICE))
    names: dict[str, tuple[frozenset[str], ...]] = {}
    ends: dict[str, Ends] = {}
    for pod in pods:
        try:
            own = ends_of(pod, _maps(look, pod))
            names[name_of(pod)] = (selecting.names(pod), own_names(pod))
        except (AttributeError, KeyError, TypeError, ValueError):
            look.note(f"the spec of {name_of(pod)} cannot be understood: it is in no group")
            continue
        ends[name_of(pod)] = own
    joined = {n: j for n, e in ends.items() if (j := next(filter(_is_read, e.joined), None))}
    wanted = frozenset().union(*(called(j.host) for j in joined.values()))
    by_name: dict[str, set[str]] = defaultdict(set)
    for pod_name, held in names.items():
        for name in (n for some in held for n in some & wanted):
            by_name[name].add(pod_name)
    return Reached(ends, joined, by_name)


def _is_read(one: Joined) -> bool:
    return one.is_read


def _maps(look: Namespace, pod: Object) -> dict[str, Mapping[str, str]]:
    """The ConfigMaps that tell what it joins, a few for all pods: each costs a request."""
    asked, wanted = look.asked(CONFIGMAP), wanted_maps(pod)
    new = [n for n in wanted if n not in asked][: max(_MOST_MAPS - len(asked), 0)]
    names = [n for n in wanted if n in asked or n in new]
    found = {n: look.seek(CONFIGMAP, n) or {} for n in names}
    return {n: {str(k): str(v) for k, v in (o.get("data") or {}).items()} for n, o in found.items()}
