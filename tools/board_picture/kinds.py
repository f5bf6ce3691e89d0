"""One function a kind of panel: it draws into the room that is left below the title."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from .canvas import DIM, EDGE, INK, Canvas
from .field import PALETTE, paint, settings, shown
from .frames import Row, Series, Source

Panel = Mapping[str, Any]
Point = tuple[float, float]


class Room(Struct, frozen=True):
    """Where a panel may draw, in pixels."""

    x: float
    y: float
    w: float
    h: float


def stat(on: Canvas, room: Room, panel: Panel, source: Source) -> None:
    """Boxes side by side."""
    found = [(s.name, s.last) for s in source.series(panel)] or [("", None)]
    wide = room.w / len(found)
    names_only = panel["options"].get("textMode") == "name"
    solid = panel["options"]["colorMode"].startswith("background")
    for n, (name, value) in enumerate(found):
        text, color = shown(value, settings(panel, name))
        if names_only and value is not None:
            text, name = name, ""  # noqa: PLW2901 - the name is all there is to tell
        x, middle = room.x + n * wide, room.x + (n + 0.5) * wide
        several = len(found) > 1 and name
        if solid:
            on.box(x + 2, room.y, wide - 4, room.h, color, rx=3)
        size = min(26, room.h * 0.42, 1.5 * wide / max(len(text), 1))
        ink = "#ffffff" if solid else color
        on.text(middle, room.y + room.h / 2 + (size / 3 if not several else size * 0.62), text,
                ink, size=size, text_anchor="middle", font_weight=600)  # fmt: skip
        if several:
            on.text(middle, room.y + 17, name, ink, size=12, text_anchor="middle")


def bargauge(on: Canvas, room: Room, panel: Panel, source: Source) -> None:
    """A bar a series, to the largest value where no maximum is set."""
    found = source.series(panel)
    if not found:
        return none(on, room, panel)
    tall = min(room.h / len(found), 34)
    label = min(max(len(s.name) for s in found) * 7.2 + 12, room.w * 0.45)
    told = [shown(s.last, settings(panel, s.name)) for s in found]
    right = max(len(text) for text, _ in told) * 7.6 + 12
    top = panel["fieldConfig"]["defaults"].get("max") or max(s.last for s in found) or 1
    for n, one in enumerate(found):
        text, color = told[n]
        y, wide = room.y + n * tall, room.w - label - right
        on.text(room.x, y + tall / 2 + 4, one.name, INK, room=label)
        on.box(room.x + label, y + 3, wide, tall - 6, "#22252b", rx=2)
        on.box(room.x + label, y + 3, wide * min(max(one.last / top, 0.004), 1), tall - 6, color,
               rx=2, fill_opacity=0.85)  # fmt: skip
        on.text(room.x + room.w, y + tall / 2 + 4, text, color, text_anchor="end", font_weight=600)
    return None


def table(on: Canvas, room: Room, panel: Panel, source: Source) -> None:
    """Rows as the table sorts them; those that do not fit are counted."""
    rows = _sorted(panel, source.rows(panel))
    if not rows:
        return none(on, room, panel)
    names = [n for n in rows[0] if not settings(panel, n).get("custom.hidden")]
    widths = _widths(panel, names, rows, room.w)
    fits = int((room.h - 22) / 24)
    more = len(rows) - fits
    x = room.x
    for name, wide in zip(names, widths, strict=True):
        on.text(x + 4, room.y + 13, name, "#6e9fff", room=wide - 6, size=11.5, font_weight=600)
        for n, row in enumerate(rows[: fits - (more > 0)]):
            field = settings(panel, name, row.get(name))
            text, color = shown(row.get(name), field)
            y = room.y + 22 + n * 24
            filled = "custom.cellOptions" in field
            if filled and row.get(name) is not None:
                on.box(x, y + 1, wide - 3, 22, color, rx=2)
            linked = "#6e9fff" if "links" in field else INK
            empty = row.get(name) is None
            ink = color if empty else "#ffffff" if filled else linked
            on.text(x + 4, y + 16, text, ink, room=wide - 8, size=12)
        x += wide
    if more > 0:
        y = room.y + 22 + (fits - 1) * 24 + 16
        on.text(room.x + 4, y, f"{more + 1} more rows below", DIM, size=11.5)
    return None


def _sorted(panel: Panel, rows: list[Row]) -> list[Row]:
    for by in reversed(panel["options"].get("sortBy") or ()):
        rows = sorted(rows, key=lambda r, k=by["displayName"]: (r.get(k) is None, r.get(k) or 0),
                      reverse=bool(by.get("desc")))  # fmt: skip
    return rows


def _widths(panel: Panel, names: list[str], rows: list[Row], room: float) -> list[float]:
    """By the longest text of each column, or as the panel sets it."""
    need = [_width(settings(panel, n), n, [r.get(n) for r in rows]) for n in names]
    return [room * one / sum(need) for one in need]


def _width(field: Mapping[str, Any], name: str, values: list[Any]) -> float:
    texts = [shown(value, field)[0] for value in values]
    found = max(len(name) * 8.4, *(len(text) * 7.2 for text in texts)) + 14
    return float(field.get("custom.width", min(found, 215)))


def state_timeline(on: Canvas, room: Room, panel: Panel, source: Source) -> None:
    """A bar a series; time without a value stays empty."""
    found = source.series(panel)
    if not found:
        return none(on, room, panel)
    label, tall = 76.0, (room.h - 18) / len(found)
    wide = room.w - label
    for n, one in enumerate(found):
        y = room.y + n * tall
        field = settings(panel, one.name)
        on.text(room.x + label - 8, y + tall / 2 + 4, one.name, INK, size=min(11, tall),
                text_anchor="end")  # fmt: skip
        for start, end, value in _runs(one, source):
            x = room.x + label + wide * start
            on.box(x, y + tall * 0.08, wide * (end - start), tall * 0.84, shown(value, field)[1],
                   fill_opacity=0.85)  # fmt: skip
    _clock(on, room.x + label, room.y + room.h - 2, wide, source)
    return None


def _runs(one: Series, source: Source) -> list[tuple[float, float, float]]:
    """From, to (0 to 1 of the time range), and value."""
    span = source.end - source.start
    step = span / 240
    runs: list[tuple[float, float, float]] = []
    for at, value in one.points:
        start, end = (at - source.start) / span, min((at + step - source.start) / span, 1)
        if runs and runs[-1][2] == value and start - runs[-1][1] < 0.5 * step / span:
            runs[-1] = (runs[-1][0], end, value)
        else:
            runs.append((start, end, value))
    return runs


def timeseries(on: Canvas, room: Room, panel: Panel, source: Source) -> None:
    """Lines with a scale, and a legend below."""
    found = source.series(panel)
    if not found:
        return none(on, room, panel)
    legend = 18
    label, high, wide = 62.0, room.h - 22 - legend, room.w - 62.0
    top = _nice(max(max(v for _, v in s.points) for s in found))
    for n in range(5):
        y = room.y + 6 + high * n / 4
        on.path([(room.x + label, y), (room.x + room.w, y)], EDGE, 1)
        text, _ = shown(top * (4 - n) / 4, settings(panel, ""))
        on.text(room.x + label - 6, y + 4, text, DIM, size=10.5, text_anchor="end")
    x = room.x
    for n, one in enumerate(found):
        set_to = settings(panel, one.name).get("color", {})
        color = paint(set_to.get("fixedColor", PALETTE[n % len(PALETTE)]))
        points = [
            (room.x + label + wide * (at - source.start) / (source.end - source.start),
             room.y + 6 + high * (1 - value / top))
            for at, value in one.points
        ]  # fmt: skip
        on.path(points, color)
        room_for = len(one.name) * 6.2 + 26
        if x + room_for < room.x + room.w - 40:
            on.box(x, room.y + room.h - 9, 12, 3, color)
            on.text(x + 16, room.y + room.h - 4, one.name, DIM, size=11)
            x += room_for
        elif n == len(found) - 1:
            on.text(x, room.y + room.h - 4, "...", DIM, size=11)
    _clock(on, room.x + label, room.y + high + 20, wide, source)
    return None


def _nice(value: float) -> float:
    """The next number that four steps divide well."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(m * power for m in (1, 2, 4, 8, 10) if m * power >= value * 1.02)


def _clock(on: Canvas, x: float, y: float, wide: float, source: Source) -> None:
    for n in range(5):
        at = datetime.fromtimestamp(source.start + (source.end - source.start) * n / 4, UTC)
        anchor = "start" if n == 0 else "end" if n == 4 else "middle"
        on.text(x + wide * n / 4, y, at.strftime("%H:%M:%S"), DIM, size=10, text_anchor=anchor)


def node_graph(on: Canvas, room: Room, panel: Panel, source: Source) -> None:
    """Nodes on a line or a circle, and an arc for each edge."""
    found = source.series(panel)
    nodes = [s.labels for s in found if s.ref == "nodes"]
    if not nodes:
        return none(on, room, panel)
    at = _places(room, len(nodes))
    by_id = {node["id"]: place for node, place in zip(nodes, at, strict=True)}
    for edge in (s.labels for s in found if s.ref == "edges"):
        _edge(on, by_id[edge["source"]], by_id[edge["target"]], edge)
    for node, (x, y) in zip(nodes, at, strict=True):
        on.raw(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="24" fill="#181b1f" stroke="#7b8087" '
               'stroke-width="3"/>')  # fmt: skip
        on.text(x, y + 42, node["title"], INK, size=12, text_anchor="middle")
        on.text(x, y + 57, node.get("subtitle", ""), DIM, size=11, text_anchor="middle")
    return None


def _places(room: Room, count: int) -> list[tuple[float, float]]:
    middle = room.x + room.w / 2, room.y + room.h / 2 - 14
    return [
        (middle[0] + math.cos(math.pi + 2 * math.pi * n / count) * room.w * 0.3,
         middle[1] + math.sin(math.pi + 2 * math.pi * n / count) * room.h * 0.3)
        for n in range(count)
    ]  # fmt: skip


def _edge(on: Canvas, a: Point, b: Point, edge: Mapping[str, str]) -> None:
    """Bent to one side, so that both directions are seen; an arrow on its end."""
    length = math.dist(a, b) or 1
    ux, uy = (b[0] - a[0]) / length, (b[1] - a[1]) / length
    start, end = (a[0] + ux * 27, a[1] + uy * 27), (b[0] - ux * 29, b[1] - uy * 29)
    bend = ((a[0] + b[0]) / 2 + uy * 46, (a[1] + b[1]) / 2 - ux * 46)
    color = paint(edge["color"])
    way = f"M{start[0]:.1f},{start[1]:.1f} Q{bend[0]:.1f},{bend[1]:.1f} {end[0]:.1f},{end[1]:.1f}"
    on.raw(f'<path d="{way}" fill="none" stroke="{color}" stroke-width="2.5"/>')
    on.raw(f'<circle cx="{end[0]:.1f}" cy="{end[1]:.1f}" r="4" fill="{color}"/>')
    y = bend[1] / 2 + (a[1] + b[1]) / 4 + (16 if ux < 0 else -8)
    text = f"{edge['mainstat']} {edge['secondarystat']}"
    on.text((bend[0] + (a[0] + b[0]) / 2) / 2, y, text, color, size=12, text_anchor="middle")


def none(on: Canvas, room: Room, panel: Panel) -> None:
    """What a panel without any series says."""
    text, color = shown(None, settings(panel, ""))
    on.text(room.x + room.w / 2, room.y + room.h / 2, text, color, text_anchor="middle", size=15)


KINDS = {
    "stat": stat, "bargauge": bargauge, "table": table, "state-timeline": state_timeline,
    "timeseries": timeseries, "nodeGraph": node_graph,
}  # fmt: skip
