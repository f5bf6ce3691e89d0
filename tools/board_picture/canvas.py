"""The shapes that panels are made of."""

from html import escape

FONT = "Inter, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
INK, DIM, PAPER, PANEL, EDGE = "#d8d9da", "#9fa3a8", "#111217", "#181b1f", "#2c2f35"
WIDE, HIGH, GAP = 52, 30, 8
"""Pixels of a cell of the grid, and between two panels."""


class Canvas:
    """Shapes in the order in which they are drawn."""

    def __init__(self) -> None:
        self.shapes: list[str] = []

    def box(self, x: float, y: float, w: float, h: float, color: str, **more: str | float) -> None:
        """A filled rectangle."""
        extra = "".join(f' {k.replace("_", "-")}="{v}"' for k, v in more.items())
        at = f'x="{x:.1f}" y="{y:.1f}" width="{max(w, 0):.1f}" height="{max(h, 0):.1f}"'
        self.shapes.append(f'<rect {at} fill="{color}"{extra}/>')

    def text(self, x: float, y: float, text: str, color: str = INK, **more: str | float) -> None:
        """A line of text with its baseline at `y`; `room` cuts it to so many pixels."""
        size, room = float(more.pop("size", 12)), float(more.pop("room", 0))
        each = size * (0.68 if "font_weight" in more else 0.6)
        fits = int(room / each) if room else len(text)
        cut = text if len(text) <= fits else f"{text[: max(fits - 1, 1)]}\N{HORIZONTAL ELLIPSIS}"
        extra = "".join(f' {k.replace("_", "-")}="{v}"' for k, v in more.items())
        at = f'x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" fill="{color}"'
        self.shapes.append(f"<text {at}{extra}>{escape(cut)}</text>")

    def path(self, points: list[tuple[float, float]], color: str, width: float = 1.5) -> None:
        """A line through points."""
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.shapes.append(
            f'<polyline points="{joined}" fill="none" stroke="{color}" stroke-width="{width}"/>'
        )

    def raw(self, shape: str) -> None:
        """Any other shape."""
        self.shapes.append(shape)

    def svg(self, width: float, height: float, title: str) -> str:
        """The whole picture."""
        body = "\n".join(self.shapes)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
            f'width="{width:.0f}" height="{height:.0f}" role="img" aria-label="{escape(title)}" '
            f'font-family="{FONT}">\n<rect width="100%" height="100%" fill="{PAPER}"/>\n'
            f"{body}\n</svg>\n"
        )
