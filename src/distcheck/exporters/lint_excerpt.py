"""A line of a manifest with a place in it marked, cut to the width of the page."""

from collections.abc import Iterator

from msgspec import Struct

from distcheck.checks.manifest.report import At
from distcheck.exporters.typography import Ink, clip, columns


def excerpt(at: At, arrow: str, gutter: int, width: int, ink: Ink, colour: str) -> Iterator[str]:
    """Where `at` is, its line, and the place in it marked; `gutter` columns for line numbers."""
    yield f"{' ' * gutter}{ink.paint(arrow, 'dim')} {where_of(at, ink)}"
    if not at.source.strip():
        return
    cut = _window(at, width - gutter - 3, ink)
    bar = ink.paint("|", "dim")
    yield f"{ink.paint(str(at.line).rjust(gutter), 'dim')} {bar} {cut.text}"
    yield f"{' ' * gutter} {bar} {' ' * cut.lead}{ink.paint('^' * cut.marks, colour)}"


def where_of(at: At, ink: Ink) -> str:
    """File, line and column, and the object there."""
    where = f"{at.file}:{at.line}:{at.column}" if at.line else at.file
    whose = ", ".join(w for w in (at.object, at.origin and f"from {at.origin}") if w)
    belongs = ink.paint(f" ({ink.clean(whose)})", "dim") if whose else ""
    return f"{ink.clean(where)}{belongs}"


class _Cut(Struct, frozen=True):
    """A line as it is printed, the columns before the place, and those of the place."""

    text: str
    lead: int
    marks: int


def _window(at: At, room: int, ink: Ink) -> _Cut:
    """The line, cut around the place where it is too long."""
    source = at.source.replace("\t", " ").rstrip()
    start, end = at.column - 1 - at.cut, max(at.end_column - 1, at.column) - at.cut
    before, place, after = (
        ink.clean(part) for part in (source[:start], source[start:end], source[end:])
    )
    more = ink.symbol("more")
    if columns(before) + columns(place) + columns(after) > room:
        ahead = room // 3 if columns(place) + columns(after) > room * 2 // 3 else 0
        ahead = ahead or room - columns(place) - columns(after) - columns(more)
        before = _tail(before, ahead, more)
        place = clip(place, room - columns(before), more)
        after = clip(after, room - columns(before) - columns(place), more)
    return _Cut(f"{before}{place}{after}", columns(before), max(columns(place), 1))


def _tail(text: str, width: int, more: str) -> str:
    """The end of `text`, in at most `width` columns."""
    if columns(text) <= width:
        return text
    return more + clip(text[::-1], max(width - columns(more), 0), "")[::-1]
