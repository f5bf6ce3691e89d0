"""What one worker process says of itself: its rank, its world, its weights."""

from distcheck.agent.logs import vllm_words as words
from distcheck.agent.logs.vllm_prefix import Said
from distcheck.checks.evidence.vllm import MemoryUse, RankLine, WeightsLine


def weights_line(one: Said, pid: int | None) -> WeightsLine | None:
    """The memory that the weights took; None for other words. `pid` is of the process."""
    found = words.WEIGHTS.search(one.text)
    if found is None:
        return None
    return WeightsLine(
        gib=float(next(g for g in found.groups() if g)),
        source=one.source,
        rank=one.rank,
        tp=one.dimension("TP"),
        pp=one.dimension("PP"),
        label=one.label,
        pid=pid,
        host=one.host,
        repeated=one.repeated,
        clock=one.clock,
        seen_at=one.seen_at,
        rounded=found[1] is None,
    )


def memory_use(one: Said, pid: int | None) -> MemoryUse | None:
    """What else took memory, as far as this line says; None where it says nothing."""
    found = {name: pattern.search(one.text) for name, pattern in words.MEMORY.items()}
    gib = {n: float(next(g for g in m.groups() if g)) for n, m in found.items() if m}
    return MemoryUse(one.source, one.label, pid, one.host, **gib) if gib else None


def assigned_line(one: Said, pid: int | None) -> RankLine | None:
    """The place in the world that a rank is given, by name: the order of names has changed."""
    found = words.ASSIGNED.search(one.text)
    if found is None:
        return None
    index = {name: int(value) for name, value in words.INDEX.findall(found[3])}
    return _rank_line(one, pid, (int(found[1]), int(found[2])), index)


def world_line(one: Said, pid: int | None) -> RankLine | None:
    """The rendezvous of a rank, before it has a place in the world."""
    found = words.WORLD.search(one.text)
    if found is None:
        return None
    return _rank_line(one, pid, (int(found[2]), int(found[1])), {}, found[3])


def _rank_line(
    one: Said, pid: int | None, of: tuple[int, int], index: dict[str, int], meet: str | None = None
) -> RankLine:
    return RankLine(
        rank=of[0],
        world_size=of[1],
        source=one.source,
        dp=index.get("DP"),
        pp=index.get("PP"),
        tp=index.get("TP"),
        ep=index.get("EP"),
        label=one.label,
        pid=pid,
        host=one.host,
        init_method=meet,
        repeated=one.repeated,
        clock=one.clock,
        seen_at=one.seen_at,
    )
