"""Annotations `distcheck.io/ignore` that silence nothing, as comments that do are told."""

from collections.abc import Collection, Iterable, Iterator, Sequence

from distcheck.agent.cluster.kinds import short_of
from distcheck.agent.manifests.bundles import Known
from distcheck.agent.manifests.locate import located
from distcheck.agent.manifests.source import Problem
from distcheck.checks.manifest.bundle import Thing
from distcheck.checks.manifest.finding import Told
from distcheck.checks.manifest.ignored import (
    ANNOTATION,
    annotations,
    misspelt,
    silences,
    silencing,
)
from distcheck.checks.manifest.rules import rules as every_rule

Silencing = tuple[str, int, str]
"""File, line of an annotation, and a rule that it silenced."""


def silencing_of(held: Known, told: Told) -> set[Silencing]:
    """Which annotation silenced a finding."""
    by = silencing(held.thing.place, told.finding.spot.path, told.id)
    if by is None:
        return set()
    at = located(held, by[0])
    return {(at.file, at.line, told.id)}


def idle_annotations(
    held: Sequence[Known], judged: Collection[str], used: Collection[Silencing]
) -> Iterator[Problem]:
    """Those that name no rule, or silence nothing of the rules that were judged.

    A patch is not judged, so nothing can be said of its own.
    """
    every = {r.id for r in every_rule()}
    sources = {id(k.document.source): k.document.source for k in held}
    telling = {i for i, s in sources.items() if any(ANNOTATION in line for line in s.lines)}
    for one in held:
        if one.thing.patch or id(one.document.source) not in telling:
            continue
        for place in annotations(one.thing.place):
            at = located(one, place.spot)
            idle = [r for r in silences(place) if r in judged and (at.file, at.line, r) not in used]
            if wrong := misspelt(place, every):
                yield Problem(at.file, at.line, at.column, wrong, fatal=False, misspelt=True)
            for says in map(_silent, idle):
                yield Problem(at.file, at.line, at.column, says, fatal=False)


def idle_in_cluster(
    things: Sequence[Thing], judged: Collection[str], told: Iterable[Told]
) -> Iterator[str]:
    """The same of live objects, in words; `told` are the findings in all of them."""
    every = {r.id for r in every_rule()}
    roots = {t.place.of: t.place for t in things}
    used = {
        (by[0], one.id)
        for one in told
        if (root := roots.get(one.finding.spot.of)) is not None
        and (by := silencing(root, one.finding.spot.path, one.id)) is not None
    }
    for thing in things:
        for place in annotations(thing.place):
            idle = [r for r in silences(place) if r in judged and (place.spot, r) not in used]
            for says in filter(None, [misspelt(place, every), *map(_silent, idle)]):
                yield f"{short_of(thing.kind)}/{thing.name}, {ANNOTATION}: {says}"


def _silent(rule: str) -> str:
    return f"this annotation silences nothing: {rule} finds nothing there"
