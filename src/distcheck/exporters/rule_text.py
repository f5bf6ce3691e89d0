"""The page of a CONF rule, for people, and the table of all."""

from collections.abc import Iterable

from distcheck.checks.manifest.rule import Rule
from distcheck.exporters.explain_text import section
from distcheck.exporters.typography import Ink, pad, wrap

_MEASURE = 88


def render_rules(rules: Iterable[Rule], width: int, ink: Ink) -> str:
    """One row a rule: id, levels, title."""
    return "".join(_row(r, width, ink) for r in rules)


def _row(rule: Rule, width: int, ink: Ink) -> str:
    first, *rest = wrap(ink.clean(rule.page.title), max(width - 29, 20))
    level = ink.paint(pad(rule.levels, 18), "dim")
    lines = [f"{ink.paint(rule.id, 'bold')}  {level}{first}", *(" " * 28 + r for r in rest)]
    return "\n".join(lines) + "\n"


def render_rule(rule: Rule, width: int, ink: Ink) -> str:
    """Title and level, what and why, what to do, an example that fails and one that passes."""
    page, room = rule.page, min(width, _MEASURE) - 2
    parts = [
        [f"{ink.paint(rule.id, 'bold')}  {ink.clean(page.title)} ({rule.levels})"],
        section("What it finds", page.what, room, ink),
        section("Why", page.why, room, ink),
        section("What to do", page.fix, room, ink),
        _example("Fails", page.fails, ink),
        _example("Passes", page.passes, ink),
        section("Source", page.source, room, ink),
    ]
    return "\n\n".join("\n".join(p) for p in parts if p) + "\n"


def _example(heading: str, text: str, ink: Ink) -> list[str]:
    return [ink.paint(heading, "bold"), *(f"  {line}" for line in text.rstrip("\n").split("\n"))]
