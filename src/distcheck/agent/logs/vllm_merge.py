"""Lines of one process brought together: its rank, its world and its weights."""

from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from distcheck.checks.evidence.vllm import KvCache, RankLine, VllmLog, WeightsLine

_SCALARS = (
    *("version", "engine", "model", "tp", "pp", "dp", "ep", "dtype", "quantization"),
    *("expert_ranks", "backend"),
)

_ENGINES = ("EngineCore", "DPEngineCoreActor")


def merge(results: Iterable[VllmLog]) -> VllmLog:
    """One log of one pod out of the logs of its files, in the order given.

    A line that two files repeat (a Ray worker's own file and the driver's output) counts once.
    """
    logs = [r for r in results if r.lines]
    if not logs:
        return VllmLog()
    first = next((log for log in logs if log.config_source), logs[0])
    named = {n: first_told(getattr(log, n) for log in (first, *logs)) for n in _SCALARS}
    started = max((x for x in logs if x.started), key=lambda x: x.started_at or "", default=None)
    return join_ranks(
        replace(
            first,
            **named,
            lines=sum(log.lines for log in logs),
            executor=_executor(log.executor for log in logs),
            speculative=any(log.speculative for log in logs),
            ranks=tuple(r for log in logs for r in log.ranks),
            weights=tuple(w for log in logs for w in log.weights),
            memory=tuple(dict.fromkeys(m for log in logs for m in log.memory)),
            workers=tuple(dict.fromkeys(w for log in logs for w in log.workers)),
            kv_cache=_kv(log.kv_cache for log in logs),
            started=True if started else first_told(log.started for log in logs),
            started_source=(started or first).started_source,
            started_at=started.started_at if started else None,
            stopped_source=started.stopped_source if started else None,
            failures=tuple(f for log in logs for f in log.failures),
            dropped=sum(log.dropped for log in logs),
            written={file: at for log in logs for file, at in log.written.items()},
        )
    )


def join_ranks(log: VllmLog) -> VllmLog:
    """`log` with one rank line a process, and each weights line knowing its process's rank."""
    names = {(w.host, w.pid): w.label for w in log.workers}
    ranks = tuple(_named(r, names) for r in _ranks(log.ranks))
    by_process = {_process(r): r for r in ranks if not r.repeated or r.pid is not None}
    weights = tuple(_ranked(w, by_process.get(_process(w))) for w in _weights(log.weights))
    return replace(log, ranks=ranks, weights=weights)


def _named(line: RankLine, names: dict[tuple[str, int | None], str]) -> RankLine:
    """`line` under the label that its process took once it knew its place in the world."""
    if line.label not in ("", "Worker", "VllmWorker"):
        return line
    return replace(line, label=names.get((line.host, line.pid), line.label))


def concluded(log: VllmLog) -> VllmLog:
    """What only the whole log shows: a start that did not finish, an engine without workers."""
    begun = log.config_source is not None and log.started is None
    labels = {line.label for line in log.weights} | {line.label for line in log.ranks}
    alone = any(not label or label.startswith(_ENGINES) for label in labels)
    uni = log.executor is None and log.engine == "V1" and alone
    return replace(
        log,
        started=False if begun else log.started,
        executor="uni" if uni else log.executor,
    )


def first_told(values: Iterable[object]) -> object:
    """The first that is not None: what the earliest file that says it says."""
    return next((v for v in values if v is not None), None)


def _executor(values: Iterable[str | None]) -> str | None:
    named = {v for v in values if v is not None}
    return next((e for e in ("ray", "mp", "external_launcher", "uni") if e in named), None)


def _process(line: RankLine | WeightsLine) -> tuple[str, int | str]:
    """Host and pid; where no pid is known, the file and the label that the line carries."""
    if line.pid is not None:
        return line.host, line.pid
    return line.host, f"{line.source.rpartition(':')[0]} {line.label}"


def _ranks(lines: Sequence[RankLine]) -> tuple[RankLine, ...]:
    """One line a process and rank; a rank that data parallelism then changed is left out."""
    kept: dict[tuple[object, ...], RankLine] = {}
    for line in lines:
        key = (_process(line), line.rank, line.world_size)
        kept[key] = _filled(kept[key], line) if key in kept else line
    assigned = {_process(r) for r in kept.values() if r.tp is not None and r.pid is not None}
    return tuple(r for r in kept.values() if r.tp is not None or _process(r) not in assigned)


def _filled(one: RankLine, other: RankLine) -> RankLine:
    """The assignment, with the rendezvous of the other line of the same process."""
    base, rest = (one, other) if one.tp is not None else (other, one)
    return replace(
        base,
        init_method=base.init_method or rest.init_method,
        label=base.label or rest.label,
        repeated=max(base.repeated, rest.repeated),
    )


def _weights(lines: Sequence[WeightsLine]) -> tuple[WeightsLine, ...]:
    """One line a process and value; a line rounded to two digits yields to the exact one."""
    exact = {_process(w) for w in lines if not w.rounded}
    kept: dict[tuple[object, ...], WeightsLine] = {}
    for line in lines:
        if line.rounded and _process(line) in exact:
            continue
        same = (_process(line), line.gib)
        key = same if line.pid is not None else (*same, line.source)
        if key not in kept or line.repeated > kept[key].repeated:
            kept[key] = line
    return tuple(kept.values())


def _ranked(line: WeightsLine, rank: RankLine | None) -> WeightsLine:
    if rank is None:
        return line
    return replace(
        line,
        rank=rank.rank,
        tp=rank.tp if line.tp is None else line.tp,
        pp=rank.pp if line.pp is None else line.pp,
    )


def _kv(found: Iterable[KvCache | None]) -> KvCache | None:
    kept = [k for k in found if k is not None]
    if not kept:
        return None
    counts = Counter[int]()
    for one in kept:
        counts.update(dict(zip(one.tokens, one.token_lines, strict=False)))
    return KvCache(
        source=kept[0].source,
        tokens=tuple(dict.fromkeys(t for k in kept for t in k.tokens)),
        gpu_blocks=min((k.gpu_blocks for k in kept if k.gpu_blocks is not None), default=None),
        block_size=next((k.block_size for k in kept if k.block_size is not None), None),
        available_gib=tuple(dict.fromkeys(g for k in kept for g in k.available_gib)),
        token_lines=tuple(counts[t] for t in dict.fromkeys(t for k in kept for t in k.tokens)),
    )
