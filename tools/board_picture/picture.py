"""The dashboard as one picture."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from .canvas import DIM, EDGE, GAP, HIGH, INK, PANEL, WIDE, Canvas
from .frames import Source
from .kinds import KINDS, Room

_HEAD = 44


def picture(
    board: Mapping[str, Any], source: Source, rows: Collection[str], pods: list[str]
) -> str:
    """The rows of these titles, one below the other; all where none is named."""
    on, y = Canvas(), _HEAD
    _head(on, board, source)
    for title, panels in _rows(board["panels"]):
        if rows and title not in rows:
            continue
        on.text(GAP + 4, y + 20, f"\N{BLACK DOWN-POINTING SMALL TRIANGLE} {source.filled(title)}",
                INK, size=15, font_weight=600)  # fmt: skip
        y += HIGH
        top = min(p["gridPos"]["y"] for p in panels)
        for panel, at in _placed(panels, pods):
            _panel(on, panel, at, y - top * HIGH, source)
        y += (max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in panels) - top) * HIGH
    return on.svg(24 * WIDE + 2 * GAP, y + GAP, str(board["title"]))


def _head(on: Canvas, board: Mapping[str, Any], source: Source) -> None:
    on.text(GAP + 4, 28, board["title"], INK, size=18, font_weight=600)
    x = 24 * WIDE
    for name in ("workload", "namespace"):
        text = f"{name}: {source.variables[name]}"
        wide = len(text) * 7 + 18
        x -= wide + 8
        on.box(x, 10, wide, 26, PANEL, stroke=EDGE, rx=3)
        on.text(x + 9, 28, text, DIM, size=12.5)


def _rows(panels: list[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    row: tuple[str, list[dict[str, Any]]] = "", []
    for panel in panels:
        if panel["type"] == "row":
            if row[1]:
                yield row
            row = panel["title"], []
        else:
            row[1].append(panel)
    yield row


def _placed(
    panels: list[dict[str, Any]], pods: list[str]
) -> Iterator[tuple[Any, dict[str, float]]]:
    """A panel that repeats stands once a pod, side by side."""
    for panel in panels:
        if not panel.get("repeat"):
            yield (panel, {}), panel["gridPos"]
            continue
        wide = 24 / len(pods)
        for n, pod in enumerate(pods):
            yield (panel, {"pod": pod}), panel["gridPos"] | {"x": n * wide, "w": wide}


def _panel(on: Canvas, which: Any, at: Mapping[str, float], top: float, source: Source) -> None:
    panel, more = which
    mine = Source(source.ask, source.start, source.end, source.variables | more)
    x, y = GAP + at["x"] * WIDE + GAP / 2, top + at["y"] * HIGH
    wide, high = at["w"] * WIDE - GAP, at["h"] * HIGH - GAP
    on.box(x, y, wide, high, PANEL, stroke=EDGE, rx=3)
    on.text(x + 8, y + 19, mine.filled(panel["title"]), INK, size=12.5, font_weight=600,
            room=wide - 12)  # fmt: skip
    room = Room(x + 8, y + 28, wide - 16, high - 36)
    KINDS[panel["type"]](on, room, panel, mine)
