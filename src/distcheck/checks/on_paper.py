"""Rules for manifests in a report: what is wrong on paper stands beside what was seen."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from msgspec import Struct, structs

from distcheck.checks.evidence import Cite, Missing
from distcheck.checks.evidence.manifests import ManifestFinding, Manifests
from distcheck.checks.verdict import Verdict, failed, passed, unknown, warned

_MOST_TOLD = 3
_ANSWERED_BY = {
    "CONF001": "SHARD002", "CONF002": "SHARD002", "CONF003": "RAY002", "CONF004": "SHARD002",
    "CONF020": "NET002", "CONF021": "RAY001", "CONF022": "RAY001", "CONF040": "RDMA001",
    "CONF041": "NCCL001", "CONF042": "NCCL002", "CONF043": "RDMA001", "CONF060": "SHM001",
    "CONF061": "SHM001", "CONF064": "SHM001", "CONF120": "NET004",
}  # fmt: skip
"""Where this check passes, what the rule feared was looked at, and is not so."""
_PUT_INTO_PODS = frozenset({"CONF040", "CONF043", "CONF060", "CONF064"})
"""What these miss in a template a webhook may have put into the pods: RDMA devices, IPC_LOCK,
/dev/shm. Only the check beside it proves that the pods lack it."""
_WEBHOOKS = "as it is written; not whether a webhook has put it into the pods"


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
    proven: bool = False,
) -> Iterator[Told]:
    """The verdicts that are told, by id; `passing` and `failing` are checks that did.

    With `proven` the group runs and is right: an error on paper is then only a warning.
    """
    found: dict[str, list[ManifestFinding]] = {i: [] for i in asked.named}
    for one in manifests.findings if isinstance(manifests, Manifests) else ():
        counts = one.level != "hint" and _ANSWERED_BY.get(one.id) not in passing
        if one.id in asked.named or (asked.others and counts):
            found.setdefault(one.id, []).append(one)
    for rule in sorted(found.keys() - asked.left):
        title = found[rule][0].title if found[rule] else asked.named[rule]
        absent = rule in _PUT_INTO_PODS and _ANSWERED_BY[rule] not in failing
        verdict = _verdict(rule, found[rule], manifests, sure=not proven and not absent)
        yield Told(rule, title, _as_written(verdict) if absent else verdict)


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
    if not seen:
        cites = tuple(Cite("judged as it is written", name) for name in manifests.judged)
        return passed("nothing that this rule finds", cites) if cites else unknown(_NOTHING)
    tell = failed if any(f.level == "error" for f in seen) and sure else warned
    more = f" (and {len(seen) - 1} more)" if len(seen) > 1 else ""
    subjects = dict.fromkeys(f.source.partition(" ")[0] for f in seen)
    return tell(f"{seen[0].says}{more}", None, _cites(seen), subjects, seen[0].fix)


def _as_written(verdict: Verdict) -> Verdict:
    if verdict.outcome != "warn":
        return verdict
    return structs.replace(verdict, says=f"{verdict.says} ({_WEBHOOKS})")


_NOTHING = "no workload of the group could be read"


def _cites(found: Sequence[ManifestFinding]) -> tuple[Cite, ...]:
    return tuple(Cite(f.says, f.source) for f in found[:_MOST_TOLD])
