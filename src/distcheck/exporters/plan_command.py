"""`vllm serve` with the flags of a layout, ready to paste."""

import shlex
from collections.abc import Iterator, Sequence

from distcheck.checks.knowledge.plan import Plan, PlannedLayout
from distcheck.exporters.text_finding import Sheet
from distcheck.exporters.typography import columns


def command(obj: Plan, best: PlannedLayout, sheet: Sheet) -> Iterator[str]:
    """Ready to paste: it goes on with a backslash, never wrapped inside a flag."""
    if not best.flags or best.avoided:
        return
    pieces = [f"vllm serve {shlex.quote(sheet.ink.clean(_served(obj)))}", *_pairs(best.flags)]
    lines = [pieces[0]]
    for piece in pieces[1:]:
        if columns(lines[-1]) + columns(piece) + 3 <= sheet.measure - sheet.edge:
            lines[-1] += f" {piece}"
        else:
            lines[-1] += " \\"
            lines.append(f"  {piece}")
    yield sheet.label("command", 2) + lines[0]
    yield from sheet.hang(lines[1:])


def _served(obj: Plan) -> str:
    """The folder that was read, as it was given; else the model's name."""
    folder, _, file = obj.model.source.rpartition("/")
    return folder if folder and file == "config.json" else obj.model.name


def _pairs(flags: Sequence[str]) -> Iterator[str]:
    words = iter(flags)
    held = next(words, None)
    for word in words:
        if word.startswith("--"):
            yield str(held)
            held = word
        else:
            held = f"{held} {shlex.quote(word)}"
    if held is not None:
        yield held
