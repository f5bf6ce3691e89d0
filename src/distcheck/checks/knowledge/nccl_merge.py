"""Several distilled logs, of the files of a pod or of the pods of a group, to one `NcclLog`."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

from msgspec.structs import replace

from distcheck.checks.evidence.nccl import MOST_PEERS, Channels, Echo, Mark, NcclLog, NcclProcess
from distcheck.checks.knowledge.communicators import merge_communicators

_T = TypeVar("_T")


def merge(results: Iterable[NcclLog]) -> NcclLog:
    """One log of several, in the order of the files; of none, an empty one."""
    logs = [log for log in results if log.lines or log.failures]
    if len(logs) < 2:
        return logs[0] if logs else NcclLog()
    return NcclLog(
        lines=sum(log.lines for log in logs),
        flavour="RCCL" if any(log.flavour == "RCCL" for log in logs) else "NCCL",
        versions=tuple(dict.fromkeys(v for log in logs for v in log.versions)),
        info=any(log.info for log in logs),
        start_seen=_start_seen(logs),
        processes=_processes(p for log in logs for p in log.processes),
        communicators=merge_communicators(c for log in logs for c in log.communicators),
        channels=_channels(logs),
        echoes=_fold((e for log in logs for e in log.echoes), _echo_key, _first),
        marks=_fold((m for log in logs for m in log.marks), _mark_key, _first_mark),
        failures=tuple(f for log in logs for f in log.failures),
        folded=sum(log.folded for log in logs),
        sheared=sum(log.sheared for log in logs),
        dropped=tuple(dict.fromkeys(d for log in logs for d in log.dropped)),
        written={file: at for log in logs for file, at in log.written.items()},
    )


def _fold(
    items: Iterable[_T], key: Callable[[_T], Hashable], join: Callable[[_T, _T], _T]
) -> tuple[_T, ...]:
    folded: dict[Hashable, _T] = {}
    for item in items:
        old = folded.get(key(item))
        folded[key(item)] = item if old is None else join(old, item)
    return tuple(folded.values())


def _processes(items: Iterable[NcclProcess]) -> tuple[NcclProcess, ...]:
    return _fold(items, lambda p: (p.host, p.pid), _joined_process)


def _start_seen(logs: list[NcclLog]) -> bool:
    ranked = {(r.host, r.pid) for log in logs for c in log.communicators for r in c.ranks}
    busy = ranked | {(c.host, c.pid) for log in logs for c in log.channels}
    started = {(p.host, p.pid) for log in logs for p in log.processes if p.start_seen}
    return bool(busy) and busy <= started


def _joined_process(old: NcclProcess, new: NcclProcess) -> NcclProcess:
    named = new if new.network is not None else old
    return replace(
        old,
        source=named.source,
        lines=old.lines + new.lines,
        network=new.network or old.network,
        provider=new.provider or old.provider,
        rings=old.rings or new.rings,
        trees=old.trees or new.trees,
        start_seen=old.start_seen or new.start_seen,
        ras=new.ras or old.ras,
        pending=new.pending,
        again=new.again,
        copied=old.copied and new.copied,
    )


def _channels(logs: list[NcclLog]) -> tuple[Channels, ...]:
    """Channels of all logs, each counted once: copies yield to the process's own lines.

    Of copied lines some are left out, so that their communicator may not be told.
    """
    own: dict[Hashable, set[str]] = defaultdict(set)
    every = [(c, c in again) for log in logs for again in [_copied(log)] for c in log.channels]
    for one, copied in every:
        if not copied:
            own[_way(one)].add(one.communicator)
    kept = (c for c, copied in every if not (copied and _is_told(c, own.get(_way(c), set()))))
    return _fold(kept, _channel_key, _counted)


def _copied(log: NcclLog) -> set[Channels]:
    copied = {(p.host, p.pid) for p in log.processes if p.copied}
    return {c for c in log.channels if (c.host, c.pid) in copied}


def _is_told(copy: Channels, own: set[str]) -> bool:
    """Whether the process itself shows these channels, of the communicators `own`."""
    return bool(own) and (not copy.communicator or bool(own & {copy.communicator, ""}))


def _way(one: Channels) -> Hashable:
    return one.host, one.pid, one.direction, one.transport, one.scope


def _channel_key(one: Channels) -> Hashable:
    return _way(one), one.communicator, one.late


def _counted(old: Channels, new: Channels) -> Channels:
    peers = tuple(dict.fromkeys((*old.peers, *new.peers)))[:MOST_PEERS]
    return replace(old, count=old.count + new.count, peers=peers)


def _echo_key(one: Echo) -> Hashable:
    return one.name, one.value, one.host


def _first(old: Echo, _: Echo) -> Echo:
    return old


def _mark_key(one: Mark) -> Hashable:
    return one.id, one.host


def _first_mark(old: Mark, _: Mark) -> Mark:
    return old
