"""The rules for manifests, over objects of a live group."""

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any

from distcheck.agent.cluster.finding.written import Written
from distcheck.agent.cluster.kinds import short_of
from distcheck.agent.manifests.annotated import idle_in_cluster
from distcheck.agent.manifests.bundles import bundle_of, read_thing
from distcheck.agent.manifests.hiding import hidden_words, said
from distcheck.agent.manifests.kinds import Unknown
from distcheck.agent.manifests.resting import (
    ABOUT_NAMES,
    TOO_MANY,
    as_sure,
    as_whole,
    kept_of,
    unread_of,
    unsure,
)
from distcheck.agent.manifests.secret_values import secret_values
from distcheck.checks.evidence import Missing
from distcheck.checks.evidence.manifests import ManifestFinding, Manifests
from distcheck.checks.evidence.policy import NetworkPolicies
from distcheck.checks.grounds import Aside, aside
from distcheck.checks.manifest.bug import Bug, contained
from distcheck.checks.manifest.bundle import Bundle, Thing
from distcheck.checks.manifest.finding import Told
from distcheck.checks.manifest.rule import Rule
from distcheck.checks.manifest.rules import rules

_OF_FILES = frozenset({"CONF070", "CONF071", "CONF072", "CONF103", "CONF108", "CONF056"})
"""Types, fields and repeated keys: the API server took the object, and newer ones know more. What
nothing uses is not read in a cluster, and no object of KServe."""
_KEPT = ("name", "namespace", "labels", "annotations")
_MOST_NOTES, _CAN_SAY = 8, 600
UNASKED = Missing("NetworkPolicies were not asked for")
Judged = Manifests | Missing


def judged_live(written: Written, policies: NetworkPolicies | Missing = UNASKED) -> Judged:
    """What the rules find in what was written for a group, and in `policies`; never raises."""
    if not written.workloads:
        return Missing(written.why or "nothing was read of what was written for the group")
    try:
        return _judged(written, policies)
    except Exception as error:  # noqa: BLE001 - our bug must not keep the group from being judged
        return Missing(f"internal error while manifests were judged: {type(error).__name__}")


def _judged(written: Written, policies: NetworkPolicies | Missing) -> Manifests:
    own, lost = len(written.workloads), len(written.lost)
    closing = [] if unsure(policies) else _policies(policies, written.workloads[0])
    things = tuple(_things([*written.workloads, *written.lost, *written.beside, *closing]))
    bundle = as_whole(bundle_of(things), written.why)
    chosen = [r for r in rules() if r.id not in _OF_FILES]
    made = {t.owner_place.of for t in bundle.templates}
    names = tuple(_name(t) for t in things if t.place.of in made and t.place.of < own)
    of_others = range(own, own + lost)
    bugs: list[Bug] = []
    told = [
        t for rule in chosen for t in rule.judge(bundle, bugs)
        if t.finding.spot.of not in of_others or t.id in ABOUT_NAMES
    ]  # fmt: skip
    kept, more = kept_of(as_sure(told, written))
    unread = dict.fromkeys(more.keys() - {t.id for t in kept}, TOO_MANY)
    unread |= unread_of(written, policies, chosen)
    told_aside = dict(_asides(chosen, bundle, bugs))
    secrets = secret_values(bundle)
    raised = {b.rule: _raised(b, secrets) for b in bugs}
    unread = (
        {i: said(a.says, secrets) for i, a in told_aside.items() if a.is_open} | unread | raised
    )
    apart = {i: said(a.says, secrets) for i, a in told_aside.items() if not a.is_open}
    found = tuple(_found(kept, things, secrets))
    looked = {r.id for r in chosen} - unread.keys()
    mine = [t for t in things if t.place.of < own]
    notes = islice(chain(raised.values(), idle_in_cluster(mine, looked, told)), _MOST_NOTES)
    ids = tuple(r.id for r in chosen)
    return Manifests(names, ids, found, unread, more, apart, tuple(said(n, secrets) for n in notes))


def _raised(bug: Bug, secrets: Sequence[str]) -> str:
    return said(f"internal error in {bug.rule}: {bug.says}", secrets)


def _asides(chosen: Sequence[Rule], bundle: Bundle, bugs: list[Bug]) -> Iterator[tuple[str, Aside]]:
    for rule in chosen:
        with contained(bugs, rule.id):
            if found := aside(rule.id, bundle):
                yield rule.id, found


def _policies(policies: NetworkPolicies | Missing, beside: dict[str, Any]) -> list[dict[str, Any]]:
    specs = {} if isinstance(policies, Missing) else policies.specs
    space = (beside.get("metadata") or {}).get("namespace", "")
    head = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"}
    metas = ((n, {"name": n, "namespace": space}) for n in specs)
    return [{**head, "metadata": meta, "spec": specs[n]} for n, meta in metas]


def bare(raw: dict[str, Any]) -> dict[str, Any]:
    """What rules see of an object: not its status, nor what the API server keeps beside it."""
    meta = {k: v for k, v in (raw.get("metadata") or {}).items() if k in _KEPT}
    return {k: v for k, v in raw.items() if k != "status"} | {"metadata": meta}


def _things(objects: Sequence[dict[str, Any]]) -> Iterator[Thing]:
    for number, raw in enumerate(objects):
        try:
            yield read_thing(number, bare(raw))[0]
        except Unknown:
            continue


def _found(
    told: Sequence[Told], things: Sequence[Thing], secrets: Sequence[str]
) -> Iterator[ManifestFinding]:
    by_number = {t.place.of: t for t in things}
    yield from (_finding(one, by_number, secrets) for one in told)


def _finding(told: Told, by_number: dict[int, Thing], secrets: Sequence[str]) -> ManifestFinding:
    found = told.finding
    source = f"{_name(by_number[found.spot.of])} {found.spot.words}".strip()
    values = (by_number[s.of].place.at(*s.path).value for s in (found.spot, *found.also))
    words = tuple(chain.from_iterable(map(hidden_words, values)))
    texts = (found.says, told.fix, found.unseen, source, told.silenced or "")
    says, fix, unseen, source, reason = (said(t, secrets, words)[:_CAN_SAY] for t in texts)
    silenced = None if told.silenced is None else reason
    return ManifestFinding(told.id, told.level, told.title, says, fix, source, unseen, silenced)


def _name(thing: Thing) -> str:
    return f"{short_of(thing.kind)}/{thing.name}"
