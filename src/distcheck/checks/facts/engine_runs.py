"""Whether the engine serves, and if it ended, what of."""

from collections.abc import Iterable, Iterator
from typing import Self

from msgspec import Struct
from msgspec.structs import replace

from distcheck.checks.evidence import Cite, Evidence, Gpus, Missing, Pod, PodLook
from distcheck.checks.evidence.serving import EngineArguments
from distcheck.checks.facts.age import is_before, is_old, last_write, seconds
from distcheck.checks.facts.allocation import visible_gpus
from distcheck.checks.facts.engine_gone import is_deserted
from distcheck.checks.facts.engine_word import (
    answers,
    closing,
    doubt,
    has_ended,
    is_empty,
    since_start,
    word_of,
)
from distcheck.checks.facts.fact import Fact
from distcheck.checks.facts.sharding_gpus import Tenant
from distcheck.checks.knowledge.engine_remedies import GONE, VANISHED
from distcheck.checks.knowledge.weights import GIB
from distcheck.checks.logs_engine_failure import EngineCause
from distcheck.checks.logs_engine_failures import engine_failures, engine_root

_CONTEXT = GIB
"""A process that holds more than this on a GPU has more there than a context."""


class EndedEngine(Struct, frozen=True):
    """The first cause in one pod's log; `again` is an engine that was started after it."""

    pod: str
    cause: EngineCause
    seen_at: str | None = None
    again: bool = False

    @property
    def cite(self) -> Cite:
        """The line."""
        return Cite(f"{self.pod}: {self.cause.says}", self.cause.source, self.seen_at)


class EngineRuns(Fact, frozen=True, kw_only=True):
    """Engines that ended, those that serve, and pods with one that does neither yet.

    `doubted` says of each pod whose log has the line of a start why that proves nothing now.
    `young`: a server among those that start is less than an hour old.
    `others` are processes of somebody else that hold memory on GPUs of the group.
    """

    ended: tuple[EndedEngine, ...] = ()
    serving: dict[str, Cite] = {}  # noqa: RUF012 - frozen, as every fact is
    starting: tuple[str, ...] = ()
    young: bool = False
    doubted: dict[str, str] = {}  # noqa: RUF012
    others: tuple[Tenant, ...] = ()

    @classmethod
    def fold(cls, evidence: Evidence) -> Self | Missing:
        """From logs and the engine's own answers; Missing where neither was to be had."""
        looks = {p.name: evidence.look(p) for p in evidence.pods}
        ended = tuple(e for p in evidence.pods if (e := _end_of(evidence, p)) is not None)
        down = {e.pod for e in ended}
        up = {n: look for n, look in looks.items() if n not in down}
        doubted = {n: why for n, look in up.items() if (why := _doubt(look))}
        serving = {n: c for n, look in up.items() if n not in doubted and (c := _serves(n, look))}
        known = down | serving.keys() | doubted.keys()
        starting = tuple(n for n, look in looks.items() if n not in known and _is_server(look))
        if not known and not starting:
            return Missing(_why_unseen(looks.values()))
        others = tuple(t for p in evidence.pods for t in _others(evidence, p))
        gaps = [f"the engine of {name} has not said that it serves" for name in starting]
        gaps += [f"the engine of {name} started, but {why}" for name, why in doubted.items()]
        return cls(
            ended=ended,
            serving=serving,
            starting=starting,
            young=any(_is_young(looks[n], evidence.observed_at) for n in starting),
            doubted=doubted,
            others=others,
            gaps=tuple(gaps),
        )


def _end_of(evidence: Evidence, pod: Pod) -> EndedEngine | None:
    look = evidence.look(pod)
    return _ended(pod, look) or _vanished(evidence, pod, look)


def _vanished(evidence: Evidence, pod: Pod, look: PodLook) -> EndedEngine | None:
    """An engine that this container started, and of which nothing is left in it."""
    log = word_of(look)
    if log is None or not log.started or answers(look) is not None or not is_empty(look):
        return None
    said = log.started_at or last_write(log.written, log.started_source)
    known = seconds(said) is not None and seconds(pod.started_at) is not None
    if not known or is_before(said, pod.started_at) or not is_deserted(evidence, pod):
        return None
    seen_at = getattr(look.processes, "seen_at", None)
    what = "it said that it started, and nothing in the pod is an engine or on a GPU"
    where = f"processes of {pod.name}, and NVML on {pod.node}"
    cause = EngineCause(VANISHED, what, None, where, GONE.means, GONE.remedy)
    return EndedEngine(pod.name, cause, seen_at)


def _ended(pod: Pod, look: PodLook) -> EndedEngine | None:
    log = word_of(look)
    if log is None or not has_ended(log) or answers(look) is not None:
        return None
    log = replace(log, failures=since_start(log))
    root = engine_root(engine_failures(log))
    if root is None:
        return None
    stamps = {f.source: f.seen_at for f in log.failures}
    seen_at = stamps.get(root.source)
    return EndedEngine(pod.name, root, seen_at, _started_after(look, seen_at))


def _started_after(look: PodLook, failed_at: str | None) -> bool:
    """Whether the server that runs now is younger than the line that speaks of an end."""
    server = look.arguments
    started = server.started_at if isinstance(server, EngineArguments) else None
    return bool(started and failed_at and is_before(failed_at, started))


def _serves(name: str, look: PodLook) -> Cite | None:
    """Its own answer over HTTP counts most; else the line that says that it has started."""
    http = answers(look)
    if http is not None:
        models = ", ".join(m.id for m in http.models[:2]) or f"vLLM {http.version}"
        return Cite(f"the engine of {name} answers: {models}", http.address, http.seen_at)
    log = word_of(look)
    if log is None or not log.started:
        return None
    says = f"the engine of {name} says that it started"
    return Cite(says, log.started_source or "", log.started_at)


def _doubt(look: PodLook) -> str | None:
    """What speaks against an engine that says that it serves, by its log or over HTTP."""
    log = word_of(look)
    if log is None:
        return None
    if answers(look) is None:
        return doubt(look, log) if log.started else None
    last = closing(log)
    if last is None or _started_after(look, last.seen_at):
        return None
    lived = isinstance(look.arguments, EngineArguments) and last.seen_at is not None
    return f"its log says: {last.says} ({last.source})" if log.started or lived else None


def _is_server(look: PodLook) -> bool:
    """Whether a server runs in the pod that should come to answer."""
    server = look.arguments
    return isinstance(server, EngineArguments) and "--headless" not in server.words


def _is_young(look: PodLook, now: str) -> bool:
    server = look.arguments
    began = server.started_at if isinstance(server, EngineArguments) else None
    return began is not None and not is_old(began, now)


def _why_unseen(looks: Iterable[PodLook]) -> str:
    reasons = (look.vllm.reason for look in looks if isinstance(look.vllm, Missing))
    silent = "no log shows an engine that started or ended, and none answers over HTTP"
    return "; ".join(dict.fromkeys(reasons)) or silent


def _others(evidence: Evidence, pod: Pod) -> Iterator[Tenant]:
    """Who is on the GPUs of the pod, and of none of the group's pods."""
    node = evidence.node(pod.node or "")
    if node is None or not isinstance(node.gpus, Gpus) or not pod.gpus:
        return
    mine = visible_gpus(evidence, pod, node.gpus)
    for one in node.gpus.processes:
        held = one.memory_used or 0
        whose = one.pod or ("the node itself" if one.owner == "node" else None)
        if one.uuid in mine and whose is not None and not evidence.has(whose) and held > _CONTEXT:
            yield Tenant(one.uuid, one.pid, whose, held / GIB, node.node)
