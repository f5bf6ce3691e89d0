"""The `@rule` contract: the annotation is what is judged, the docstring is the page."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from distcheck.checks.manifest.alike import once
from distcheck.checks.manifest.bug import Bug, bug_of
from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.finding import LEVELS, Finding, Level, Told
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.ignored import ignored
from distcheck.checks.manifest.in_part import holds
from distcheck.checks.manifest.place import Place, Spot
from distcheck.checks.manifest.rule_page import RulePage, page_of
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

Body = Callable[[Any], Iterator[Finding]]
_ID = pattern(r"CONF[0-9]{3}\Z")


class Rule(Struct, frozen=True):
    """One static rule; `scope` is what its body is given, one after the other.

    `others` are levels of findings beside its own `level`.
    """

    id: str
    level: Level
    body: Body
    name: str
    scope: type
    others: tuple[Level, ...] = ()

    @property
    def levels(self) -> str:
        """How grave its findings are, the least grave first: `hint to error`."""
        known = sorted({self.level, *self.others}, key=LEVELS.index)
        return known[0] if len(known) == 1 else f"{known[-1]} to {known[0]}"

    @property
    def page(self) -> RulePage:
        """What its docstring says; read when somebody asks.

        Raises:
            TypeError: a section that is absent.
        """
        return page_of(self.id, self.body)

    def judge(self, bundle: Bundle, bugs: list[Bug] | None = None) -> Iterator[Told]:
        """What it finds. An uncertain finding is never more than a hint.

        Where its body raises, that is kept in `bugs`, and the next template or group is judged;
        without them it is raised.
        """
        roots = {t.place.of: t.place for t in bundle.things}
        yield from once(self._told(bundle, roots, bugs))

    def _told(
        self, bundle: Bundle, roots: Mapping[int, Place], bugs: list[Bug] | None
    ) -> Iterator[Told]:
        for one in _given(bundle, self.scope):
            try:
                yield from self._told_of(one, bundle, roots)
            except Exception as error:
                if bugs is None:
                    raise
                bugs.append(bug_of(error, self.id, _spot(one)))

    def _told_of(
        self, one: Bundle | Group | Template, bundle: Bundle, roots: Mapping[int, Place]
    ) -> Iterator[Told]:
        for told in self.body(one):
            about = _about(told, one, bundle)
            found = _as_sure(told, about)
            level = "hint" if found.unseen else found.level or self.level
            if not holds(self.id, level, about):
                continue
            fix = found.fix or self.page.fix
            silenced = ignored(roots[found.spot.of], found.spot.path, self.id)
            yield Told(self.id, level, self.page.title, found, fix, silenced)


def rule(rule_id: str, *, level: Level, others: tuple[Level, ...] = ()) -> Callable[[Body], Rule]:
    """Declare a rule. Its one parameter is a `Bundle`, a `Group` or a `Template`.

    The docstring has a title line and the sections What, Why, Fix, Fails, Passes, Source, and
    Unsure or Certain; Fails, Passes and Unsure are manifests. `others` are levels that its
    findings give themselves; every uncertain one is a hint, which needs no word.

    Raises:
        TypeError: a malformed id or level, or another parameter.
    """
    if not _ID.match(rule_id) or level not in LEVELS:
        raise TypeError(f"{rule_id!r} at level {level!r} is not like CONF075 at error")

    def declare(body: Body) -> Rule:
        scopes = [hint for name, hint in body.__annotations__.items() if name != "return"]
        if len(scopes) != 1 or scopes[0] not in (Bundle, Group, Template):
            raise TypeError(f"{rule_id}: its one parameter must be a Bundle, Group or Template")
        return Rule(rule_id, level, body, body.__name__, scopes[0], others)

    return declare


def _given(bundle: Bundle, scope: type) -> Iterator[Any]:
    if scope is Bundle:
        yield bundle
    elif scope is Group:
        yield from bundle.groups
    else:
        yield from _templates(bundle)


def _templates(bundle: Bundle) -> Iterator[Template]:
    """Those that serve, and what else is in their Ray clusters: a head often has no GPU."""
    serving = {t.owner_place.of for t in bundle.templates if t.serves}
    for one in bundle.templates:
        if one.serves or (one.of_ray and one.owner_place.of in serving):
            yield one


def _spot(one: Bundle | Group | Template) -> Spot | str:
    if isinstance(one, Bundle):
        return ""
    return one.place.spot if isinstance(one, Template) else one.leader.template.place.spot


def _about(found: Finding, one: Bundle | Group | Template, bundle: Bundle) -> list[Template]:
    """The templates that it is about."""
    if isinstance(one, Group):
        return [m.template for m in one.members]
    if isinstance(one, Template):
        return [one]
    return [t for t in bundle.templates if found.spot.of in (t.place.of, t.owner_place.of)]


def _as_sure(found: Finding, about: Sequence[Template]) -> Finding:
    """Where a script was read in part, what follows may mend what is found."""
    if found.unseen or all(c.is_read for t in about for c in t.every):
        return found
    return replace(found, unseen="the end of a script that is too long to be read")
