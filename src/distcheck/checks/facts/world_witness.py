"""What each witness says of the group's worlds, put beside the world that is wanted."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

from distcheck.checks.evidence import Cite, Missing
from distcheck.checks.facts.engine_worlds import EngineWorld, EngineWorlds
from distcheck.checks.facts.nccl_worlds import NcclWorlds
from distcheck.checks.facts.sharding_process import RunningRanks
from distcheck.checks.facts.wanted_world import WantedWorld

Opinion = Literal["as wanted", "otherwise", "in part", "silent"]

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
    cites = (
        *(r.cite for w in engine.worlds for r in w.ranks),
        *(c.cite for c in engine.configured),
    )
    pods = tuple(dict.fromkeys(p for w in engine.worlds for p in w.pods))
    full = [w for w in engine.worlds if w.complete and w.met]
    if any(size not in (wanted.size, wanted.whole) for size in sizes):
        return Testimony("otherwise", f"the engine's ranks form {_worlds(sizes)}", cites, pods)
    against = _against(engine, wanted)
    if against:
        return Testimony("otherwise", against, cites, pods)
    copies_unseen = engine.unseen and len(sizes) < wanted.dp
    if not sizes:
        return Testimony("silent", f"engine logs: {'; '.join(engine.unseen)}")
    if len(full) == len(sizes) and not copies_unseen:
        says = f"the engine's ranks form {_worlds(sizes)}"
        opinion: Opinion = "as wanted" if _fit(sizes, wanted) else "otherwise"
        return Testimony(opinion, says, cites, pods, len(sizes))
    seen = sum(len(w.ranks) for w in engine.worlds)
    where = f" ({'; '.join(engine.unseen)})" if engine.unseen else ""
    meeting = "" if any(w.met for w in engine.worlds) else ", which have set out and not met yet"
    says = f"engine logs show {seen} of {wanted.whole} ranks{meeting}{where}"
    return Testimony("in part", says, cites, pods)


def nccl_testimony(
    nccl: NcclWorlds | Missing, wanted: WantedWorld, running: RunningRanks
) -> Testimony:
    """NCCL's communicators: they speak against it only where no line of theirs can be lost.

    Communicators of processes that are on no GPU now are of an earlier start: silence.

    With pipeline stages a missing two-rank communicator would look like a split, so then
    they can only confirm.
    """
    if isinstance(nccl, Missing):
        return Testimony("silent", f"NCCL logs: {nccl.reason}")
    gone = running.gone(p for w in nccl.worlds for p in w.processes)
    if gone:
        says = f"NCCL logs: lines on {', '.join(gone)} are of processes that no longer run"
        return Testimony("silent", says)
    sizes = [len(w.processes) for w in nccl.worlds]
    cites = tuple(c for w in nccl.worlds for c in w.cites)
    hosts = tuple(dict.fromkeys(h for w in nccl.worlds for h in w.hosts))
    closed = all(w.closed for w in nccl.worlds)
    says = f"NCCL communicators bind {_worlds(sizes)}"
    if closed and _fit(sizes, wanted):
        return Testimony("as wanted", says, cites, hosts, len(sizes))
    if closed and nccl.whole and wanted.pp == 1:
        return Testimony("otherwise", says, cites, hosts)
    where = f" ({'; '.join(nccl.unseen)})" if nccl.unseen else ""
    says = f"NCCL logs show {sum(sizes)} of {wanted.whole} ranks{where}"
    if any(w.largest == wanted.size for w in nccl.worlds):
        return Testimony("in part", says, cites, hosts)
    return Testimony("silent", says, cites, hosts)


def _fit(sizes: Sequence[int], wanted: WantedWorld) -> bool:
    """One world for each copy, or one of all copies (mixture of experts with DP)."""
    copies = len(sizes) == wanted.dp and all(size == wanted.size for size in sizes)
    return copies or list(sizes) == [wanted.whole]


def _against(engine: EngineWorlds, wanted: WantedWorld) -> str:
    """What speaks against the wanted layout although the sizes fit; empty where nothing does."""
    sizes = [w.size for w in engine.worlds]
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
