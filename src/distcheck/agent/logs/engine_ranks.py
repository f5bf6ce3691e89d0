"""The table of ranks in an `EngineLog`, with its bound."""

from msgspec.structs import replace

from distcheck.checks.evidence.engine import EngineLog, EngineRank

_MOST_RANKS = 512


def with_rank(log: EngineLog, line: EngineRank) -> EngineLog:
    """`log` with what `line` adds to the process of that rank or label."""
    ranks = list(log.ranks)
    for at, known in enumerate(ranks):
        if (known.rank, known.label) == (line.rank, line.label):
            ranks[at] = replace(
                known,
                gpu=known.gpu if line.gpu is None else line.gpu,
                gib=known.gib if line.gib is None else line.gib,
            )
            return replace(log, ranks=tuple(ranks))
    if len(ranks) >= _MOST_RANKS:
        return replace(log, dropped=log.dropped + 1)
    return replace(log, ranks=(*ranks, line))
