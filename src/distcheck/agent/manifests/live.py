"""The rules for manifests, over objects of a live group."""

from collections.abc import Iterator, Sequence
from typing import Any

from distcheck.agent.cluster.finding.written import Written
from distcheck.agent.cluster.kinds import short_of
from distcheck.agent.manifests.bundles import bundle_of, read_thing
from distcheck.agent.manifests.kinds import Unknown
from distcheck.agent.redact import scrubbed
from distcheck.checks.evidence import Missing
from distcheck.checks.evidence.manifests import ManifestFinding, Manifests
from distcheck.checks.manifest.bundle import Thing
from distcheck.checks.manifest.finding import Told
from distcheck.checks.manifest.rules import rules

_FORM = frozenset({"CONF070", "CONF071", "CONF072"})
"""Types, fields and repeated keys: the API server took the object, and newer ones know more."""
_KEPT = ("name", "namespace", "labels", "annotations")
_MOST = 64
_CAN_SAY = 600


_ABOUT_NAMES = frozenset({"CONF020", "CONF021", "CONF022"})
"""What may have kept a pod out of the group; the rest of its workload is not the group's."""


def judged_live(written: Written) -> Manifests | Missing:
    """What the rules find in what was written for a group; never raises."""
    if not written.workloads:
        return Missing("no workload of the group could be read: nothing owns its pods")
    try:
        return _judged(written)
    except Exception as error:  # noqa: BLE001 - our bug must not keep the group from being judged
        return Missing(f"internal error while manifests were judged: {type(error).__name__}")


def _judged(written: Written) -> Manifests:
    own, lost = len(written.workloads), len(written.lost)
    things = tuple(_things([*written.workloads, *written.lost, *written.beside]))
    bundle = bundle_of(things)
    chosen = [r for r in rules() if r.id not in _FORM]
    made = {t.owner_place.of for t in bundle.templates}
    names = tuple(_name(t) for t in things if t.place.of in made and t.place.of < own)
    of_others = range(own, own + lost)
    told = [
        t for rule in chosen for t in rule.judge(bundle)
        if t.finding.spot.of not in of_others or t.id in _ABOUT_NAMES
    ]  # fmt: skip
    return Manifests(names, tuple(r.id for r in chosen), tuple(_found(told, things)))


def _things(objects: Sequence[dict[str, Any]]) -> Iterator[Thing]:
    for number, raw in enumerate(objects):
        meta = {k: v for k, v in (raw.get("metadata") or {}).items() if k in _KEPT}
        held = {k: v for k, v in raw.items() if k != "status"} | {"metadata": meta}
        try:
            yield read_thing(number, held)[0]
        except Unknown:
            continue


def _found(told: Sequence[Told], things: Sequence[Thing]) -> Iterator[ManifestFinding]:
    by_number = {t.place.of: t for t in things}
    yield from (_finding(one, by_number) for one in told[:_MOST])


def _finding(told: Told, by_number: dict[int, Thing]) -> ManifestFinding:
    found = told.finding
    source = f"{_name(by_number[found.spot.of])} {found.spot.words}".strip()
    says, fix, unseen = (scrubbed(t)[:_CAN_SAY] for t in (found.says, told.fix, found.unseen))
    return ManifestFinding(told.id, told.level, told.title, says, fix, source, unseen)


def _name(thing: Thing) -> str:
    return f"{short_of(thing.kind)}/{thing.name}"
