"""A terminal as a picture: ANSI text on standard input, an SVG that needs no other file.

    distcheck lab run replicated | python tools/svg.py 'distcheck verify vllm-head-0' OUT.svg

The first argument is the command line to show above the text.
"""

import re
import sys
import unicodedata
from html import escape
from itertools import takewhile
from pathlib import Path

CHAR, LINE, SIZE = 8.4, 20, 14
LEFT, TOP, BOTTOM = 24, 56, 20
FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
INK, PAPER, DIM = "#d6dae1", "#15181e", "#7f8794"
COLOURS = {"31": "#ff7b72", "32": "#7ee787", "33": "#f2cc60"}
DOTS = ("#ff5f57", "#febc2e", "#28c840")

_SGR = re.compile(r"\x1b\[([\d;]*)m")


def svg(command: str, text: str) -> str:
    """The picture of a window in which `command` printed `text`."""
    lines = [f"\x1b[32m$\x1b[0m {command}", *text.rstrip("\n").split("\n")]
    columns = max(len(_SGR.sub("", line)) for line in lines)
    width, height = 2 * LEFT + columns * CHAR, TOP + LINE * len(lines) + BOTTOM
    body = "\n".join(_line(line, TOP + LINE * n) for n, line in enumerate(lines))
    dots = "".join(
        f'<circle cx="{LEFT + 20 * n}" cy="24" r="6" fill="{c}"/>' for n, c in enumerate(DOTS)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" '
        f'width="{width:.0f}" height="{height}" role="img" aria-label="{escape(command)}">\n'
        f'<rect width="100%" height="100%" rx="10" fill="{PAPER}"/>\n{dots}\n'
        f'<g font-family="{FONT}" font-size="{SIZE}" fill="{INK}" xml:space="preserve">\n'
        f"{body}\n</g>\n</svg>\n"
    )


def _line(line: str, y: float) -> str:
    """One row of text: each run of one style stands at its own column."""
    parts = _SGR.split(line)
    column, out = 0, []
    for style, run in zip(["", *parts[1::2]], parts[0::2], strict=True):
        if run.strip():
            out.append(_run(run, style.split(";"), column, y))
        column += len(run)
    return "".join(out)


def _run(run: str, style: list[str], column: int, y: float) -> str:
    x, length = LEFT + column * CHAR, len(run) * CHAR
    colour = next((COLOURS[s] for s in style if s in COLOURS), DIM if "2" in style else INK)
    weight = ' font-weight="600"' if "1" in style else ""
    box = ""
    if "7" in style:
        at = f'x="{x:.1f}" y="{y - 15}" width="{length:.1f}" height="20"'
        box = f'<rect {at} rx="4" fill="{colour}"/>'
        colour = PAPER
    lead = sum(1 for _ in takewhile(str.isspace, run))
    x, run = x + lead * CHAR, run.strip()
    fit = f' textLength="{len(run) * CHAR:.1f}" lengthAdjust="spacingAndGlyphs"'
    return f'{box}<text x="{x:.1f}" y="{y}" fill="{colour}"{weight}{fit}>{escape(run)}</text>'


def main(argv: list[str]) -> int:
    """Read, draw, write; the exit code."""
    if len(argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    text = unicodedata.normalize("NFC", sys.stdin.read())
    Path(argv[1]).write_text(svg(argv[0], text.strip("\n")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
