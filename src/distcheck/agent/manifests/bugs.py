"""What our own bugs kept from being judged, as the report tells it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from distcheck.agent.manifests.bundles import Known
from distcheck.agent.manifests.hiding import without
from distcheck.agent.manifests.source import Problem
from distcheck.agent.redact import scrubbed
from distcheck.checks.manifest.bug import Bug
from distcheck.checks.manifest.place import Spot


def told_bugs(
    bugs: Iterable[Bug], names: Sequence[str], held: Iterable[Known], secrets: Sequence[str]
) -> Iterator[Problem]:
    """One for each rule and place, with the traceback where it is the first of its kind.

    `names` are the files; what is about all of them is told at the first.
    """
    by_number = {k.thing.place.of: k for k in held}
    told: set[tuple[str, int, str]] = set()
    traced: set[tuple[str, str]] = set()
    for bug in bugs:
        file, line, column = _place(bug, by_number)
        file = file or names[0]
        if (file, line, bug.rule) in told:
            continue
        told.add((file, line, bug.rule))
        trace = "" if (bug.rule, bug.where) in traced else scrubbed(without(bug.trace, secrets))
        traced.add((bug.rule, bug.where))
        says = scrubbed(without(bug.says, secrets))
        what = bug.rule or ("this object" if line else "this file")
        says = f"{what}, by a bug of distcheck: {says} ({bug.where})"
        yield Problem(file, line, column, says, fatal=False, bug=True, rule=bug.rule, trace=trace)


def _place(bug: Bug, held: Mapping[int, Known]) -> tuple[str, int, int]:
    if not isinstance(bug.about, Spot):
        return bug.about, bug.line, int(bug.line > 0)
    one = held[bug.about.of]
    mark = one.document.tree.mark(one.way(bug.about.path))
    line, column = (
        (mark.key_line, mark.key_column) if mark else (max(one.document.first_line, 0), 0)
    )
    return one.document.source.name, line + 1, column + 1
