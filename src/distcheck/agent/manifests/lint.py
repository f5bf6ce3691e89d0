"""`lint` without its command: files in, a report out."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

from msgspec import Struct

from distcheck import __version__
from distcheck.agent.manifests.bundles import Known, bundle_of, known
from distcheck.agent.manifests.comments import At as Line
from distcheck.agent.manifests.comments import misspelt, silenced, unused
from distcheck.agent.manifests.files import texts
from distcheck.agent.manifests.hiding import Secrets, gathered
from distcheck.agent.manifests.locate import covered, located
from distcheck.agent.manifests.source import Document, Problem, Source, documents
from distcheck.checks.config.secrets_stay_secret import secrets_stay_secret
from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.finding import Level, Told
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.report import (
    SCHEMA,
    LintFinding,
    LintReport,
    NotJudged,
    as_grave,
)
from distcheck.checks.manifest.rule import Rule
from distcheck.checks.manifest.rules import rules as every_rule

if TYPE_CHECKING:
    from distcheck.checks.evidence import ModelConfig
    from distcheck.checks.knowledge.plan_fabric import Fabric

_MOST_NAMED = 5
_NAMELESS = "no kind and nothing that tells one: not judged"


Used = dict[str, set[Line]]
"""By file, what the comments are about that silenced something."""


class Asked(Struct, frozen=True):
    """What to judge by: the rules, the least grave level, and what the caller knows."""

    rules: tuple[Rule, ...]
    level: Level = "hint"
    config: "ModelConfig | None" = None
    interconnect: "Fabric | None" = None


def lint(paths: Sequence[str], asked: Asked) -> LintReport:
    """Judge all files that `paths` mean."""
    read: list[tuple[str, str]] = []
    problems: list[Problem] = []
    for path in paths:
        for one in texts(path):
            (problems if isinstance(one, Problem) else read).append(one)  # type: ignore[arg-type]
    return lint_texts(read, asked, problems)


def lint_texts(
    read: Sequence[tuple[str, str]], asked: Asked, problems: Iterable[Problem] = ()
) -> LintReport:
    """Judge texts by their names; `problems` are what could not be read."""
    told = list(problems)
    found: list[Document] = []
    for name, text in dict.fromkeys(read):
        for one in documents(name, text):
            (told if isinstance(one, Problem) else found).append(one)  # type: ignore[arg-type]
    held, strange = known(found)
    told += [_nameless(d) for d in strange[:_MOST_NAMED]]
    told += [_fragment(k) for k in held if k.thing.fragment and not k.thing.patch]
    told += [_patch(k) for k in held if k.thing.patch]
    findings: list[LintFinding] = []
    groups: list[str] = []
    judged = 0
    used: Used = {}
    for scope in scopes(held):
        flaws = [f for k in scope for f in k.flaws]
        bundle = bundle_of([k.thing for k in scope], flaws, asked.config, asked.interconnect)
        by_number = {k.thing.place.of: k for k in scope}
        findings += _findings(bundle, by_number, asked, used)
        groups += [_group_words(g) for g in bundle.groups]
        judged += sum(t.serves for t in bundle.templates)
    told += _unused({d.source.name: d.source for d in found}.values(), asked, used)
    return LintReport(
        SCHEMA, __version__, len({n for n, _ in read}), len(held), judged, tuple(groups),
        tuple(sorted(findings, key=_order)), tuple(_not_judged(p) for p in told),
    )  # fmt: skip


def _nameless(document: Document) -> Problem:
    marks = document.tree.marks.get(id(document.value), {})
    line = min((m.key_line for m in marks.values()), default=-1)
    return Problem(document.source.name, line + 1, int(line >= 0), _NAMELESS, fatal=False)


def _order(finding: LintFinding) -> tuple[str, int, int, str]:
    return (finding.at.file, finding.at.line, finding.at.column, finding.id)


def scopes(held: Sequence[Known]) -> Iterator[list[Known]]:
    """What is judged together: all, where no two objects have one name.

    Else each folder by itself, and where a folder has two of one name each file: overlays and
    examples side by side are not one deployment.
    """
    yield from _split(held, [_folder, _file])


def _split(held: Sequence[Known], ways: Sequence[Callable[[Known], str]]) -> Iterator[list[Known]]:
    if not ways or not _clash(held):
        if held:
            yield list(held)
        return
    parts: dict[str, list[Known]] = {}
    for one in held:
        parts.setdefault(ways[0](one), []).append(one)
    for part in parts.values():
        yield from _split(part, ways[1:])


def _folder(one: Known) -> str:
    return str(PurePath(one.document.source.name).parent)


def _file(one: Known) -> str:
    return one.document.source.name


def _clash(held: Sequence[Known]) -> bool:
    names = ((k.thing.kind, k.thing.namespace, k.thing.name) for k in held if k.thing.name)
    return any(n > 1 for n in Counter(names).values())


def _unused(sources: Iterable[Source], asked: Asked, used: Used) -> Iterator[Problem]:
    rules = {r.id for r in asked.rules}
    known_ids = {r.id for r in every_rule()}
    for source in sources:
        for line, says in misspelt(source, known_ids):
            yield Problem(source.name, line + 1, 1, says, fatal=False)
        for line, rule in sorted(unused(source, used.get(source.name, ()), rules)):
            says = f"this comment silences nothing: {rule} finds nothing there"
            yield Problem(source.name, line + 1, 1, says, fatal=False)


def _findings(
    bundle: Bundle, by_number: dict[int, Known], asked: Asked, used: Used
) -> Iterator[LintFinding]:
    seen: set[tuple[str, str, int, int, str]] = set()
    secrets = _secrets(bundle, by_number)
    for rule in asked.rules:
        for told in rule.judge(bundle):
            if not as_grave(told.level, asked.level):
                continue
            one = _finding(told, by_number, used, secrets)
            key = (one.id, one.at.file, one.at.line, one.at.column, one.says)
            if key not in seen:
                seen.add(key)
                yield one


def secrets_in(name: str, text: str) -> Secrets:
    """What of one file must not be shown."""
    held, _ = known([d for d in documents(name, text) if isinstance(d, Document)])
    return _secrets(bundle_of([k.thing for k in held]), {k.thing.place.of: k for k in held})


def _secrets(bundle: Bundle, by_number: dict[int, Known]) -> Secrets:
    """All places of CONF076, whether it is asked for or not."""
    spots = (t.finding.spot for t in secrets_stay_secret.judge(bundle))
    return gathered(
        (by_number[s.of].document.source.name, *place)
        for s in spots
        for place in covered(by_number[s.of], s)
    )


def _finding(told: Told, by_number: dict[int, Known], used: Used, secrets: Secrets) -> LintFinding:
    spot = told.finding.spot
    held = by_number[spot.of]
    at = located(held, spot, secrets)
    first = located(held, spot.__class__(spot.of)).line - 1
    source = held.document.source
    why = silenced(source, told.id, at.line - 1, first)
    if why:
        used.setdefault(source.name, set()).add(why[1])
    also = tuple(located(by_number[s.of], s, secrets) for s in told.finding.also)
    return LintFinding(
        told.id, told.level, told.title, told.finding.says, told.fix, at, also,
        told.finding.unseen, why and why[0],
    )  # fmt: skip


def _group_words(group: Group) -> str:
    intent = group.intent
    told = [f"{k.upper()}={v}" for k in ("tp", "pp", "dp") if (v := getattr(intent, k))]
    gpus = f"{group.gpus} GPUs" if group.gpus is not None else "GPUs not known"
    pods = f"{group.pods} pods" if group.pods is not None else "pods not known"
    return f"{group.name}: {', '.join([pods, gpus, *told])}"


def _fragment(one: Known) -> Problem:
    says = f"a fragment, without apiVersion or kind: judged as far as it goes, as {one.thing.kind}"
    at = located(one, one.thing.place.spot)
    return Problem(one.document.source.name, at.line, 1, says, fatal=False)


def _patch(one: Known) -> Problem:
    says = f"a patch for {one.thing.kind} {one.thing.name}, without an image: its form is judged;"
    at = located(one, one.thing.place.spot)
    says = f"{says} give the output of `kustomize build`"
    return Problem(one.document.source.name, at.line, 1, says, fatal=False)


def _not_judged(problem: Problem) -> NotJudged:
    return NotJudged(problem.file, problem.line, problem.column, problem.says, problem.fatal)
