"""The `@rule` contract: the annotation is what is judged, the docstring is the page."""

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any, get_type_hints

from msgspec import Struct

from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.finding import LEVELS, Finding, Level, Told
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.template import Template

Body = Callable[[Any], Iterator[Finding]]
SECTIONS = ("What", "Why", "Fix", "Fails", "Passes", "Source")
_ID = re.compile(r"CONF[0-9]{3}\Z")
_HEADING = re.compile(r"^(What|Why|Fix|Fails|Passes|Unsure|Source):[ \t]*$", re.MULTILINE)


class RulePage(Struct, frozen=True):
    """What `distcheck explain` shows, all from the docstring; the examples are tests.

    `unsure` is an example that the rule cannot judge: it gives a hint there, or nothing.
    """

    title: str
    what: str
    why: str
    fix: str
    fails: str
    passes: str
    source: str
    unsure: str = ""


class Rule(Struct, frozen=True):
    """One static rule; `scope` is what its body is given, one after the other."""

    id: str
    level: Level
    page: RulePage
    body: Body
    name: str
    scope: type

    def judge(self, bundle: Bundle) -> Iterator[Told]:
        """What it finds. An uncertain finding is never more than a hint."""
        for one in _given(bundle, self.scope):
            for found in self.body(one):
                level = "hint" if found.unseen else found.level or self.level
                yield Told(self.id, level, self.page.title, found, found.fix or self.page.fix)


def rule(rule_id: str, *, level: Level) -> Callable[[Body], Rule]:
    """Declare a rule. Its one parameter is a `Bundle`, a `Group` or a `Template`.

    The docstring has a title line and the sections What, Why, Fix, Fails, Passes and Source;
    Fails and Passes (and Unsure) are manifests.

    Raises:
        TypeError: a malformed id or level, another parameter, or a section that is absent.
    """
    if not _ID.match(rule_id) or level not in LEVELS:
        raise TypeError(f"{rule_id!r} at level {level!r} is not like CONF075 at error")

    def declare(body: Body) -> Rule:
        hints = get_type_hints(body)
        hints.pop("return", None)
        scopes = list(hints.values())
        if len(scopes) != 1 or scopes[0] not in (Bundle, Group, Template):
            raise TypeError(f"{rule_id}: its one parameter must be a Bundle, Group or Template")
        return Rule(rule_id, level, _page(rule_id, body), body, body.__name__, scopes[0])

    return declare


def _given(bundle: Bundle, scope: type) -> Iterator[Any]:
    if scope is Bundle:
        yield bundle
    elif scope is Group:
        yield from bundle.groups
    else:
        yield from (t for t in bundle.templates if t.serves)


def _page(rule_id: str, body: Body) -> RulePage:
    title, _, rest = inspect.cleandoc(body.__doc__ or "").partition("\n")
    parts = _HEADING.split(rest)
    found = dict(zip(parts[1::2], (inspect.cleandoc(p) for p in parts[2::2]), strict=True))
    if not title or any(name not in found for name in SECTIONS):
        raise TypeError(f"{rule_id}: the docstring needs a title and the sections {SECTIONS}")
    flow = {k: " ".join(v.split()) for k, v in found.items()}
    return RulePage(
        title.rstrip("."), flow["What"], flow["Why"], flow["Fix"],
        found["Fails"] + "\n", found["Passes"] + "\n", flow["Source"], found.get("Unsure", ""),
    )  # fmt: skip
