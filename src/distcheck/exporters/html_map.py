"""The group as a picture: a card for each pod with its GPUs as tiles, and lines between pods."""

import math
from collections.abc import Callable, Iterator
from itertools import groupby

from distcheck.checks.group_map import GroupMap, LinkKind, MapGpu, MapLink
from distcheck.checks.report import Report

Safe = Callable[[str], str]
GIB = 1 << 30
_MOST_IN_RING = 16
_WHOLE_NAMES, _LABEL, _MUCH = 4, 10, 1.5
_KINDS: dict[LinkKind, str] = {
    "rdma": "RDMA with GPUDirect",
    "rdma-no-gdr": "RDMA through host memory",
    "socket": "TCP sockets",
    "mnnvl": "NVLink between nodes",
    "other": "another network",
}


def is_long(report: Report) -> bool:
    """More cards than a reader wants to pass on the way to what is wrong."""
    pods = {gpu.pod for gpu in report.map.gpus} if report.map else ()
    return len(pods) > _WHOLE_NAMES


def group_map(report: Report, safe: Safe) -> Iterator[str]:
    """The section; nothing where no GPU and no link was seen."""
    seen = report.map
    if seen is None or not (seen.gpus or seen.links or seen.unseen):
        return
    yield '<section class="map"><h2>The group</h2>'
    yield from _links(seen, safe)
    yield from _key(seen)
    yield '<div class="pods">'
    asked = _too_much_of(report)
    for pod, gpus in groupby(seen.gpus, key=lambda g: g.pod):
        yield from _card(pod, list(gpus), asked, safe)
    for pod, why in seen.unseen.items():
        yield f'<div class="pod unseen"><h3>{safe(pod)}</h3><p>not seen: {safe(why)}</p></div>'
    yield "</div>"
    if seen.left_out:
        yield f"<p>and {seen.left_out} GPUs more</p>"
    yield "</section>"


def _key(seen: GroupMap) -> Iterator[str]:
    """What the tiles show; of their borders only those that are there."""
    if not seen.gpus:
        return
    idle = " Dashed: no rank of the group." if any(not g.ranks for g in seen.gpus) else ""
    shared = " Thick border: shared with somebody else." if any(g.others for g in seen.gpus) else ""
    yield (
        '<p class="key">A tile is a GPU: its number, its memory (<i></i> in use, of that '
        '<i class="weights"></i> weights), and the part of the model\'s weights that it holds.'
        f"{idle}{shared}</p>"
    )


def _too_much_of(report: Report) -> int:
    """Into how many parts the weights were to be cut, where SHARD001 fails; else 0."""
    asked = report.intent
    fails = any(f.id == "SHARD001" and f.outcome == "fail" for f in report.checks)
    return (asked.tp or 0) * (asked.pp or 1) if fails else 0


def _card(pod: str, gpus: list[MapGpu], asked: int, safe: Safe) -> Iterator[str]:
    name = gpus[0].name
    yield f'<div class="pod"><h3>{safe(pod)}</h3><p>{safe(gpus[0].node)} · {safe(name)}</p>'
    yield '<div class="gpus">'
    yield from (_tile(gpu, asked, safe) for gpu in gpus)
    yield "</div></div>"


def _tile(gpu: MapGpu, asked: int, safe: Safe) -> str:
    state = "idle" if not gpu.ranks else "shared" if gpu.others else "rank"
    full = 100 * gpu.memory_used / gpu.memory_total if gpu.memory_total else 0
    weights = 100 * (gpu.weights_bytes or 0) / gpu.memory_total if gpu.memory_total else 0
    title = f"{gpu.uuid}: {', '.join(gpu.ranks) or 'no rank'}"
    if gpu.others:
        title += f", and {gpu.others} of somebody else"
    return (
        f'<div class="gpu {state}" title="{safe(title)}"><b>{gpu.index}</b>'
        f'<span class="bar"><i style="width:{full:.0f}%"></i>'
        f'<i class="weights" style="width:{weights:.0f}%"></i></span>'
        f"{_share(gpu, asked)}<small>{gpu.memory_used / GIB:.0f} of "
        f"{gpu.memory_total / GIB:.0f} GiB</small></div>"
    )


def _share(gpu: MapGpu, asked: int) -> str:
    """The part that it holds, marked where it is half as much again as was asked for."""
    if asked and gpu.share and gpu.share * asked > _MUCH:
        return f'<span class="wrong">{_part(gpu)}</span><small>1/{asked} asked</small>'
    return f"<span>{_part(gpu)}</span>"


def _part(gpu: MapGpu) -> str:
    """`1/16` of the weights, in GiB where the whole is not known."""
    if gpu.share:
        parts = round(1 / gpu.share)
        near = abs(gpu.share * parts - 1) < 0.05
        return f"1/{parts}" if near else f"{100 * gpu.share:.1f} %"
    if gpu.weights_bytes is not None:
        return f"{gpu.weights_bytes / GIB:.1f} GiB"
    return "?" if gpu.ranks else "idle"


def _links(seen: GroupMap, safe: Safe) -> Iterator[str]:
    if not seen.links:
        return
    linked = dict.fromkeys(name for link in seen.links for name in (link.source, link.target))
    cards = dict.fromkeys(gpu.pod for gpu in seen.gpus if gpu.pod in linked)
    pods = list(cards | linked)
    if len(pods) <= _MOST_IN_RING:
        yield _ring(pods, seen.links, safe)
    kinds = dict.fromkeys(link.kind for link in seen.links)
    yield '<ul class="legend">'
    for kind in kinds:
        used = sorted({t for link in seen.links if link.kind == kind for t in link.transports})
        yield f'<li class="{kind}">{_KINDS[kind]}: {safe(", ".join(used[:4]))}</li>'
    yield "</ul>"


def _ring(pods: list[str], links: tuple[MapLink, ...], safe: Safe) -> str:
    """Pods on an ellipse, and a bent line for each direction."""
    places = {pod: _place(n, len(pods)) for n, pod in enumerate(pods)}
    names = _short(pods)
    lines = "".join(_line(places[one.source], places[one.target], one, safe) for one in links)
    dots = "".join(
        f'<circle cx="{x:.0f}" cy="{y:.0f}" r="7"/>'
        f'<text x="{x:.0f}" y="{y + (24 if y >= 110 else -14):.0f}">{safe(names[pod])}'
        f"<title>{safe(pod)}</title></text>"
        for pod, (x, y) in places.items()
    )
    return (
        f'<svg viewBox="0 0 640 220" role="img" aria-label="who talks to whom">{lines}{dots}</svg>'
    )


def _short(pods: list[str]) -> dict[str, str]:
    """Names that fit beside each other: of many pods only what differs, of long ones the end."""
    if len(pods) <= _WHOLE_NAMES:
        return {pod: pod for pod in pods}
    common = min(pods)
    while not all(pod.startswith(common) for pod in pods):
        common = common[:-1]
    cut = common.rfind("-") + 1
    return {pod: f"…{pod[cut:][-_LABEL:]}" if cut else pod[-_LABEL:] for pod in pods}


def _place(number: int, count: int) -> tuple[float, float]:
    angle = math.pi + 2 * math.pi * number / count
    return 320 + 220 * math.cos(angle), 110 + 70 * math.sin(angle)


def _line(one: tuple[float, float], other: tuple[float, float], link: MapLink, safe: Safe) -> str:
    dx, dy = other[0] - one[0], other[1] - one[1]
    bend = 0.12
    middle = (one[0] + other[0]) / 2 - bend * dy, (one[1] + other[1]) / 2 + bend * dx
    told = f"{link.source} to {link.target}: {', '.join(link.transports)}"
    return (
        f'<path class="{link.kind}" d="M{one[0]:.0f} {one[1]:.0f} Q{middle[0]:.0f} '
        f'{middle[1]:.0f} {other[0]:.0f} {other[1]:.0f}"><title>{safe(told)}</title></path>'
    )
