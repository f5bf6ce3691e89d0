"""Rules for manifests in a report: what is wrong on paper stands beside what was seen."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from msgspec import Struct, structs

from distcheck.checks.evidence import Cite, Missing
from distcheck.checks.evidence.manifests import ManifestFinding, Manifests
from distcheck.checks.verdict import Verdict, failed, passed, skipped, unknown, warned

_MOST_TOLD = 3
_STARTS = (
    "CONF001", "CONF002", "CONF004", "CONF005", "CONF008", "CONF011", "CONF012", "CONF013",
    "CONF016", "CONF017", "CONF034", "CONF035", "CONF037", "CONF049", "CONF051", "CONF085",
    "CONF104", "CONF107", "CONF109", "CONF111", "CONF112", "CONF115", "CONF116", "CONF117",
    "CONF119",
)  # fmt: skip
"""What keeps ranks from starting, or from meeting: one world of all ranks says that they did."""
_ANSWERED_BY = {
    **dict.fromkeys(_STARTS, "SHARD002"),
    "CONF003": "RAY002",
    "CONF020": "NET002", "CONF021": "RAY001", "CONF022": "RAY001", "CONF029": "NET003",
    "CONF040": "RDMA001",
    "CONF041": "NCCL001", "CONF042": "NCCL002", "CONF043": "RDMA001", "CONF060": "SHM001",
    "CONF061": "SHM001", "CONF064": "SHM001", "CONF120": "NET004",
}  # fmt: skip
"""Where this check passes, what the rule feared was looked at, and is not so."""
_PUT_INTO_PODS = frozenset({"CONF040", "CONF043", "CONF060", "CONF064"})
"""What these miss in a template a webhook may have put into the pods: RDMA devices, IPC_LOCK,
/dev/shm. Only the check beside it proves that the pods lack it."""
_WEBHOOKS = "as it is written: a webhook may have put it into the pods"


class OnPaper(Struct, frozen=True):
    """Which rules a report tells of.

    Those that are `named`, with their titles, in any case; with `others` each that found an error
    or a warning; but none that is `left` out.
    """

    named: Mapping[str, str] = {}
    others: bool = True
    left: frozenset[str] = frozenset()


class Told(Struct, frozen=True):
    """One rule's verdict, with its title."""

    id: str
    title: str
    verdict: Verdict


def on_paper(
    manifests: Manifests | Missing,
    asked: OnPaper,
    passing: Collection[str] = (),
    failing: Collection[str] = (),
    *,
    require: Collection[str] = (),
    proven: bool = False,
) -> Iterator[Told]:
    """The verdicts that are told, by id; `passing` and `failing` are checks that did.

    With `proven` the group runs and is right: an error on paper is then only a warning. What is
    in `require` is not decided by an annotation that silences it.
    """
    found: dict[str, list[ManifestFinding]] = {i: [] for i in asked.named}
    for one in manifests.findings if isinstance(manifests, Manifests) else ():
        counts = one.level != "hint" and _ANSWERED_BY.get(one.id) not in passing
        if one.id in asked.named or (asked.others and counts):
            found.setdefault(one.id, []).append(one)
    for rule in sorted(found.keys() - asked.left):
        title = found[rule][0].title if found[rule] else asked.named[rule]
        absent = rule in _PUT_INTO_PODS and _ANSWERED_BY[rule] not in failing
        left = [f for f in found[rule] if f.silenced is None]
        verdict = _verdict(rule, left, manifests, sure=not proven and not absent)
        verdict = _as_written(verdict) if absent else verdict
        if silent := [f for f in found[rule] if f.silenced is not None]:
            verdict = _silenced(verdict if left else None, silent, required=rule in require)
        yield Told(rule, title, verdict)


def _verdict(
    rule: str, found: Sequence[ManifestFinding], manifests: Manifests | Missing, *, sure: bool
) -> Verdict:
    if isinstance(manifests, Missing):
        return unknown(manifests.reason)
    if rule not in manifests.rules:
        return unknown("judged on files only: `distcheck lint`")
    seen = [f for f in found if not f.unseen]
    if found and not seen:
        return unknown(f"{found[0].says}; not seen: {found[0].unseen}", _cites(found))
    if not seen and rule in manifests.unread:
        return unknown(manifests.unread[rule])
    if not seen:
        return _nothing(manifests, rule)
    tell = failed if any(f.level == "error" for f in seen) and sure else warned
    others = len({f.says for f in seen}) - 1 + manifests.more.get(rule, 0)
    more = f" (and {others} more)" if others else ""
    subjects = dict.fromkeys(f.source.partition(" ")[0] for f in seen)
    return tell(f"{seen[0].says}{more}", None, _cites(seen), subjects, seen[0].fix)


def _nothing(manifests: Manifests, rule: str) -> Verdict:
    """Nothing was found: a pass only where there was something to judge."""
    cites = tuple(Cite("judged as it is written", name) for name in manifests.judged)
    if not cites:
        return unknown("no workload of the group could be read")
    aside = manifests.aside.get(rule)
    return skipped(aside, cites) if aside else passed("nothing that this rule finds", cites)


def _silenced(
    verdict: Verdict | None, silent: Sequence[ManifestFinding], *, required: bool
) -> Verdict:
    """With what an annotation silences; a required rule is decided by none."""
    by = f"{SILENCED}: {silent[0].silenced}"
    if verdict is None and not required:
        return skipped(by, _cites(silent))
    if verdict is None:
        return unknown(f"{silent[0].says}: required, and {by}", _cites(silent))
    says = f"{verdict.says}; {len(silent)} {'is' if len(silent) == 1 else 'are'} {by}"
    cites = (*verdict.cites, *(Cite(f"silenced: {f.says}", f.source) for f in silent[:_MOST_TOLD]))
    told = structs.replace(verdict, says=says, cites=cites)
    grave = required and verdict.outcome != "fail" and any(f.level == "error" for f in silent)
    return unknown(told.says, told.cites) if grave else told


def _as_written(verdict: Verdict) -> Verdict:
    if verdict.outcome != "warn":
        return verdict
    return structs.replace(verdict, says=f"{verdict.says}, {_WEBHOOKS}")


_WRITTEN = "as it is written"
SILENCED = "silenced by the annotation distcheck.io/ignore"
"""How the sentence of a rule begins that says nothing but this."""


def _cites(found: Sequence[ManifestFinding]) -> tuple[Cite, ...]:
    """Where each stands; a sentence that the verdict or the cite before says is not told again."""
    said = [found[0].says, *(f.says for f in found)]
    pairs = zip(found[:_MOST_TOLD], said, strict=False)
    return tuple(Cite(_WRITTEN if f.says == before else f.says, f.source) for f, before in pairs)
