"""Communicators put together from several logs, and the one that is the world."""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from distcheck.checks.evidence.nccl import Communicator, SeenRank


def merge_communicators(parts: Iterable[Communicator]) -> tuple[Communicator, ...]:
    """One communicator for each id, with every rank that any part shows.

    Ids that are made up (`inferred`) are equal in unrelated logs; such a part goes to the
    first of its size in which its ranks are free, or are the same processes.
    """
    named: dict[str, list[Communicator]] = {}
    inferred: dict[str, Communicator] = {}
    for part in parts:
        if part.inferred:
            home = _home(inferred, part)
            old = inferred.get(home)
            inferred[home] = replace(part, id=home) if old is None else _joined([old, part])
        else:
            named.setdefault(part.id, []).append(part)
    return (*(_joined(same) for same in named.values()), *inferred.values())


def _home(merged: dict[str, Communicator], part: Communicator) -> str:
    stem, number = part.id.rsplit("#", 1)[0], 0
    while (old := merged.get(f"{stem}#{number}")) is not None and _clash(old, part):
        number += 1
    return f"{stem}#{number}"


def _clash(old: Communicator, part: Communicator) -> bool:
    held = {r.rank: (r.host, r.pid) for r in old.ranks}
    return any(held.get(r.rank, (r.host, r.pid)) != (r.host, r.pid) for r in part.ranks)


def _joined(parts: Sequence[Communicator]) -> Communicator:
    if len(parts) == 1:
        return parts[0]
    ranks: dict[int, SeenRank] = {}
    for rank in (r for part in parts for r in part.ranks):
        ranks[rank.rank] = _later(ranks.get(rank.rank), rank)
    return replace(
        parts[0],
        nranks=max(p.nranks for p in parts),
        ranks=tuple(ranks[r] for r in sorted(ranks)),
        nodes=max((p.nodes for p in parts if p.nodes is not None), default=None),
        mnnvl=any(p.mnnvl for p in parts),
        lines=sum(p.lines for p in parts),
    )


def _later(old: SeenRank | None, new: SeenRank) -> SeenRank:
    if old is None or old.state == "started":
        return new
    return replace(old, closed=old.closed or new.closed)


def world_of(communicators: Iterable[Communicator]) -> Communicator | None:
    """The largest communicator; of several equal ones, the one with most ranks complete.

    One that a single line names counts only where nothing else is there: that line may be
    two messages sheared into each other.
    """
    every = list(communicators)
    trusted = [c for c in every if c.lines > 1] or every
    return max(trusted, key=_weight, default=None)


def _weight(one: Communicator) -> tuple[int, int, int]:
    return one.nranks, len(one.complete), len(one.ranks)
