"""A plan as text: the best layout, the others in a table, then what the best one means."""

from collections.abc import Iterator, Sequence

from distcheck.checks.knowledge.plan import Plan, PlannedGpu, PlannedLayout
from distcheck.checks.knowledge.rank_ranges import ranges, spans
from distcheck.exporters.plan_bars import GIB, bar, gib, kinds_of, legend
from distcheck.exporters.plan_command import command
from distcheck.exporters.text_finding import Sheet
from distcheck.exporters.typography import Ink, columns, pad, shorten, wrap

_EDGE = 12
_ROWS = 8
_GPUS = 6
_GAP = "  "


def render_text(obj: Plan, width: int = 80, ink: Ink | None = None) -> str:
    """The whole page."""
    sheet = Sheet(width, ink or Ink(), _EDGE)
    best = obj.layouts[0]
    lines = [*_headline(best, sheet), "", *_model(obj, sheet), ""]
    if len(obj.layouts) > 1:
        lines += [*_table(obj.layouts, sheet), *sheet.row("order", obj.order, indent=2), ""]
    lines += [*_gpus(best, sheet), *_reasons(best, sheet), *command(obj, best, sheet)]
    for number, note in enumerate(obj.notes):
        lines += sheet.row("" if number else "note", note, indent=2)
    return "\n".join(["", *lines]) + "\n\n"


def cut(layout: PlannedLayout) -> str:
    """`TP=8 x PP=2`, with DP and EP where there are any."""
    parts = [f"TP={layout.tp}", f"PP={layout.pp}" if layout.pp > 1 else ""]
    parts += [f"DP={layout.dp}" if layout.dp > 1 else "", f"EP={layout.ep}" if _ep(layout) else ""]
    return " x ".join(p for p in parts[:3] if p) + (f", {parts[3]}" if parts[3] else "")


def _ep(layout: PlannedLayout) -> bool:
    return layout.ep > 1


def _badge(layout: PlannedLayout) -> tuple[str, str]:
    if layout.avoided:
        return ("FITS, AVOID" if layout.fits else "AVOID"), "yellow"
    if layout.fits:
        return "FITS", "green"
    if layout.fits is False:
        return ("NO FIT" if layout.memory else "REFUSED"), "red"
    return ("MAY FIT" if layout.memory else "PLAN"), "yellow"


def _headline(best: PlannedLayout, sheet: Sheet) -> list[str]:
    word, colour = _badge(best)
    badge = f" {word} "
    gpus = "1 GPU" if best.gpus == 1 else f"{best.gpus} GPUs"
    nodes = "" if best.nodes == 1 else f", {best.nodes} nodes"
    says = f"{cut(best)} on {gpus}{nodes}. {best.advice}" if _chosen(best) else best.advice
    over = max(0, len(badge) + 2 - sheet.edge)
    first, *rest = wrap(sheet.ink.clean(says), sheet.measure - sheet.edge - over)
    room = " " * max(1, sheet.edge - 1 - len(badge))
    painted = sheet.ink.paint(badge, "bold", "reverse", colour)
    lines = sheet.hang([sheet.ink.paint(line, "bold") for line in rest])
    return [f" {painted}{room}{sheet.ink.paint(first, 'bold')}", *lines]


def _chosen(best: PlannedLayout) -> bool:
    """Without flags and refusal, nothing is recommended."""
    return bool(best.flags or best.refused)


def _model(obj: Plan, sheet: Sheet) -> Iterator[str]:
    model = obj.model
    heads = f"{model.attention_heads} heads" if model.attention_heads else ""
    keys = f" ({model.kv_heads} KV)" if heads and model.kv_heads else ""
    words = [
        model.name,
        model.architecture,
        f"{model.layers} layers" if model.layers else "",
        f"{heads}{keys}",
        f"{model.experts} experts" if model.experts else "",
        model.weights,
        f"checkpoint {gib(obj.checkpoint_bytes)}" if obj.checkpoint_bytes else "",
    ]
    yield from sheet.row("model", ", ".join(w for w in words if w), indent=2)
    if obj.asked:
        yield from sheet.row("asked", obj.asked, indent=2)


def _table(layouts: Sequence[PlannedLayout], sheet: Sheet) -> Iterator[str]:
    """One line a layout: mark, cut, weights, KV tokens, and one reason."""
    shown = layouts[:_ROWS]
    cells = [(cut(one), _weights(one), _tokens(one)) for one in shown]
    head = ("layout", "GiB a GPU", "KV tokens")
    wide = [max(columns(row[n]) for row in (head, *cells)) for n in range(3)]
    room = sheet.width - 4 - sum(wide) - 3 * len(_GAP)
    yield sheet.ink.paint("    " + _line(head, wide) + _GAP + "why", "dim")
    for one, row in zip(shown, cells, strict=True):
        yield f"  {_mark(one, sheet.ink)} {_line(row, wide)}{_GAP}{_why(one, sheet, room)}"
    if len(layouts) > _ROWS:
        more = f"    and {len(layouts) - _ROWS} more (-o json has all)"
        yield sheet.ink.paint(more, "dim")


def _line(row: Sequence[str], wide: Sequence[int]) -> str:
    name, weights, tokens = row
    return _GAP.join((pad(name, wide[0]), _right(weights, wide[1]), _right(tokens, wide[2])))


def _right(text: str, width: int) -> str:
    return " " * (width - columns(text)) + text


def _why(one: PlannedLayout, sheet: Sheet, room: int) -> str:
    return shorten(sheet.ink.clean(one.short), max(room, 12), sheet.ink.symbol("more"))


def _mark(one: PlannedLayout, ink: Ink) -> str:
    if one.fits is None:
        return ink.paint(ink.symbol("unknown"), "yellow")
    name, colour = ("pass", "green") if one.fits else ("fail", "red")
    return ink.paint(ink.symbol(name), colour)


def _weights(one: PlannedLayout) -> str:
    highs = [r.weights_bytes_high for r in one.ranks if r.weights_bytes_high is not None]
    if not highs:
        return "-"
    return f"{'' if one.exact else '<= '}{max(highs) / GIB:.1f}"


def _tokens(one: PlannedLayout) -> str:
    if one.kv_tokens is None or one.refused:
        return "-"
    return _short(one.kv_tokens.likely)


def _short(tokens: int) -> str:
    return f"{tokens / 1e6:.1f}M" if tokens >= 10**6 else f"{tokens // 1000}k"


def _gpus(best: PlannedLayout, sheet: Sheet) -> Iterator[str]:
    """A bar for each kind of GPU that holds something else; the first few, and how many more."""
    kinds = kinds_of(best.memory)
    for number, kind in enumerate(kinds[:_GPUS]):
        label = "" if number else "memory"
        if len(kinds) > 1:
            yield from sheet.row(label, _whose(kind), indent=2)
            label = ""
        yield sheet.label(label, 2) + bar(kind[0], sheet.measure - sheet.edge, sheet.ink)
        yield from sheet.hang(legend(kind[0], sheet.measure - sheet.edge, sheet.ink))
    if len(kinds) > _GPUS:
        yield from sheet.hang([f"and {len(kinds) - _GPUS} more kinds (-o json has all)"])


def _whose(kind: Sequence[PlannedGpu]) -> str:
    stages = {gpu.pp_rank for gpu in kind}
    ranks = [rank for gpu in kind for rank in gpu.ranks]
    words = (("stage", stages), ("rank", ranks))
    return ", ".join(f"{w}{'s' if len(n) > 1 else ''} {spans(ranges(n))}" for w, n in words)


def _reasons(best: PlannedLayout, sheet: Sheet) -> Iterator[str]:
    for number, reason in enumerate(best.why if _chosen(best) else ()):
        yield from sheet.row("" if number else "why", reason, indent=2)
