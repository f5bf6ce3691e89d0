"""What of the input was not judged, or only in part, and comments that silence nothing."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from distcheck.agent.logs.shell import MOST_CHARACTERS
from distcheck.agent.manifests.beyond import serves_somewhere
from distcheck.agent.manifests.bundles import Known
from distcheck.agent.manifests.comments import At as Line
from distcheck.agent.manifests.comments import misspelt, unused
from distcheck.agent.manifests.locate import located
from distcheck.agent.manifests.other_files import OF_OTHERS
from distcheck.agent.manifests.owned import owned
from distcheck.agent.manifests.patches import has_images, is_called_patch, is_patch
from distcheck.agent.manifests.source import Document, Problem, Source
from distcheck.agent.manifests.unrendered import nameless, told_once
from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.rules import rules as every_rule

_MOST_NAMED = 5
_KEYS = frozenset({"apiVersion", "kind", "metadata", "spec", "template", "containers"})
_NAMELESS = "no kind and nothing that tells one: not judged"


def of_input(
    told: Iterable[Problem], held: Sequence[Known], strange: Iterable[Document],
    names: Sequence[str], inner: Collection[str] = (),
) -> Iterator[Problem]:  # fmt: skip
    """`told` while reading the files `names`, and documents that are no whole objects.

    `inner` are kustomizations that others build upon.
    """
    told = list(told)
    yield from told_once((p for p in told if p.says not in OF_OTHERS), names, inner)
    others = (p for p in told if p.says in OF_OTHERS and not held)
    yield from islice(others, _MOST_NAMED)
    meant = (d for d in nameless(strange, names) if not held or _seems_meant(d))
    yield from (_nameless(d) for d in islice(meant, _MOST_NAMED))
    yield from (_fragment(k) for k in held if k.thing.fragment and not k.thing.patch)
    yield from (_patch(k) for k in held if k.thing.patch)
    yield from _owned(held)


def _seems_meant(document: Document) -> bool:
    """Whether it has more of a manifest than any YAML: hooks and CI have files of their own."""
    return bool(_KEYS & document.value.keys()) or serves_somewhere(document.value)


def _nameless(document: Document) -> Problem:
    line = document.first_line
    return Problem(document.source.name, line + 1, int(line >= 0), _NAMELESS, fatal=False)


def _fragment(one: Known) -> Problem:
    says = f"a fragment, without apiVersion or kind: judged as far as it goes, as {one.thing.kind}"
    at = located(one, one.thing.place.spot)
    return Problem(one.document.source.name, at.line, 1, says, fatal=False)


def _owned(held: Sequence[Known]) -> Iterator[Problem]:
    """One for each file of a cluster's own objects."""
    made = owned(k.thing for k in held)
    by_file: dict[str, list[Known]] = {}
    for one in (k for k in held if k.thing.place.of in made):
        by_file.setdefault(one.document.source.name, []).append(one)
    for name, (first, *more) in by_file.items():
        owner, others = (
            made[first.thing.place.of],
            f", nor {len(more)} more like it" if more else "",
        )
        says = f"{first.thing.what} is not judged{others}: it is made by {owner}"
        at = located(first, first.thing.place.spot)
        yield Problem(name, at.line, 1, says, fatal=False)


def _patch(one: Known) -> Problem:
    called = is_called_patch(one.thing, one.document.source.name)
    why = "no selector" if has_images(one.thing) else "no image"
    why = why if is_patch(one.thing) or called else "a kustomization names it as one"
    says = f"a patch for {one.thing.what} ({why}): its form alone is judged;"
    at = located(one, one.thing.place.spot)
    says = f"{says} give the output of `kustomize build`"
    return Problem(one.document.source.name, at.line, 1, says, fatal=False)


def read_in_part(bundle: Bundle, by_number: Mapping[int, Known]) -> Iterator[Problem]:
    """Start scripts of which only the first was read."""
    cut = {c.place.spot: c for t in bundle.templates for c in t.every if not c.is_read}
    for spot, one in cut.items():
        at = located(by_number[spot.of], spot)
        says = f"the script of container {one.name} is too long: judged by its first"
        says = f"{says} {MOST_CHARACTERS >> 10} KiB, or less where it grows as it is read"
        yield Problem(at.file, at.line, at.column, says, fatal=False)


def idle_comments(
    sources: Iterable[Source], rules: Collection[str], used: Mapping[str, Collection[Line]]
) -> Iterator[Problem]:
    """Comments that name no rule, or silenced nothing of `rules`; by file, those `used` did."""
    known_ids = {r.id for r in every_rule()}
    for source in sources:
        for line, says in misspelt(source, known_ids):
            yield Problem(source.name, line + 1, 1, says, fatal=False, misspelt=True)
        for line, rule in sorted(unused(source, used.get(source.name, ()), rules)):
            says = f"this comment silences nothing: {rule} finds nothing there"
            yield Problem(source.name, line + 1, 1, says, fatal=False)
