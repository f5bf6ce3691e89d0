"""Several servers in one pod: which of them is the group's."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct, structs

from distcheck.agent.cluster.intent.asked import LAYOUT, Asked, same
from distcheck.checks.evidence import GpuProcess, Process

_TOLD = ("model", *LAYOUT)
_NAMES = {"tp": "TP", "pp": "PP", "dp": "DP", "ep": "expert parallelism"}
_MOST_NAMED = 3
_MOST_STEPS = 64
_RAY_WORKER = "ray::"


class Running(Struct, frozen=True):
    """A process that is a server, and what its command line asks for."""

    pid: int
    ppid: int
    words: tuple[str, ...]
    asked: Asked


def heads(found: Sequence[Running]) -> list[Running]:
    """Without the copies that a server has just forked of itself."""
    words = {one.pid: one.words for one in found}
    return [one for one in found if words.get(one.ppid) != one.words]


def chosen(
    found: Sequence[Running], processes: Sequence[Process], gpus: Sequence[GpuProcess], pod: str
) -> Iterator[Asked]:
    """What the servers ask for, or only the one that holds the ranks, where they differ."""
    odd = _odd(found)
    if not odd:
        yield from (one.asked for one in found)
        return
    parents = {p.pid: p.ppid for p in processes} | {one.pid: one.ppid for one in found}
    above = {p: _server_above(p, parents, {one.pid for one in found}) for p in parents}
    roots = [one for one in found if above.get(one.ppid) is None]
    first = _with_the_ranks(roots, processes, gpus, above) if _odd(roots) else None
    if first is not None:
        family = {p for p in above if _root(p, above, parents) == first.pid}
        yield from (one.asked for one in found if one.pid in family)
        return
    yield _named(found, odd, pod)


def _odd(found: Sequence[Running]) -> tuple[str, ...]:
    """What the servers do not agree on, of what more than one says."""
    return tuple(name for name in _TOLD if _differ(name, [one.asked for one in found]))


def _differ(name: str, asked: Sequence[Asked]) -> bool:
    told = [one.values[name] for one in asked if name in one.values]
    return any(not same(name, told[0], value) for value in told[1:])


def _server_above(pid: int, parents: Mapping[int, int], servers: set[int]) -> int | None:
    """The server that `pid` is, or descends from."""
    for _ in range(_MOST_STEPS):
        if pid in servers:
            return pid
        if pid not in parents:
            return None
        pid = parents[pid]
    return None


def _root(pid: int, above: Mapping[int, int | None], parents: Mapping[int, int]) -> int | None:
    """The server that nothing but itself started, of the family of `pid`."""
    root = above.get(pid)
    for _ in range(_MOST_STEPS):
        higher = above.get(parents.get(root, 0)) if root is not None else None
        if higher is None:
            break
        root = higher
    return root


def _with_the_ranks(
    roots: Sequence[Running],
    processes: Sequence[Process],
    gpus: Sequence[GpuProcess],
    above: Mapping[int, int | None],
) -> Running | None:
    """The one server with ranks under it; None where two have as many, or Ray holds them."""
    if any(p.title.startswith(_RAY_WORKER) and above.get(p.pid) is None for p in processes):
        return None
    if any(above.get(g.pid) is None for g in gpus):
        return None
    parents = {p.pid: p.ppid for p in processes}
    roots_of = {p: _root(p, above, parents) for p in above}
    used = {one.pid: {g.uuid for g in gpus if roots_of[g.pid] == one.pid} for one in roots}
    below = {one.pid: _below(one.pid, roots_of) for one in roots}
    return _most(roots, {k: len(v) for k, v in used.items()} if gpus else below)


def _below(pid: int, roots_of: Mapping[int, int | None]) -> int:
    """1 where other processes descend from `pid`: how many there are says nothing."""
    return int(any(root == pid and child != pid for child, root in roots_of.items()))


def _most(roots: Sequence[Running], counts: Mapping[int, int]) -> Running | None:
    most = max(counts.values())
    first = [one for one in roots if counts[one.pid] == most]
    return first[0] if len(first) == 1 and most else None


def _named(found: Sequence[Running], odd: Iterable[str], pod: str) -> Asked:
    """What all of them ask for; the rest is unread, with each of them named."""
    more = f", and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    each = ", ".join(map(_says, found[:_MOST_NAMED]))
    why = f"{pod} runs {len(found)} servers that differ: {each}{more}"
    values = {k: v for k, v in found[0].asked.values.items() if k not in odd}
    unread = {**found[0].asked.unread, **dict.fromkeys(odd, why)}
    return structs.replace(found[0].asked, values=values, unread=unread)


def _says(one: Running) -> str:
    told = (f"{_NAMES.get(k, k)}={v}" for k, v in one.asked.values.items() if k in _TOLD[:4])
    return f"pid {one.pid} with {', '.join(told)}"
