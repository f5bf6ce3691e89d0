"""Serving groups on paper: one for each multi-pod resource, else by the addresses that pods join."""  # noqa: E501

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from distcheck.agent.cluster.intent.beside import Beside
from distcheck.agent.cluster.intent.declared import declared_intent
from distcheck.agent.manifests.kinds import NIM_VALUES
from distcheck.agent.manifests.made import Made
from distcheck.checks.manifest.bundle import Service
from distcheck.checks.manifest.group import Group, Member
from distcheck.checks.manifest.in_part import BASES
from distcheck.checks.manifest.template import Template

Raw = dict[str, Any]
ConfigMaps = Mapping[str, Mapping[str, str]]
_RESOURCES = frozenset({"RayService", "RayJob", "RayCluster", "NIMService"})


NOBODY_JOINS = "nothing in these files joins it"


class Pair(Struct, frozen=True):
    """A template as it is made, and as rules see it."""

    made: Made
    template: Template


def groups_of(
    namespace: str, pairs: Sequence[Pair], services: Sequence[Raw], maps: ConfigMaps
) -> Iterator[Group]:
    """The groups of one namespace that serve: those that have GPUs or run an engine."""
    tied: dict[str, list[Pair]] = defaultdict(list)
    pairs = [p for p in pairs if p.template.kind not in BASES]
    for pair in pairs:
        if pair.made.tie:
            tied[pair.made.tie].append(pair)
    for held in tied.values():
        if any(p.template.serves for p in held):
            yield _of_resource(held, maps)
    plain = [p for p in pairs if not p.made.tie and p.template.serves]
    if plain:
        from distcheck.agent.manifests.joined_groups import (  # noqa: PLC0415 - many inputs have none
            joined_groups,
        )

        yield from joined_groups(namespace, plain, services, maps)


def across_namespaces(
    groups: Sequence[Group], templates: Sequence[Template], services: Sequence[Service]
) -> Iterator[Group]:
    """The groups of all namespaces; of one that nobody joins, who tries from another namespace.

    They are one group where they join it by the full name of a Service that leads to it alone.
    """
    named: dict[str, list[Service]] = defaultdict(list)
    for service in services:
        named[service.namespace].append(service)
    joining: dict[str, list[Template]] = defaultdict(list)
    for template in templates:
        for join in (j for c in template.every for j in c.joins):
            joining[".".join(join.labels)].append(template)
    found: list[Group] = []
    taken: set[int] = set()
    for group in groups:
        own = group.leader.template.namespace
        called = named[own] if group.open == NOBODY_JOINS and own else []
        names = {n for s in called for n in (s.name, f"{s.name}.{own}")}
        hosts = sorted(joining.keys() & names)
        others = [(host, t) for host in hosts for t in joining[host] if t.namespace != own]
        workers = _workers(group, others, called, groups)
        taken |= {id(w) for w in workers}
        if workers:
            group = _with(group, workers)  # noqa: PLW2901 - the same group, now whole
        elif others:
            group = replace(group, open=_why(own, *others[0]))  # noqa: PLW2901 - as above
        found.append(group)
    originals = zip(found, groups, strict=True)
    yield from (now for now, before in originals if id(before) not in taken)


def _workers(
    head: Group,
    others: Sequence[tuple[str, Template]],
    services: Sequence[Service],
    groups: Sequence[Group],
) -> list[Group]:
    """The groups of those who join `head` from other namespaces; none where one is not sure."""
    own, leader = head.leader.template.namespace, head.leader.template
    ways = {host: s for s in services for host in (f"{s.name}.{own}",)}
    if not others or any(host not in ways or ways[host].selects != (leader,) for host, _ in others):
        return []
    told = {id(t) for _, t in others}
    found = [g for g in groups if id(g.leader.template) in told]
    plain = all(len(g.members) == 1 and g.leader.template.pods for g in found)
    alike = all(g.intent.tp in (None, head.intent.tp) for g in found)
    whole = len(head.members) == 1 and head.leader.pods == 1
    return found if plain and alike and whole and len(found) == len(told) else []


def _with(head: Group, workers: Sequence[Group]) -> Group:
    members = (Member(w.leader.template, w.leader.template.pods) for w in workers)
    leader = replace(head.leader, leads=True)
    how = "tied by the address that the workers join"
    return replace(head, how=how, members=(leader, *members), is_whole=True, open="")


def _why(own: str, host: str, other: Template) -> str:
    who = f"{other.what} in namespace {other.namespace or '(none)'} joins"
    if "." in host:
        return f"{who} it, and what else is in the group is not sure"
    return f"nothing in namespace {own} joins it, and {who} a {host} of its own"


def _of_resource(held: Sequence[Pair], maps: ConfigMaps) -> Group:
    first = sorted(held, key=lambda p: p.template.part != "leader")
    thing = first[0].made.thing
    members = tuple(Member(p.template, p.template.pods, p.template.part == "leader") for p in first)
    raws = [raw for p in first for raw in [p.made.pod(0)]]
    raw = {**thing.place.value, "kind": thing.kind, "metadata": {"name": thing.name}}
    beside = Beside(maps, (raw,) if thing.kind in _RESOURCES else ())
    name = thing.what if thing.name or thing.kind != NIM_VALUES else "the NIM of these values"
    intent = declared_intent(raws, beside, ())
    return Group(name, f"of one {thing.kind}", members, intent)
