"""Serving groups on paper: one for each multi-pod resource, else by the addresses that pods join."""  # noqa: E501

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from distcheck.agent.cluster.errors import ClusterError
from distcheck.agent.cluster.finding.copies import is_whole
from distcheck.agent.cluster.finding.links import ends_of
from distcheck.agent.cluster.finding.ties import Ties, read_ties
from distcheck.agent.cluster.intent.beside import Beside
from distcheck.agent.cluster.intent.declared import declared_intent
from distcheck.agent.manifests.making import MOST_PODS, Made
from distcheck.agent.manifests.paper import paper
from distcheck.checks.manifest.group import Group, Member
from distcheck.checks.manifest.template import Template

Raw = dict[str, Any]
ConfigMaps = Mapping[str, Mapping[str, str]]
_RESOURCES = frozenset({"RayService", "RayJob", "RayCluster", "NIMService"})


class Pair(Struct, frozen=True):
    """A template as it is made, and as rules see it."""

    made: Made
    template: Template


def groups_of(
    namespace: str, pairs: Sequence[Pair], services: Sequence[Raw], maps: ConfigMaps
) -> Iterator[Group]:
    """The groups of one namespace that serve: those that have GPUs or run an engine."""
    tied: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        if pair.made.tie:
            tied[pair.made.tie].append(pair)
    for held in tied.values():
        if any(p.template.serves for p in held):
            yield _of_resource(held, maps)
    plain = [p for p in pairs if not p.made.tie and p.template.serves]
    yield from _plain(namespace, plain, services, maps)


def _of_resource(held: Sequence[Pair], maps: ConfigMaps) -> Group:
    first = sorted(held, key=lambda p: p.template.part != "leader")
    thing = first[0].made.thing
    members = tuple(Member(p.template, p.template.pods, p.template.part == "leader") for p in first)
    raws = [raw for p in first for raw in [p.made.pod(0)]]
    raw = {**thing.place.value, "kind": thing.kind, "metadata": {"name": thing.name}}
    beside = Beside(maps, (raw,) if thing.kind in _RESOURCES else ())
    name = f"{thing.kind} {thing.name or '(no name)'}"
    return Group(name, f"of one {thing.kind}", members, _intent(raws, beside))


def _plain(
    namespace: str, pairs: Sequence[Pair], services: Sequence[Raw], maps: ConfigMaps
) -> Iterator[Group]:
    """Deployments, StatefulSets, Jobs and Pods: tied where one joins the other."""
    look = paper(namespace, services, maps)
    raws = _pods(pairs)
    pods = [raw for raw, _ in raws.values()]
    by_pair = {name: pair for name, (_, pair) in raws.items()}
    by_name = {p["metadata"]["name"]: p for p in pods}
    try:
        ties = read_ties(look, pods)
    except ClusterError:
        return
    taken: set[str] = set()
    for head in [p["metadata"]["name"] for p in pods]:
        joining = [n for n in by_name if n in ties.joined_by.get(head, ()) and n != head]
        if joining and head not in taken:
            names = [head, *(n for n in joining if n not in taken)]
            taken |= set(names)
            yield _of_names(names, by_pair, by_name, maps, _lost(ties, taken))
    for pair in pairs:
        names = [n for n, p in by_pair.items() if p is pair and n not in taken]
        if names:
            yield from _alone(pair, names, by_pair, by_name, maps, ties)


def _pods(pairs: Sequence[Pair]) -> dict[str, tuple[Raw, Pair]]:
    """The first pods of each template, by names that differ."""
    found: dict[str, tuple[Raw, Pair]] = {}
    for order, pair in enumerate(pairs):
        for number in range(min(pair.made.count or 1, MOST_PODS)):
            raw = pair.made.pod(number)
            name = raw["metadata"]["name"]
            if name in found:
                name = raw["metadata"]["name"] = f"{name}~{order}"
            found[name] = (raw, pair)
    return found


def _lost(ties: Ties, taken: Iterable[str]) -> str:
    """Why pods may be missing from a group: they join an address that leads nowhere here."""
    have = set(taken)
    joined = (
        frozenset().union(*ties.joined_by.values(), ties.torn) if ties.joined_by else frozenset()
    )
    lost = sorted(n for n in ties.hosts if n not in joined and n not in have)
    return f"{lost[0]} joins {ties.hosts[lost[0]]}, which is not in these files" if lost else ""


def _alone(
    pair: Pair,
    names: Sequence[str],
    by_pair: Mapping[str, Pair],
    by_name: Mapping[str, Raw],
    maps: ConfigMaps,
    ties: Ties,
) -> Iterator[Group]:
    """A workload that nobody joins: each pod a copy of its own, or all of them one group."""
    first = by_name[names[0]]
    whole = is_whole(first)
    ends = ends_of(first, maps)
    joining = ties.hosts.get(names[0]) or (names[0] in ties.unread and "an address")
    one = whole is not False and pair.made.kind not in ("StatefulSet", "Job")
    one = one or whole is True or pair.made.kind == "DaemonSet"
    group = _of_names(names[:1] if one else names, by_pair, by_name, maps, "")
    why = ""
    if joining:
        why = f"it joins {joining}, which is not in these files"
    elif ends.is_head:
        why = "nothing in these files joins it"
    elif whole is None:
        why = "its command line does not say what it asks for"
    yield replace(group, is_whole=not why, open=why)


def _of_names(
    names: Sequence[str],
    by_pair: Mapping[str, Pair],
    by_name: Mapping[str, Raw],
    maps: ConfigMaps,
    lost: str,
) -> Group:
    """The group of these pods, its leader first."""
    counts: dict[int, int] = defaultdict(int)
    pairs: dict[int, Pair] = {}
    for name in names[1:]:
        counts[id(by_pair[name])] += 1
        pairs[id(by_pair[name])] = by_pair[name]
    leading = by_pair[names[0]]
    members = [Member(leading.template, 1, leads=True)]
    for key, pair in pairs.items():
        members.append(Member(pair.template, _scaled(counts[key], pair.made)))
    if leading.made.kind == "DaemonSet":
        members[0] = replace(members[0], pods=1)
    first = [by_name[n] for n in _one_each(names, by_pair)]
    how = "tied by the address that the workers join" if len(names) > 1 else "of one pod"
    title = leading.template.what
    intent = _intent(first, Beside(maps))
    return Group(title, how, tuple(members), intent, not lost, lost)


def _one_each(names: Sequence[str], by_pair: Mapping[str, Pair]) -> Iterator[str]:
    """The leader, and one pod of each template beside it."""
    told: set[int] = set()
    for position, name in enumerate(names):
        key = id(by_pair[name])
        if position == 0 or key not in told:
            yield name
        if position:
            told.add(key)


def _scaled(seen: int, made: Made) -> int | None:
    """All pods of a template where only the first few were looked at."""
    if made.count is None:
        return None
    return seen + max(made.count - MOST_PODS, 0)


def _intent(pods: Sequence[Raw], beside: Beside) -> Any:
    """What they ask for; sources call pods by name, so those that were made up are cleaned."""
    return declared_intent(pods, beside, ())
