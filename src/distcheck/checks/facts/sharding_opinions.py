"""What each witness says of each GPU's share, put together: the sets of layouts that fit."""

from collections.abc import Iterable

from msgspec import Struct

from distcheck.checks.evidence import Cite, Missing
from distcheck.checks.facts import sharding_words as words
from distcheck.checks.facts.sharding_held import HeldMemory
from distcheck.checks.facts.sharding_memory import MemoryHeld
from distcheck.checks.facts.sharding_settled import Layouts, has_wanted, only_wanted, settle
from distcheck.checks.facts.sharding_world import WorldWitness
from distcheck.checks.facts.shares import Share
from distcheck.checks.facts.weights_plan import WeightsPlan
from distcheck.checks.facts.weights_seen import WeightsSeen
from distcheck.checks.knowledge.names import in_turn

_UNREAD = (
    "the engine's command line was not read, nor its whole world seen: "
    "a larger share of which some is offloaded to the CPU looks the same"
)


class Clash(Struct, frozen=True):
    """A line and NVML that no layout explains together."""

    share: Share
    by_line: Layouts
    held: HeldMemory


class Opinions(Struct, frozen=True, kw_only=True):
    """The outcome for the whole group.

    `wrong` and `heavy` exclude the wanted layout: lines, and GPUs without a line. `settled`
    are GPUs whose memory let the wanted layout through, `open` the reasons why it is not
    decided, and `undecided` the pods that they name. `by_world` says so where worlds had to
    settle it, `unread` what was not excluded.
    """

    clashes: tuple[Clash, ...] = ()
    wrong: tuple[tuple[Share, Layouts], ...] = ()
    heavy: tuple[HeldMemory, ...] = ()
    settled: tuple[HeldMemory, ...] = ()
    open: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    by_world: str = ""
    unread: str = ""
    cites: tuple[Cite, ...] = ()
    subjects: tuple[str, ...] = ()


def opinions_of(
    seen: WeightsSeen | Missing,
    held: MemoryHeld | Missing,
    plan: WeightsPlan,
    world: WorldWitness | Missing,
) -> Opinions:
    """All witnesses over all GPUs."""
    shares = seen.shares if isinstance(seen, WeightsSeen) else ()
    memory = held.held if isinstance(held, MemoryHeld) else ()
    by_line = [(share, plan.by_line(share.gib, share.pp)) for share in shares]
    on = {h.uuid: h for h in memory}
    spoken = {share.uuid for share in shares}
    silent = _silent(seen, held)
    whole = isinstance(world, WorldWitness) and _is_whole(world, plan)
    rest = settle(memory, silent, plan, held, whole=whole)
    unsettled = rest.says(plan)
    unclear = [_unclear(s, fits, plan) for s, fits in by_line if not _decided(fits, plan, whole)]
    if isinstance(seen, Missing) and unsettled:
        unsettled = (seen.reason, *(why for why in unsettled if why not in seen.reason))
    settled = tuple(h for h in memory if h.pod in silent)
    by_world = rest.by_world or any(not only_wanted(fits, plan) for _, fits in by_line)
    said = world.says if isinstance(world, WorldWitness) and by_world and whole else ""
    return Opinions(
        clashes=tuple(_clashes(by_line, on, plan)),
        wrong=tuple((s, f) for s, f in by_line if _is_wrong(f, plan)),
        heavy=tuple(h for h in memory if h.uuid not in spoken and _heavy(h, plan)),
        settled=settled,
        open=(*unclear[:1], *unsettled),
        undecided=rest.pods,
        unread=_UNREAD if shares and not whole and not plan.allowed.read else "",
        by_world=f" ({said}, which settles it)" if said else "",
        cites=tuple(_cited(shares, settled, world if said else None)),
        subjects=(*(s.subject for s in shares), *(h.uuid for h in settled)),
    )


def _silent(seen: WeightsSeen | Missing, held: MemoryHeld | Missing) -> dict[str, str]:
    """By pod, why lines do not speak for all of its GPUs; under "" where no pod is known."""
    if isinstance(seen, WeightsSeen):
        return seen.silent
    if isinstance(held, Missing):
        return {"": ""}
    pods = dict.fromkeys((*(h.pod for h in held.held), *held.blind))
    return dict.fromkeys(pods, "")


def _is_whole(world: WorldWitness, plan: WeightsPlan) -> bool:
    """Ranks that share experts over data parallel are one world, whole copies are one each."""
    return world.as_wanted and (plan.wanted.dp == 1 or world.worlds == 1)


def _is_wrong(fits: Layouts, plan: WeightsPlan) -> bool:
    """Whether other layouts fit, and not by a guess of how they were loaded alone."""
    return not has_wanted(fits, plan) and any(not e.loaded_as for e in fits)


def _decided(fits: Layouts, plan: WeightsPlan, whole: bool) -> bool:
    return only_wanted(fits, plan) or (whole and has_wanted(fits, plan))


def _heavy(held: HeldMemory, plan: WeightsPlan) -> bool:
    """Whether it holds more than its share: too little may be a model that is not loaded yet.

    Memory tells degrees apart, and no more: of another cut of the same degree it proves nothing.
    """
    fits = plan.by_memory(held)
    other = all(e.degree != plan.wanted.degree for e in fits)
    return other and _is_wrong(fits, plan) and not held.too_little(plan.wanted)


def _clashes(
    by_line: list[tuple[Share, Layouts]], on: dict[str, HeldMemory], plan: WeightsPlan
) -> Iterable[Clash]:
    for share, fits in by_line:
        held = on.get(share.uuid or "")
        if held is None or not fits:
            continue
        others = plan.by_memory(held)
        apart = not {e.degree for e in others} & {e.degree for e in fits}
        if others and apart and not all(held.too_little(e) for e in fits):
            yield Clash(share, fits, held)


def _unclear(share: Share, fits: Layouts, plan: WeightsPlan) -> str:
    says = f"{share.gib:g} GiB on {share.subject} fits {words.parts(fits)} of the model; "
    return f"{says}{plan.wanted} should hold {words.sizes(plan.wanted)} GiB"


def _cited(shares: Iterable[Share], settled: Iterable[HeldMemory], world: object) -> Iterable[Cite]:
    yield from (s.cite for s in in_turn(shares, lambda s: s.pod))
    yield from words.cited(settled)
    if isinstance(world, WorldWitness):
        yield from world.cites
