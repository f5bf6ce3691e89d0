"""What of the rules' findings stands where something of a live group was not read or not kept."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from distcheck.agent.cluster.finding.written import LOST, OTHERS, Written
from distcheck.checks.evidence import Missing
from distcheck.checks.evidence.policy import NetworkPolicies
from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.finding import LEVELS, Told
from distcheck.checks.manifest.rule import Rule

_MOST_OPEN, _MOST_SILENCED, _MOST = 8, 2, 128
"""Of one rule, and of all."""
TOO_MANY = "there are more findings than are kept"

ABOUT_NAMES = frozenset({"CONF020", "CONF021", "CONF022"})
"""What may have kept a pod out of the group; the rest of its workload is not the group's."""
_BY_SPEC = frozenset({
    "CONF024", "CONF029", "CONF060", "CONF062", "CONF063", "CONF065", "CONF075", "CONF078",
    "CONF079", "CONF082", "CONF088", "CONF089", "CONF090", "CONF091", "CONF092", "CONF096",
    "CONF097", "CONF098", "CONF100",
})  # fmt: skip
"""What no start script can change."""
_RESTS_ON = {
    "PersistentVolumeClaim": ("CONF090",),
    "NetworkPolicy": ("CONF029",),
    "Namespace": ("CONF097",),
    "Service": (
        "CONF020", "CONF024", "CONF025", "CONF027", "CONF028", "CONF030", "CONF036", "CONF038",
        "CONF082", "CONF118",
    ),
    OTHERS: ("CONF024",),
    LOST: tuple(sorted(ABOUT_NAMES)),
}  # fmt: skip
"""Rules that can find nothing where objects of a kind could not be read."""
_OPEN_NAMES = frozenset({"CONF020", "CONF027"})
_TAKEN_BACK = _OPEN_NAMES | {"CONF022", "CONF024", "CONF028", "CONF099"}
"""What is missing for these may be in a Service, or in a workload, that could not be read."""


def as_whole(bundle: Bundle, why: str) -> Bundle:
    """No group is whole where a workload could not be read."""
    if not why:
        return bundle
    groups = tuple(replace(g, is_whole=False, open=g.open or why) for g in bundle.groups)
    return replace(bundle, groups=groups)


def as_sure(told: Iterable[Told], written: Written) -> Iterator[Told]:
    """What an object that could not be read may mend is a hint."""
    others = written.unread.get(OTHERS, "")
    names = next((w for k in ("Service", LOST) if (w := written.unread.get(k))), others)
    open_ = {**dict.fromkeys(_TAKEN_BACK, ""), **dict.fromkeys(_OPEN_NAMES, names)}
    open_["CONF024"] = others
    for one in told:
        why = written.why or open_[one.id] if one.id in open_ else ""
        if why and not one.finding.unseen:
            one = replace(one, level="hint", finding=replace(one.finding, unseen=why))  # noqa: PLW2901
        yield one


def kept_of(told: Iterable[Told]) -> tuple[list[Told], dict[str, int]]:
    """The gravest of each rule, those that nothing silences first, and how many more there are."""
    by_rule: dict[str, list[Told]] = defaultdict(list)
    for one in told:
        by_rule[one.id].append(one)
    kept: list[Told] = []
    for found in by_rule.values():
        held = sorted(found, key=lambda t: LEVELS.index(t.level))
        kept += [t for t in held if t.silenced is None][:_MOST_OPEN]
        kept += [t for t in held if t.silenced is not None][:_MOST_SILENCED]
    kept = sorted(kept, key=lambda t: LEVELS.index(t.level))[:_MOST]
    counts = Counter(t.id for t in kept)
    left = {i: len(found) - counts[i] for i, found in by_rule.items()}
    return sorted(kept, key=lambda t: t.id), {i: n for i, n in left.items() if n}


def unread_of(
    written: Written, policies: NetworkPolicies | Missing, chosen: Sequence[Rule]
) -> dict[str, str]:
    """By rule, why what it judges is not among the objects."""
    every = tuple(r.id for r in chosen)
    scripts = tuple(i for i in every if i not in _BY_SPEC)
    rests: Mapping[str, Sequence[str]] = {**_RESTS_ON, "ConfigMap": scripts, "": every}
    kinds = {**written.unread, "NetworkPolicy": unsure(policies), "": written.why}
    return {rule: why for k, why in kinds.items() if why for rule in rests.get(k, ())}


def unsure(policies: NetworkPolicies | Missing) -> str:
    """Why policies are not judged: another engine's may allow what these do not."""
    if isinstance(policies, Missing):
        return policies.reason
    beside = policies.others[0] if policies.others else ""
    return f"{beside} is there too, and is not evaluated" if beside else ""
