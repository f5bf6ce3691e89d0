"""Facts to verdicts to one report: the only place where outcomes are combined."""

import traceback
from collections import Counter
from collections.abc import Collection, Iterable, Iterator

from msgspec import Struct, field, structs

from distcheck.checks.check import Check
from distcheck.checks.evidence import Cite, Conflict, Evidence, Intent, Missing, Rollout
from distcheck.checks.evidence.group import Role
from distcheck.checks.facts.fact import Fact, folded
from distcheck.checks.group_map import GroupMap
from distcheck.checks.knowledge.counted import counted
from distcheck.checks.knowledge.engine_remedies import MAY_FOLLOW
from distcheck.checks.on_paper import OnPaper, on_paper
from distcheck.checks.verdict import Outcome, Verdict, unknown, worst

REPORT_SCHEMA = "distcheck.report/v1"


class ReportPod(Struct, frozen=True):
    """A pod of the group, as the report names it."""

    name: str
    node: str | None
    role: Role
    gpus: int


class ReportTarget(Struct, frozen=True):
    """The group that was judged."""

    namespace: str
    kind: str
    name: str
    pods: tuple[ReportPod, ...]
    chosen: str = ""

    @property
    def full_name(self) -> str:
        """`namespace/name`; the name alone of what is in no namespace, as a GCS by its address."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class ReportIntent(Struct, frozen=True):
    """What was asked for, and where each value came from; see `Intent` for each field."""

    engine: str
    model: str | None
    tp: int | None
    pp: int | None
    dp: int | None
    world_size: int | None
    sources: dict[str, str] = field(name="from")
    ep: bool | None = None
    gpus: int | None = None
    nodes: int | None = None
    gpus_per_pod: int | None = None
    executor: str | None = None
    ranks: int | None = None
    dp_local: int | None = None
    dp_balancer: str | None = None
    ports: dict[str, int] = field(default_factory=dict)
    nccl: dict[str, str] = field(default_factory=dict)
    conflicts: tuple[Conflict, ...] = ()
    unread: dict[str, str] = field(default_factory=dict)


class Finding(Struct, frozen=True):
    """One check's verdict with its title and remedy."""

    id: str
    title: str
    outcome: Outcome
    core: bool
    says: str
    cause: str | None
    subjects: tuple[str, ...]
    cites: tuple[Cite, ...]
    remedy: str


class Report(Struct, frozen=True):
    """Everything that was decided about one group (`distcheck.report/v1`).

    `left_out` has the ids of the checks that were asked not to judge: nothing is known of them.
    """

    distcheck_version: str
    observed_at: str
    target: ReportTarget
    intent: ReportIntent
    verdict: Outcome
    summary: str
    checks: tuple[Finding, ...]
    schema: str = REPORT_SCHEMA
    notes: tuple[str, ...] = ()
    map: GroupMap | None = None
    rollouts: tuple[Rollout, ...] = ()
    left_out: tuple[str, ...] = ()


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
    for told in on_paper(evidence.manifests, rules, passing, failing, proven=proven):
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


PAPER = "CONF"
"""How the ids of rules for manifests begin: their warnings are advice, and decide nothing."""


def _counts(finding: Finding) -> bool:
    if finding.id.startswith(PAPER):
        return finding.core or finding.outcome == "fail"
    return finding.core or finding.outcome in ("fail", "warn")


def group_verdict(findings: Iterable[Finding]) -> Outcome:
    """The group's verdict: the worst that counts, and unknown where nothing passed or failed."""
    counted = [f.outcome for f in findings if _counts(f)]
    verdict = worst(counted)
    return "unknown" if verdict == "warn" and "pass" not in counted else verdict


_CAUSE_ORDER = (
    *("GROUP001", "NET003", "RAY001", "NET001", "NET002", "RAY", "SHM", "RDMA", "GPU"),
    *("NCCL006", "SHARD", "GROUP002", "NCCL004", "GROUP003", "NCCL", "NET004"),
)
"""How ids begin, roots first: NCCL004 has a failure's own line, NCCL001 what came of it.

A rank that is gone (NCCL006) leaves its GPU unused (SHARD004). Where an engine ended of its own
(GROUP003), its peers' NCCL failed after it (NCCL004).
"""


_TOLD_BETTER = {
    "group_too_small": "GROUP002",
    "workers_short": "NCCL006",
    "name_unresolved": "NET002",
    "name_wrong": "NET002",
    "gcs_unreachable": "NET001",
}
"""Causes that another check tells better: they come right after the id that stands beside each."""


def by_cause(findings: Iterable[Finding]) -> list[Finding]:
    """What lies at the root first: a node that is missing before the ranks that wait for it."""
    return sorted(findings, key=_depth)


def _depth(finding: Finding) -> tuple[int, bool]:
    cause = finding.cause or ""
    ended_alone = finding.id == "GROUP003" and cause and cause not in MAY_FOLLOW
    name = "GROUP002" if ended_alone else _TOLD_BETTER.get(cause, finding.id)
    known = (n for n, start in enumerate(_CAUSE_ORDER) if name.startswith(start))
    return next(known, len(_CAUSE_ORDER)), name != finding.id


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
        notes=evidence.notes,
        rollouts=evidence.rollouts,
        left_out=left_out,
    )


def _summary(verdict: Outcome, findings: tuple[Finding, ...], left_out: int) -> str:
    first = next((f for f in by_cause(findings) if f.outcome == verdict and _counts(f)), None)
    if verdict == "pass" or first is None:
        return _tally(findings, left_out)
    open_ = sum(f.outcome == "unknown" for f in findings)
    others = f"{open_} of {len(findings)} checks are undecided. "
    aside = f"; {counted(left_out, 'check')} left out" if left_out else ""
    return f"{others if verdict == 'unknown' else ''}{first.id}: {first.says}{aside}"


def _tally(findings: tuple[Finding, ...], left_out: int) -> str:
    """Every check is counted once, so that none seems to be missing."""
    of = Counter(f.outcome for f in findings)
    rest = (
        (of["warn"], "with a warning"),
        (of["fail"], "failed"),
        (of["unknown"], "not decided"),
        (of["skipped"], "does not apply" if of["skipped"] == 1 else "do not apply"),
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
