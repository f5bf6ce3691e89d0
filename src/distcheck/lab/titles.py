"""What the engine's processes call themselves, in their titles and in their logs."""

from distcheck.lab.layout import CORE, Layout, Member, Rank
from distcheck.lab.scenario import Engine


def cores_on(layout: Layout, engine: Engine, member: Member) -> list[int]:
    """The copies whose first rank, and so whose engine core, is in the pod."""
    here = (r for r in layout.ranks_on(member) if layout.engine(r) == engine)
    return [r.dp_rank for r in here if r.tp_rank == r.pp_rank == 0]


def core_pid(layout: Layout, engine: Engine, member: Member, copy: int) -> int:
    """The number in its container of the core of a copy."""
    return member.later + CORE + 7 * cores_on(layout, engine, member).index(copy)


def worker_title(layout: Layout, rank: Rank) -> str:
    """What a worker calls itself: only degrees above one are in it."""
    engine, world = layout.engine(rank), layout.world
    if world.ray:
        return "ray::RayWorkerWrapper"
    if rank.alone:
        return core_title(engine, rank.dp_rank)
    parts = [("DP", engine.dp, rank.dp_rank), ("PP", engine.pp, rank.pp_rank)]
    parts.append(("TP", engine.tp, rank.tp_rank))
    return "VLLM::Worker" + "".join(f"_{name}{at}" for name, size, at in parts if size > 1)


def core_title(engine: Engine, copy: int) -> str:
    """What an engine core calls itself."""
    return f"VLLM::EngineCore_DP{copy}" if engine.dp > 1 else "VLLM::EngineCore"


def log_prefix(layout: Layout, rank: Rank, *, placed: bool = True) -> str:
    """Before each line of the rank: nothing in Ray's files, which have a worker each."""
    if layout.world.ray:
        return ""
    if rank.alone:
        return f"(EngineCore_DP{rank.dp_rank} pid={rank.pid}) "
    title = worker_title(layout, rank).removeprefix("VLLM::") if placed else "Worker"
    return f"({title} pid={rank.pid}) "
