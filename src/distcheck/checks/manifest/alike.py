"""One fault of one template that makes several parts of a group: it is told once."""

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from distcheck.checks.manifest.finding import Finding, Told
from distcheck.checks.manifest.place import Spot
from distcheck.pattern import pattern

_PART = pattern(r" \((?:leader|worker)\)", near=(" (",))
_Key = tuple[Spot, str, str, str]


def once(told: Iterable[Told]) -> Iterator[Told]:
    """Those at one spot that differ in the part alone (`(leader)`) as one, without the part.

    A LeaderWorkerSet without a leaderTemplate makes its leader and its workers of one template.
    """
    alike: dict[_Key, list[Told]] = {}
    for one in told:
        finding = one.finding
        key = (finding.spot, one.level, finding.unseen, _PART.sub("", finding.says))
        alike.setdefault(key, []).append(one)
    for (_, _, _, says), ones in alike.items():
        if len({one.finding.says for one in ones}) == 1:
            yield ones[0]
        else:
            yield replace(ones[0], finding=_both([one.finding for one in ones], says))


def _both(findings: list[Finding], says: str) -> Finding:
    also = tuple(dict.fromkeys(spot for one in findings for spot in one.also))
    return replace(findings[0], says=says, also=also)
