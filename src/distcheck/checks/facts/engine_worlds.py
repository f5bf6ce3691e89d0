"""The worlds that the engine's own rank lines show."""

from collections.abc import Iterable

from msgspec import Struct

from distcheck.checks.evidence import Cite, Evidence, Missing, Pod, VllmLog
from distcheck.checks.evidence.vllm import RankLine
from distcheck.checks.facts.age import is_before, last_write
from distcheck.checks.facts.engine_lines import (
    ranks_by_pod,
)
from distcheck.checks.facts.engine_start import dropped_lines
from distcheck.checks.facts.fact import Fact
from distcheck.checks.knowledge.names import alike

_LOCAL = ("file://", "tcp://127.0.0.1:", "tcp://localhost", "tcp://[::1]")


class WorldRank(Struct, frozen=True):
    """One rank of a world, and the pod it runs in.

    `assigned`: it was told its place in the model. Before that it has only set out to meet
    the others, and may wait for them for ever.
    """

    rank: int
    pod: str
    cite: Cite
    assigned: bool = False
    tp: int | None = None
    pp: int | None = None


class EngineWorld(Struct, frozen=True):
    """One torch.distributed world: ranks that met at one address, as far as seen."""

    size: int
    ranks: tuple[WorldRank, ...]

    @property
    def complete(self) -> bool:
        """Whether every rank of it was seen."""
        return 0 < self.size == len({r.rank for r in self.ranks if 0 <= r.rank < self.size})

    @property
    def met(self) -> bool:
        """Whether its ranks found each other: one that has its place shows it for all."""
        return any(r.assigned for r in self.ranks)

    @property
    def pods(self) -> tuple[str, ...]:
        """Its pods, in order."""
        return tuple(dict.fromkeys(r.pod for r in self.ranks))


class Configured(Struct, frozen=True):
    """TP and PP as one pod's engine says that it is configured; None where it does not say."""

    tp: int | None
    pp: int | None
    pod: str
    cite: Cite


class EngineWorlds(Fact, frozen=True, kw_only=True):
    """The worlds that the engine's own lines show; `unseen` says where nothing was seen.

    `unseen` is no gap: another witness may have seen those ranks.
    """

    worlds: tuple[EngineWorld, ...]
    unseen: tuple[str, ...] = ()
    configured: tuple[Configured, ...] = ()

    @classmethod
    def fold(cls, evidence: Evidence) -> "EngineWorlds | Missing":
        """From the rank lines of all pods; Missing where there is none."""
        lines = {p.key: _of_one_start(p, ranks_by_pod(evidence)[p.key]) for p in evidence.pods}
        placed = [(p, line) for p in evidence.pods for line in lines[p.key]]
        unseen = tuple(alike(_unseen(evidence, p) for p in evidence.pods if not lines[p.key]))
        configured = _configured(evidence, placed)
        if not placed and not configured:
            return Missing("; ".join(unseen) or "no pod of the group is known")
        return cls(
            worlds=_worlds(placed),
            unseen=unseen,
            configured=configured,
            gaps=dropped_lines(evidence),
        )


def _of_one_start(pod: Pod, lines: tuple[RankLine, ...]) -> tuple[RankLine, ...]:
    """No lines where more ranks speak than the pod has GPUs: of which start is not told."""
    return lines if len(lines) <= pod.gpus or not pod.gpus else ()


def _configured(
    evidence: Evidence, placed: Iterable[tuple[Pod, RankLine]]
) -> tuple[Configured, ...]:
    """What engines say of themselves, but for logs whose ranks are all of an earlier start."""
    current = {line for _, line in placed}
    looks = [(p, evidence.look(p).vllm) for p in evidence.pods]
    return tuple(
        Configured(
            log.tp,
            log.pp,
            p.name,
            Cite(f"{p.name} is configured with TP={log.tp}, PP={log.pp}", log.config_source or ""),
        )
        for p, log in looks
        if isinstance(log, VllmLog)
        and (log.tp, log.pp) != (None, None)
        and (not log.ranks or current & {*log.ranks})
        and not is_before(last_write(log.written, log.config_source), p.started_at)
    )


def _unseen(evidence: Evidence, pod: Pod) -> str:
    log, spoken = evidence.look(pod).vllm, len(ranks_by_pod(evidence)[pod.key])
    if isinstance(log, Missing):
        return log.reason
    if spoken > pod.gpus:
        return f"{spoken} ranks speak in {pod.name}, which has {pod.gpus} GPUs: of which start?"
    if any(not r.host for r in log.ranks):
        return f"the rank lines of {pod.name} are of processes that no longer run"
    return f"no rank line in the logs of {pod.name}"


def _worlds(placed: Iterable[tuple[Pod, RankLine]]) -> tuple[EngineWorld, ...]:
    """Ranks put together by size and meeting point; a rank that is there twice opens another.

    Before 0.11.1 the meeting point is not printed, so ranks go to the first world of their
    size that lacks them. A meeting point on one machine is not shared between pods.
    """
    placed = list(placed)
    points: dict[int, set[tuple[object, ...]]] = {}
    for pod, line in placed:
        if line.init_method is not None:
            points.setdefault(line.world_size, set()).add(_key(pod, line))
    worlds: dict[tuple[object, ...], list[dict[int, WorldRank]]] = {}
    for pod, line in placed:
        key = _key(pod, line)
        if line.init_method is None and len(points.get(line.world_size, ())) == 1:
            key = next((k for k in points[line.world_size] if k[2] in ("", pod.key)), key)
        groups = worlds.setdefault(key, [{}])
        home = next((g for g in groups if line.rank not in g), None)
        if home is None:
            home = {}
            groups.append(home)
        home[line.rank] = WorldRank(
            line.rank, pod.name, _cite(pod, line), line.tp is not None, line.tp, line.pp
        )
    return tuple(
        EngineWorld(_size(key), tuple(group[r] for r in sorted(group)))
        for key, groups in worlds.items()
        for group in groups
    )


def _key(pod: Pod, line: RankLine) -> tuple[object, ...]:
    local = (line.init_method or "").startswith(_LOCAL)
    return (line.world_size, line.init_method, pod.key if local else "")


def _size(key: tuple[object, ...]) -> int:
    size = key[0]
    return size if isinstance(size, int) else 0


def _cite(pod: Pod, line: RankLine) -> Cite:
    where = f" that meets at {line.init_method}" if line.init_method else ""
    what = f"rank {line.rank} of a world of {line.world_size}{where} is in {pod.name}"
    return Cite(what, line.source, line.seen_at)
