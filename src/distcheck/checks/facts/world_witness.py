"""What each witness says of the group's worlds, put beside the world that is wanted."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from msgspec import Struct

from distcheck.checks.evidence import Cite, Missing
from distcheck.checks.facts.engine_worlds import EngineWorld, EngineWorlds
from distcheck.checks.facts.nccl_worlds import NcclWorlds
from distcheck.checks.facts.sharding_process import RunningRanks
from distcheck.checks.facts.wanted_world import WantedWorld
from distcheck.checks.knowledge.names import in_turn, names

Opinion = Literal["as wanted", "otherwise", "in part", "silent"]

_UNTOLD = "without the model's config.json, whether its copies share experts is not known"
_SHARED = "what binds the copies, which share the experts, was not seen"
_COUNT = {1: "one", 2: "two", 3: "three", 4: "four"}


class Testimony(Struct, frozen=True):
    """One witness's word: `in part` where not all ranks were seen, but none speaks against."""

    opinion: Opinion
    says: str
    cites: tuple[Cite, ...] = ()
    subjects: tuple[str, ...] = ()
    worlds: int = 0


def engine_testimony(engine: EngineWorlds | Missing, wanted: WantedWorld) -> Testimony:
    """The engine's rank lines: they name the world's size, so one line can speak against it."""
    if isinstance(engine, Missing):
        return Testimony("silent", f"engine logs: {engine.reason}")
    sizes = [w.size for w in engine.worlds]
    cites = (*_in_turn(engine.worlds), *(c.cite for c in engine.configured))
    pods = tuple(dict.fromkeys(p for w in engine.worlds for p in w.pods))
    if against := _against(engine, wanted):
        return Testimony("otherwise", against, cites, pods)
    if not sizes:
        return Testimony("silent", f"engine logs: {'; '.join(engine.unseen)}")
    whole = all(w.complete and w.met for w in engine.worlds)
    if whole and not (engine.unseen and len(sizes) < wanted.dp):
        opinion, why = _of_whole(sizes, wanted)
        return Testimony(
            opinion, f"the engine's ranks form {_worlds(sizes)}{why}", cites, pods, len(sizes)
        )
    seen = sum(len(w.ranks) for w in engine.worlds)
    where = f" ({'; '.join(engine.unseen)})" if engine.unseen else ""
    meeting = "" if any(w.met for w in engine.worlds) else ", which have set out and not met yet"
    says = f"engine logs show {seen} of {wanted.whole} ranks{meeting}{where}"
    return Testimony("in part", says, cites, pods)


def _of_whole(sizes: Sequence[int], wanted: WantedWorld) -> tuple[Opinion, str]:
    """The opinion that rests on whole worlds, and what is not known of it."""
    if _of_copies(sizes, wanted) and wanted.mixture is None:
        return "in part", f"; {_UNTOLD}"
    return "as wanted" if _fit(sizes, wanted) else "otherwise", ""


def nccl_testimony(
    nccl: NcclWorlds | Missing, wanted: WantedWorld, running: RunningRanks
) -> Testimony:
    """NCCL's communicators: they speak against it only where no line of theirs can be lost.

    Communicators of processes that are on no GPU now are of an earlier start: silence.

    With pipeline stages a missing two-rank communicator would look like a split, so then
    they can only confirm. So it is with copies that share their experts: what binds them may
    be made at its first use.
    """
    if isinstance(nccl, Missing):
        return Testimony("silent", f"NCCL logs: {nccl.reason}")
    gone = running.gone(p for w in nccl.worlds for p in w.processes)
    if gone:
        says = f"NCCL logs: lines on {names(gone)} are of processes that no longer run"
        return Testimony("silent", says)
    sizes = [len(w.processes) for w in nccl.worlds]
    opinion, why = _of_communicators(nccl, sizes, wanted)
    cites = tuple(
        in_turn((c for w in nccl.worlds for c in w.cites), lambda c: c.source.rpartition(":")[0])
    )
    hosts = tuple(dict.fromkeys(h for w in nccl.worlds for h in w.hosts))
    if opinion:
        says = f"NCCL communicators bind {_worlds(sizes)}{why}"
        return Testimony(opinion, says, cites, hosts, len(sizes) * (opinion == "as wanted"))
    where = f" ({'; '.join(nccl.unseen)})" if nccl.unseen else ""
    says = f"NCCL logs show {sum(sizes)} of {wanted.whole} ranks{where}"
    some = any(w.largest == wanted.size for w in nccl.worlds)
    return Testimony("in part" if some else "silent", says, cites, hosts)


def _of_communicators(
    nccl: NcclWorlds, sizes: Sequence[int], wanted: WantedWorld
) -> tuple[Opinion | None, str]:
    """The opinion that rests on worlds of which no process is missing; None where some may be."""
    if not all(w.closed for w in nccl.worlds):
        return None, ""
    if _fit(sizes, wanted) and all(w.largest >= wanted.tp for w in nccl.worlds):
        return "as wanted", ""
    if _fit(sizes, wanted):
        return "silent", f"; none of TP={wanted.tp} was seen"
    if _of_copies(sizes, wanted):
        return "silent", f"; {_SHARED if wanted.mixture else _UNTOLD}"
    # Worlds of some copies say nothing against the others.
    some = len(sizes) < wanted.dp and all(size == wanted.size for size in sizes)
    return ("otherwise" if nccl.whole and wanted.pp == 1 and not some else None), ""


def _in_turn(worlds: Iterable[EngineWorld]) -> Iterator[Cite]:
    """Their ranks, one of each pod of each world first."""
    ranks = [(w, r) for w, world in enumerate(worlds) for r in world.ranks]
    yield from (r.cite for _, r in in_turn(ranks, lambda one: (one[0], one[1].pod)))


def _fit(sizes: Sequence[int], wanted: WantedWorld) -> bool:
    """One world of all copies; of a dense model, also one for each copy."""
    apart = _of_copies(sizes, wanted) and wanted.mixture is False
    return apart or list(sizes) == [wanted.whole]


def _of_copies(sizes: Sequence[int], wanted: WantedWorld) -> bool:
    """Whether each copy of several is a world of its own."""
    return len(sizes) == wanted.dp > 1 and all(size == wanted.size for size in sizes)


def _against(engine: EngineWorlds, wanted: WantedWorld) -> str:
    """What speaks against the wanted layout although the sizes fit; empty where nothing does."""
    sizes = [w.size for w in engine.worlds]
    if any(size not in wanted.sizes for size in sizes):
        return f"the engine's ranks form {_worlds(sizes)}"
    if len(sizes) > wanted.dp or (wanted.whole in sizes and len(sizes) > 1 < wanted.dp):
        return f"the engine's ranks form {_worlds(sizes)}: ranks are there twice, or meet apart"
    for one in engine.configured:
        if one.tp not in (None, wanted.tp) or one.pp not in (None, wanted.pp):
            return f"the engine of {one.pod} is configured with TP={one.tp}, PP={one.pp}"
    return next((says for w in engine.worlds if (says := _misplaced(w, wanted))), "")


def _misplaced(world: EngineWorld, wanted: WantedWorld) -> str:
    """How the places that a world's ranks were told differ from TP x PP; empty where not."""
    for name, size in (("tp", wanted.tp), ("pp", wanted.pp)):
        told = [place for r in world.ranks if (place := getattr(r, name)) is not None]
        largest = max(told, default=-1) + 1
        if largest > size or (world.complete and len(told) == world.size and largest < size):
            return f"the engine's ranks have places of {name.upper()}={largest}"
    return ""


def _worlds(sizes: Iterable[int]) -> str:
    parts = [
        f"{_COUNT.get(count, count)} {'world' if count == 1 else 'worlds'} of {size}"
        for size, count in sorted(Counter(sizes).items(), reverse=True)
    ]
    return " and ".join(parts)
