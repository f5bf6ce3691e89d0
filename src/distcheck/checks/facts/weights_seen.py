"""What each rank says that it loaded, matched to its pod and GPU."""

import re
from collections.abc import Iterable

from msgspec import field

from distcheck.checks.evidence import Cite, Evidence, Missing, Pod, VllmLog
from distcheck.checks.evidence.vllm import RankLine, WeightsLine
from distcheck.checks.facts.engine_lines import (
    gpu_of,
    memory_of,
    ranks_by_pod,
    weights_by_pod,
)
from distcheck.checks.facts.engine_start import dropped_lines
from distcheck.checks.facts.fact import Fact
from distcheck.checks.facts.other_engines import told_by_others
from distcheck.checks.facts.sharding_allowances import sleeping
from distcheck.checks.facts.sharding_process import gpu_processes
from distcheck.checks.facts.share_doubts import counted_twice, gpus_against, nameless
from distcheck.checks.facts.shares import Share
from distcheck.checks.knowledge.names import alike
from distcheck.checks.knowledge.weights import GIB

_TP = re.compile(r"TP[0-9]{1,5}")
_ONE_LINE_A_NODE = (0, 11, 1)
"""From this version on only local rank 0 of a node says what it loaded (`info_once`, local)."""


class WeightsSeen(Fact, frozen=True, kw_only=True):
    """What each rank says that it loaded.

    `silent` has, by pod, why there is no line for each of its GPUs. That is no gap: another
    witness may have seen them. `gaps` is what speaks against a line that is there. `emptied`:
    the most GiB that NVML shows on these GPUs where all have less than was loaded, since the
    engine sleeps.
    """

    shares: tuple[Share, ...]
    gpus: int
    asked: int = 0
    silent: dict[str, str] = field(default_factory=dict)
    emptied: float | None = None

    @property
    def witnessed(self) -> int:
        """How many ranks the lines speak for."""
        return sum(1 + s.covers for s in self.shares)

    @classmethod
    def fold(cls, evidence: Evidence) -> "WeightsSeen | Missing":
        """From the logs of all pods; Missing where no log has a line that says it."""
        lines = weights_by_pod(evidence)
        ranks = ranks_by_pod(evidence)
        shares: list[Share] = []
        gaps: list[str] = []
        silent: dict[str, str] = {}
        habits = _habits(evidence)
        asleep = sleeping(evidence) is not None
        for pod in evidence.pods:
            own, odd = _shares(evidence, pod, lines[pod.key], ranks[pod.key], habits, asleep)
            shares += own
            gaps += [*gpus_against(evidence, pod, own), *nameless(pod, lines[pod.key])]
            gaps += _too_many(pod, own)
            unseen = _unseen(evidence, pod, own)
            if odd or unseen:
                silent[pod.name] = "; ".join(odd) or unseen
        if not shares:
            reasons = alike((*told_by_others(evidence), *gaps, *silent.values()))
            return Missing("; ".join(reasons) or "no pod of the group is known")
        gpus = sum(p.gpus for p in evidence.pods)
        gaps += [*dropped_lines(evidence), *counted_twice(shares, evidence.intent.dp or 1)]
        asked = evidence.intent.gpus_wanted
        return cls(
            shares=tuple(shares),
            gpus=gpus,
            asked=asked,
            silent=silent,
            emptied=_emptied(evidence, shares) if asleep else None,
            gaps=tuple(gaps),
        )


def _shares(
    evidence: Evidence,
    pod: Pod,
    lines: tuple[WeightsLine, ...],
    ranks: tuple[RankLine, ...],
    habits: tuple[bool, bool],
    asleep: bool,
) -> tuple[list[Share], list[str]]:
    """The shares of one pod, and what speaks against a line being of this run."""
    shares: list[Share] = []
    odd: list[str] = []
    silent, one_stage = habits
    for line in lines:
        uuid = gpu_of(evidence, pod, line)
        held = memory_of(evidence, pod, uuid) if uuid else None
        if held is not None and held < line.gib * GIB and not asleep:
            odd.append(f"{uuid} holds {held / GIB:.2f} GiB, less than {line.source} says")
            continue
        named = _covered_by_title(evidence, pod, line)
        covers = max(named, _covered(line, ranks, one_stage=one_stage)) if silent else 0
        shares.append(
            Share(pod.name, line.gib, _cite(pod, line), line.pp, line.tp, line.rank, uuid, covers)
        )
    more = f" ({len(odd) - 1} GPUs of {pod.name} alike)" if len(odd) > 1 else ""
    return shares, [f"{odd[0]}{more}"] if odd else []


def _emptied(evidence: Evidence, shares: Iterable[Share]) -> float | None:
    pods = {p.name: p for p in evidence.pods}
    told = [(memory_of(evidence, pods[s.pod], s.uuid), s.gib) for s in shares if s.uuid]
    now = [held / GIB for held, gib in told if held is not None and held < gib * GIB]
    return max(now) if now and len(now) == len(told) else None


def _cite(pod: Pod, line: WeightsLine) -> Cite:
    who = f"rank {line.rank}" if line.rank is not None else line.label or "a worker"
    return Cite(f"{who} of {pod.name} loaded {line.gib:g} GiB", line.source, line.seen_at)


def _habits(evidence: Evidence) -> tuple[bool, bool]:
    """Whether one rank speaks for its node in this version, and whether there is one stage."""
    looks = [evidence.look(p).vllm for p in evidence.pods]
    logs = [log for log in looks if isinstance(log, VllmLog)]
    silent = any(_speaks_for_node(log.version) for log in logs)
    return silent, any(log.pp == 1 for log in logs)


def _speaks_for_node(version: str | None) -> bool:
    found = re.match(r"(\d{1,4})\.(\d{1,4})\.(\d{1,4})", version or "")
    return found is not None and tuple(map(int, found.groups())) >= _ONE_LINE_A_NODE


def _covered(line: WeightsLine, ranks: tuple[RankLine, ...], *, one_stage: bool) -> int:
    """Other ranks of the speaker's world, on its pod, whose stage is known to be the speaker's."""
    own = next((r for r in ranks if r.pid == line.pid and r.rank == line.rank), None)
    if own is None or not (one_stage or own.pp is not None):
        return 0
    alike = [r for r in ranks if (r.world_size, r.init_method) == (own.world_size, own.init_method)]
    return sum(r.rank != own.rank and (one_stage or r.pp == own.pp) for r in alike)


def _covered_by_title(evidence: Evidence, pod: Pod, line: WeightsLine) -> int:
    """Other workers on the pod's GPUs that differ from the speaker in the TP rank alone.

    From vLLM 0.19 on they have no rank line either, but their titles name their places. Ranks
    with experts of their own may hold other numbers of them.
    """
    titles = {p.pid: p.title.rpartition("::")[2] for p in gpu_processes(evidence, pod)}
    workers = [t for t in titles.values() if t.startswith("Worker_") and "EP" not in t]
    if line.label not in workers or len(set(workers)) < len(workers):
        return 0
    return sum(_TP.sub("TP", t) == _TP.sub("TP", line.label) for t in workers) - 1


def _too_many(pod: Pod, shares: list[Share]) -> list[str]:
    spoken = sum(1 + s.covers for s in shares)
    if spoken <= pod.gpus or not pod.gpus:
        return []
    return [f"{spoken} lines of {pod.name} for its {pod.gpus} GPUs: of which start is not told"]


def _unseen(evidence: Evidence, pod: Pod, shares: list[Share]) -> str:
    """Why no line gives the weights of some GPUs of the pod; empty where all have one."""
    spoken = sum(1 + s.covers for s in shares)
    log = evidence.look(pod).vllm
    if isinstance(log, Missing):
        return log.reason if pod.gpus or not any(p.gpus for p in evidence.pods) else ""
    if spoken >= pod.gpus:
        return ""
    folded = sum(w.repeated for w in log.weights)
    more = f" (Ray folded {folded} lines: set RAY_DEDUP_LOGS=0)" if folded else ""
    own = sum(not w.host for w in log.weights)
    if own and not shares and not folded:
        more = f" (the {own} in its logs are of processes that no longer run)"
    lost = f"{pod.gpus - spoken} of {pod.gpus} GPUs" if spoken else "any GPU"
    return f"no line gives the weights of {lost} of {pod.name}{more}"
