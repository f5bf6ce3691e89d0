"""Communicators put together from several logs, and the one that is the world."""

from collections.abc import Iterable

from msgspec.structs import replace

from distcheck.checks.evidence.nccl import Communicator, SeenRank


def merge_communicators(parts: Iterable[Communicator]) -> tuple[Communicator, ...]:
    """One communicator for each id, with every rank that any part shows.

    Ids may be equal in unrelated parts: those that are made up (`inferred`), and until NCCL
    2.22 those of splits of one colour. Such a part goes to the first of its id in which its
    ranks are free, or are the same processes.
    """
    merged: dict[str, _Whole] = {}
    for part in parts:
        name = _home(merged, part)
        merged.setdefault(name, _Whole(name, part.inferred)).add(part)
    every = (whole.seen() for whole in merged.values())
    return tuple(sorted(every, key=lambda c: c.inferred))


class _Whole:
    """One communicator while its parts come in."""

    def __init__(self, name: str, inferred: bool) -> None:
        self._whole = Communicator(name, 0, (), inferred=inferred, lines=0)
        self._ranks: dict[int, SeenRank] = {}

    def clashes(self, part: Communicator) -> bool:
        """Whether other processes hold ranks that this part shows."""
        held = ((self._ranks.get(r.rank, r), r) for r in part.ranks)
        return any((a.host, a.pid) != (b.host, b.pid) for a, b in held)

    def add(self, part: Communicator) -> None:
        """Take a part that does not clash."""
        for rank in part.ranks:
            self._ranks[rank.rank] = _later(self._ranks.get(rank.rank), rank)
        whole = self._whole
        nodes = [n for n in (whole.nodes, part.nodes) if n is not None]
        self._whole = replace(
            whole,
            nranks=max(whole.nranks, part.nranks),
            nodes=max(nodes, default=None),
            mnnvl=whole.mnnvl or part.mnnvl,
            lines=whole.lines + part.lines,
        )

    def seen(self) -> Communicator:
        """All parts as one."""
        return replace(self._whole, ranks=tuple(self._ranks[r] for r in sorted(self._ranks)))


def _home(merged: dict[str, _Whole], part: Communicator) -> str:
    """The id under which the part goes: `stem`, `stem#2` and so on; `stem#0` if made up."""
    stem, number = part.id.rsplit("#", 1)[0], 0 if part.inferred else 1
    while (old := merged.get(_numbered(stem, number, part))) is not None and old.clashes(part):
        number += 1
    return _numbered(stem, number, part)


def _numbered(stem: str, number: int, part: Communicator) -> str:
    return stem if number == 1 and not part.inferred else f"{stem}#{number}"


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
