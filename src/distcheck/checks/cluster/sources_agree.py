"""GROUP002."""

from collections.abc import Iterable, Sequence

from distcheck.checks.check import check
from distcheck.checks.evidence import Cite
from distcheck.checks.facts.intent_sources import Difference, IntentSources, Told
from distcheck.checks.verdict import Verdict, failed, passed, unknown, warned

_MOST = 3


@check("GROUP002", weight="supporting")
def sources_agree(sources: IntentSources) -> Verdict:
    """Every place that says what the group should be says the same.

    Proves:
        A command line that runs and at least one place that asks (container arguments,
        variables, custom resources, start scripts in ConfigMaps, `--expect`) name the same TP,
        and the same PP, DP and expert parallelism where any of them names one; no place that
        was read names another. It does not prove that the ranks are laid out so: SHARD002 does.

    Causes:
        running_differs: a server runs with another TP, PP, DP or expert parallelism than
            its pod's own spec, which cannot have changed since, or `--expect` asks for
        intent_conflict: two places ask for different things, and it is not sure that the
            one that is followed is the one that was meant

    Remedy:
        Where a server runs otherwise than its spec says, look at what stands between them:
        a start script or an image's entry point that counts the GPUs it sees, a default such
        as `${TP:-8}`, or a variable with a wrong name. Where a ConfigMap or a custom
        resource differs from what runs, it may have been changed since: restart the group.
        Else write the value in one place only, or say with `--expect` which one is meant.
    """
    layout = [d for d in sources.differences if d.is_running_layout]
    if layout:
        return failed(_says(layout), "running_differs", _cites(layout), _subjects(layout))
    if sources.differences:
        found = sources.differences
        return warned(_says(found), "intent_conflict", _cites(found), _subjects(found))
    agreed = [t for t in sources.told if t.is_confirmed]
    left = [t for t in sources.told if t.is_open]
    if left or not any(t.name == "tp" for t in agreed):
        told = left or [t for t in sources.told if t.name == "model"] or sources.told
        return unknown(_unconfirmed(told, sources.gaps), [_cite(t) for t in told])
    return passed(_agree(agreed), [Cite(f"{t} is asked for", p) for t in agreed for p in t.places])


def _says(found: Sequence[Difference]) -> str:
    more = len(found) - _MOST
    tail = [f"and {more} more"] if more > 0 else []
    return "; ".join([*map(str, found[:_MOST]), *tail])


def _cites(found: Iterable[Difference]) -> list[Cite]:
    return list(dict.fromkeys(c for d in found for c in d.cites))


def _subjects(found: Iterable[Difference]) -> list[str]:
    return list(dict.fromkeys(d.subject for d in found))


def _cite(told: Told) -> Cite:
    return Cite(f"{told} is asked for", told.places[0])


def _unconfirmed(told: Sequence[Told], unread: Sequence[str]) -> str:
    tail = f"; {'; '.join(unread[:_MOST])}" if unread else ""
    places = list(dict.fromkeys(p for t in told for p in t.places))
    what = f"{', '.join(map(str, told[:_MOST]))}, by {', '.join(places[:_MOST])}"
    if any(t.runs for t in told):
        return f"{what}: no spec that was read says so too{tail}"
    return f"{what}: no command line that runs was seen to say so too{tail}"


def _agree(agreed: Sequence[Told]) -> str:
    places = list(dict.fromkeys(p for t in agreed for p in t.places))
    more = f" and {len(places) - _MOST} more" if len(places) > _MOST else ""
    return f"{', '.join(map(str, agreed))}, by {', '.join(places[:_MOST])}{more}"
