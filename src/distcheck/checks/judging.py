"""Facts to verdicts to one report: the only place where outcomes are combined."""

import traceback
from collections import Counter
from collections.abc import Collection, Iterable, Iterator

from msgspec import Struct, structs

from distcheck.checks.check import Check
from distcheck.checks.evidence import Evidence, Intent, Missing
from distcheck.checks.evidence.manifests import Manifests
from distcheck.checks.facts.fact import Fact, folded
from distcheck.checks.findings import by_cause, counts, group_verdict, silenced
from distcheck.checks.group_map import GroupMap
from distcheck.checks.knowledge.counted import counted
from distcheck.checks.on_paper import OnPaper, on_paper
from distcheck.checks.report import Finding, Report, ReportIntent, ReportPod, ReportTarget
from distcheck.checks.verdict import Outcome, Verdict, unknown


class Judged(Struct, frozen=True):
    """A report, and the tracebacks of checks and facts that raised: those are our bugs."""

    report: Report
    bugs: tuple[str, ...] = ()


def judge(
    evidence: Evidence,
    checks: Iterable[Check],
    require: Collection[str] = (),
    left_out: tuple[str, ...] = (),
    rules: OnPaper = OnPaper(),  # noqa: B008 - frozen
) -> Judged:
    """Judge `evidence` with `checks`, and tell what `rules` found in the group's manifests.

    Ids in `require` count as core; those in `left_out` are told.

    Raises:
        ValueError: no check and no rule was given: an empty selection decides nothing.
    """
    chosen = tuple(checks)
    if not chosen and not rules.named:
        raise ValueError("no check selected")
    facts = {n.fact: n.fact for c in chosen for n in c.needs}
    bugs: list[str] = []
    folded = {fact: _fold_one(fact, evidence, bugs) for fact in facts}
    group = _fold_one(GroupMap, evidence, bugs)
    findings = tuple(_finding(c, _judge_one(c, folded, bugs), require) for c in chosen)
    findings = (*findings, *_on_paper(evidence, findings, rules, require))
    report = _report(evidence, _first_things_first(findings), left_out)
    shown = structs.replace(report, map=group if isinstance(group, GroupMap) else None)
    return Judged(shown, tuple(bugs))


def _on_paper(
    evidence: Evidence, findings: tuple[Finding, ...], rules: OnPaper, require: Collection[str]
) -> Iterator[Finding]:
    """Rules' findings. A group that is proven right is not wrong because its manifest looks so."""
    proven = bool(findings) and group_verdict(findings) == "pass"
    passing = {f.id for f in findings if f.outcome == "pass"}
    failing = {f.id for f in findings if f.outcome == "fail"}
    asked = (evidence.manifests, rules, passing, failing)
    for told in on_paper(*asked, require=require, proven=proven):
        one, core = told.verdict, told.id in require or (not findings and told.id in rules.named)
        yield Finding(
            told.id, told.title, one.outcome, core, one.says, one.cause, one.subjects, one.cites,
            one.remedy or "",
        )  # fmt: skip


_STARTS = ("GROUP001", "GROUP003", "RAY", "NET00", "SHM", "NCCL001", "NCCL004", "NCCL006")
"""Checks whose failure keeps an engine from starting, or ended it."""


def _first_things_first(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """What is unknown while a start has failed is decided by the next one: no advice of its own."""
    if not any(f.outcome == "fail" and f.id.startswith(_STARTS) for f in findings):
        return findings
    return tuple(structs.replace(f, remedy="") if f.outcome == "unknown" else f for f in findings)


def _fold_one(fact: type[Fact], evidence: Evidence, bugs: list[str]) -> Fact | Missing:
    try:
        return folded(fact, evidence)
    except Exception as error:  # noqa: BLE001 - a raising fold is our bug, never a pass
        bugs.append(traceback.format_exc())
        return Missing(f"internal error in {fact.__name__}: {type(error).__name__}: {error}")


def _judge_one(one: Check, facts: dict[type[Fact], Fact | Missing], bugs: list[str]) -> Verdict:
    try:
        return one.judge(facts)
    except Exception as error:  # noqa: BLE001 - a raising body is our bug, never a pass
        bugs.append(traceback.format_exc())
        return unknown(f"internal error in {one.id}: {type(error).__name__}: {error}")


def _finding(one: Check, verdict: Verdict, require: Collection[str]) -> Finding:
    general = one.page.remedy_of(verdict.cause) if verdict.outcome in ("fail", "warn") else ""
    remedy = verdict.remedy or general
    return Finding(
        id=one.id,
        title=one.page.title,
        outcome=verdict.outcome,
        core=one.core or one.id in require,
        says=verdict.says,
        cause=verdict.cause,
        subjects=verdict.subjects,
        cites=verdict.cites,
        remedy=remedy,
    )


def _report(evidence: Evidence, findings: tuple[Finding, ...], left_out: tuple[str, ...]) -> Report:
    verdict = group_verdict(findings)
    return Report(
        distcheck_version=evidence.distcheck_version,
        observed_at=evidence.observed_at,
        target=_target(evidence),
        intent=_intent(evidence.intent),
        verdict=verdict,
        summary=evidence.notes[0]
        if not evidence.pods and evidence.notes
        else _summary(verdict, findings, len(left_out)),
        checks=findings,
        notes=_notes(evidence),
        rollouts=evidence.rollouts,
        left_out=left_out,
    )


def _notes(evidence: Evidence) -> tuple[str, ...]:
    on_objects = evidence.manifests
    return evidence.notes + (on_objects.notes if isinstance(on_objects, Manifests) else ())


def _summary(verdict: Outcome, findings: tuple[Finding, ...], left_out: int) -> str:
    first = next((f for f in by_cause(findings) if f.outcome == verdict and counts(f)), None)
    if verdict == "pass" or first is None:
        return _tally(findings, left_out)
    open_ = sum(f.outcome == "unknown" for f in findings)
    others = f"{open_} of {len(findings)} checks are undecided. "
    aside = f"; {counted(left_out, 'check')} left out" if left_out else ""
    return f"{others if verdict == 'unknown' else ''}{first.id}: {first.says}{aside}"


def _tally(findings: tuple[Finding, ...], left_out: int) -> str:
    """Every check is counted once, so that none seems to be missing."""
    of = Counter(f.outcome for f in findings)
    hushed = len(silenced(findings))
    aside = of["skipped"] - hushed
    rest = (
        (of["warn"], "with a warning"),
        (of["fail"], "failed"),
        (of["unknown"], "not decided"),
        (aside, "does not apply" if aside == 1 else "do not apply"),
        (hushed, "silenced"),
        (left_out, "left out"),
    )
    told = (f"{n} {word}" for n, word in rest if n)
    return ", ".join((f"{counted(of['pass'], 'check')} passed", *told))


def _target(evidence: Evidence) -> ReportTarget:
    pods = tuple(ReportPod(p.name, p.node, p.role, p.gpus) for p in evidence.pods)
    t = evidence.target
    return ReportTarget(t.namespace, t.kind, t.name, pods, t.chosen)


def _intent(intent: Intent) -> ReportIntent:
    told = {f: getattr(intent, f) for f in ReportIntent.__struct_fields__}
    return ReportIntent(**told)
