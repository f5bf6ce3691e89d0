"""The page of a check, for people."""

from msgspec import Struct

from distcheck.checks.check import Check
from distcheck.exporters.typography import Ink, pad, wrap

_MEASURE = 88


class CheckRow(Struct, frozen=True):
    """One line of `distcheck list`."""

    id: str
    family: str
    core: bool
    title: str


def row_of(check: Check) -> CheckRow:
    """The line of `check`."""
    return CheckRow(check.id, check.family, check.core, check.page.title)


def render_list(checks: tuple[Check, ...], width: int, ink: Ink) -> str:
    """The checks as a table: id, weight, title."""
    rows = [row_of(c) for c in checks]
    ids = max((len(r.id) for r in rows), default=0)
    return "".join(_row(row, ids, width, ink) for row in rows)


def _row(row: CheckRow, ids: int, width: int, ink: Ink) -> str:
    weight = ink.paint(pad("core" if row.core else "supporting", 10), "dim")
    first, *rest = wrap(ink.clean(row.title), max(width - ids - 14, 20))
    hang = " " * (ids + 14)
    lines = [f"{ink.paint(pad(row.id, ids), 'bold')}  {weight}  {first}", *(hang + r for r in rest)]
    return "\n".join(lines) + "\n"


def render_page(check: Check, width: int, ink: Ink) -> str:
    """Title, what a pass proves, what it is judged from, causes, and what to do."""
    page, room = check.page, min(width, _MEASURE) - 2
    parts = [
        [f"{ink.paint(check.id, 'bold')}  {ink.clean(page.title)}"],
        section("Proves", page.proves, room, ink),
        section("Judged from", needs_text(check), room, ink),
        _causes(page.causes, room, ink),
        section("What to do", page.remedy, room, ink),
    ]
    return "\n\n".join("\n".join(p) for p in parts if p) + "\n"


def needs_text(check: Check) -> str:
    """The facts that the check needs, and what the group's verdict makes of it."""
    needs = ", ".join(n.fact.__name__ + (" where seen" if n.optional else "") for n in check.needs)
    weight = "needs it decided" if check.core else "does not wait for it"
    return f"{needs}. The group's verdict {weight}."


def section(heading: str, text: str, room: int, ink: Ink) -> list[str]:
    """A heading and its wrapped paragraphs, indented; nothing for no text."""
    paragraphs = [p for p in text.split("\n\n") if p]
    lines = [line for p in paragraphs for line in wrap(ink.clean(p), room, code=True)]
    return [ink.paint(heading, "bold"), *(f"  {line}" for line in lines)] if lines else []


def _causes(causes: dict[str, str], room: int, ink: Ink) -> list[str]:
    if not causes:
        return []
    lines = [ink.paint("Causes", "bold")]
    for cause, says in causes.items():
        lines.append(f"  {ink.clean(cause)}")
        lines += [f"      {line}" for line in wrap(ink.clean(says), room - 4)]
    return lines
