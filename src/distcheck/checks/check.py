"""The `@check` contract: annotations are needs, the docstring is the page."""

import inspect
import re
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Literal, Union, get_args, get_origin, get_type_hints

from msgspec import Struct

from distcheck.checks.evidence import Evidence, Missing
from distcheck.checks.facts.fact import Fact, folded
from distcheck.checks.knowledge.names import alike
from distcheck.checks.verdict import Verdict, unknown

Weight = Literal["core", "supporting"]
Body = Callable[..., Verdict]

_ID = re.compile(r"[A-Z]+[0-9]{3}\Z")
_SECTIONS = ("Proves", "Causes", "Remedy")
_HEADING = re.compile(r"^(\w+):[ \t]*$", re.MULTILINE)
_CAUSE = re.compile(r"^([a-z][\w-]*): (.*)$", re.MULTILINE | re.IGNORECASE)


class Need(Struct, frozen=True):
    """One fact that a check asks for; an optional one may reach the body as `Missing`."""

    name: str
    fact: type[Fact]
    optional: bool


class Page(Struct, frozen=True):
    """What `distcheck explain` shows: all of it from the check's docstring."""

    title: str
    proves: str
    causes: dict[str, str]
    remedy: str
    remedies: Mapping[str, str] = {}
    """What to do by cause, where the general remedy is not about that one."""

    def remedy_of(self, cause: str | None) -> str:
        """The cause's own, else the general one."""
        return self.remedies.get(cause or "", self.remedy)


class Check(Struct, frozen=True):
    """One check: an id, what it needs, and the body that judges."""

    id: str
    core: bool
    needs: tuple[Need, ...]
    page: Page
    body: Body
    name: str
    """The function's name: the claim in words, as its file has it."""
    family: str

    def judge(self, facts: Mapping[type[Fact], Fact | Missing]) -> Verdict:
        """The verdict on these facts: unknown wherever a need is missing or has gaps."""
        have = {need.name: facts[need.fact] for need in self.needs}
        missing = [have[n.name] for n in self.needs if not n.optional]
        reasons = alike(
            part for m in missing if isinstance(m, Missing) for part in m.reason.split("; ")
        )
        if reasons:
            return unknown("; ".join(reasons))
        verdict = self.body(**have)
        if verdict.cause is not None and verdict.cause not in self.page.causes:
            raise ValueError(f"{self.id} names a cause that its page lacks: {verdict.cause}")
        return _with_gaps(verdict, have.values())

    def judge_evidence(self, evidence: Evidence) -> Verdict:
        """The verdict on raw evidence: folds what this check needs, then judges."""
        return self.judge({need.fact: folded(need.fact, evidence) for need in self.needs})


def check(
    check_id: str, *, weight: Weight = "core", remedies: Mapping[str, str] | None = None
) -> Callable[[Body], Check]:
    """Declare a check; `remedies` are of those causes that have one of their own.

    The function's annotations are the facts it needs (`X | Missing` for one it can do
    without); its docstring has a title line and the sections Proves, Causes and Remedy.

    Raises:
        TypeError: a malformed id, an annotation that is no fact, a section that is absent, or a
            remedy of a cause that the page lacks.
    """
    if not _ID.match(check_id):
        raise TypeError(f"check id {check_id!r} is not like SHARD001")

    def declare(body: Body) -> Check:
        family = body.__module__.split(".")[-2]
        needs, page = _needs(check_id, body), _page(check_id, body, remedies or {})
        return Check(check_id, weight == "core", needs, page, body, body.__name__, family)

    return declare


def _with_gaps(verdict: Verdict, facts: Iterable[Fact | Missing]) -> Verdict:
    gaps = alike(g for f in facts if isinstance(f, Fact) for g in f.gaps)
    if not gaps or verdict.outcome not in ("pass", "warn"):
        return verdict
    return unknown(f"{verdict.says}, as far as seen; not seen: {'; '.join(gaps)}", verdict.cites)


def _needs(check_id: str, body: Body) -> tuple[Need, ...]:
    hints = get_type_hints(body)
    hints.pop("return", None)
    return tuple(_need(check_id, name, hint) for name, hint in hints.items())


def _need(check_id: str, name: str, hint: object) -> Need:
    members = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    facts = [m for m in members if isinstance(m, type) and issubclass(m, Fact)]
    if len(facts) != 1 or any(m not in (*facts, Missing) for m in members):
        raise TypeError(f"{check_id}: parameter {name!r} must be a fact, or a fact | Missing")
    return Need(name, facts[0], Missing in members)


def _page(check_id: str, body: Body, remedies: Mapping[str, str]) -> Page:
    title, _, rest = inspect.cleandoc(body.__doc__ or "").partition("\n")
    parts = _HEADING.split(rest)
    sections = dict(zip(parts[1::2], (inspect.cleandoc(p) for p in parts[2::2]), strict=True))
    if not title or tuple(sections) != _SECTIONS:
        raise TypeError(f"{check_id}: the docstring needs a title and the sections {_SECTIONS}")
    causes = {m[1]: m[2] for m in _CAUSE.finditer(_unwrapped(sections["Causes"]))}
    if strange := [cause for cause in remedies if cause not in causes]:
        raise TypeError(f"{check_id} has a remedy for {strange[0]}, which its page lacks")
    proves, remedy = _flow(sections["Proves"]), _flow(sections["Remedy"])
    return Page(title.rstrip("."), proves, causes, remedy, dict(remedies))


def _unwrapped(section: str) -> str:
    return re.sub(r"\n\s+", " ", section)


def _flow(section: str) -> str:
    return "\n\n".join(" ".join(p.split()) for p in section.split("\n\n"))
