"""What shows without RAS that a rank is missing, or that all wait for one."""

from collections.abc import Iterator
from typing import Self

from distcheck.checks.evidence import Cite, Evidence, Missing, Pod, VllmLog
from distcheck.checks.evidence.vllm import EngineFailure
from distcheck.checks.facts.age import is_before, last_write
from distcheck.checks.facts.engine_worlds import EngineWorld, EngineWorlds
from distcheck.checks.facts.fact import Fact, folded
from distcheck.checks.facts.hang_sign import LONG, Sign, age, minutes
from distcheck.checks.facts.meeting_port import Calls, at_by_lines, calls, said
from distcheck.checks.facts.meeting_signs import meeting_signs
from distcheck.checks.facts.nccl_cites import failure_cite
from distcheck.checks.facts.nccl_group import group_of
from distcheck.checks.facts.nccl_present import present
from distcheck.checks.facts.past_meeting import has_started, is_past_meeting
from distcheck.checks.facts.rank_spin import spinning
from distcheck.checks.facts.rank_titles import engine_gone, ranks_gone, unplaced
from distcheck.checks.knowledge.counted import counted
from distcheck.checks.knowledge.names import names
from distcheck.checks.knowledge.rank_ranges import gaps, spans

_TIMEOUTS = ("collective_timeout", "ray_channel_timeout")


class HangSigns(Fact, frozen=True, kw_only=True):
    """Signs that need no RAS, the plainest first. None of them proves that all is well.

    `started`: the engine has said, or shows over HTTP, that it serves.
    """

    signs: tuple[Sign, ...] = ()
    started: bool = False

    @classmethod
    def fold(cls, evidence: Evidence) -> Self:
        """From titles of processes, the engine's lines and NCCL's, with their times."""
        serves = has_started(evidence)
        steps = (
            _dead_engines,
            _gone_ranks,
            _timeouts,
            _meeting,
            meeting_signs,
            _untitled,
            spinning,
        )
        found = [sign for step in steps for sign in step(evidence)]
        if any(p.waiting or p.phase not in ("", "Running") for p in evidence.pods):
            found = [s for s in found if s.cause != "rendezvous_waits"]  # for that pod: GROUP001
        found.sort(key=lambda sign: not sign.sure)
        return cls(signs=tuple(found), started=serves)


def _dead_engines(evidence: Evidence) -> Iterator[Sign]:
    """The API process stays when its engine has ended, and the pod stays Running and Ready."""
    for pod in evidence.pods:
        server = engine_gone(evidence, pod)
        if server is None:
            continue
        ready = " and Ready" if pod.ready else ""
        says = f"{pod.name} is Running{ready}, but only its API process is left: no engine, no rank"
        what = f"the API server (pid {server.pid}) runs, and no process of {pod.name} is on a GPU"
        cite = Cite(what, f"/proc/{server.pid}/cmdline and NVML", _seen_at(evidence, pod))
        yield Sign("engine_dead", says, (cite, *_ends(evidence, pod)), (pod.name,))


def _seen_at(evidence: Evidence, pod: Pod) -> str | None:
    return getattr(evidence.look(pod).processes, "seen_at", None)


def _ends(evidence: Evidence, pod: Pod) -> Iterator[Cite]:
    """The engine's own first word of its end."""
    log = evidence.look(pod).vllm
    fatal = (f for f in log.failures if f.fatal) if isinstance(log, VllmLog) else iter(())
    yield from (Cite(f.says, f.source, f.seen_at) for f in list(fatal)[:1])


def _gone_ranks(evidence: Evidence) -> Iterator[Sign]:
    lost = ranks_gone(evidence)
    if lost is None:
        return
    where = (
        f"; {names(lost.pods)} {'runs' if len(lost.pods) == 1 else 'run'} fewer than GPUs"
        if (lost.pods)
        else ""
    )
    says = f"{lost.seen} of {lost.wanted} rank processes run: {lost.says}{where}"
    cites = tuple(
        Cite(f"{p}: {counted(n, 'rank process')}", "titles in /proc", evidence.observed_at)
        for p, n in lost.by_pod
    )
    yield Sign("rank_missing", says, cites, lost.pods)


def _timeouts(evidence: Evidence) -> Iterator[Sign]:
    """A collective that did not end in PyTorch's time, or a step that did not in Ray's."""
    every = present(evidence, group_of(evidence).log.failures)
    for one in [f for f in every if f.id == "watchdog-timeout"][:1]:
        says = f"a collective of {one.host} timed out: {one.says}"
        yield Sign("rank_stuck", says, (failure_cite(one),), (one.host,))
        return
    for pod in evidence.pods:
        log = evidence.look(pod).vllm
        for failure in log.failures if isinstance(log, VllmLog) else ():
            if failure.id in _TIMEOUTS and not _is_past(pod, failure):
                cite = Cite(failure.says, failure.source, failure.seen_at)
                says = f"the engine of {pod.name} waited for a rank in vain: {failure.says}"
                yield Sign("rank_stuck", says, (cite,), (pod.name,))
                return


def _is_past(pod: Pod, failure: EngineFailure) -> bool:
    return failure.seen_at is None or is_before(failure.seen_at, pod.started_at)


def _meeting(evidence: Evidence) -> Iterator[Sign]:
    """Ranks that set out to meet, long ago, and have not been told their places since."""
    worlds = folded(EngineWorlds, evidence)
    if isinstance(worlds, Missing) or is_past_meeting(evidence):
        return
    written = _written(evidence)
    for world in worlds.worlds:
        stamps = (r.cite.seen_at or last_write(written, r.cite.source) for r in world.ranks)
        ages = [age(evidence, stamp) for stamp in stamps]
        known = [a for a in ages if a is not None]
        if world.size > 1 and not world.met and len(known) == len(ages) and min(known) >= LONG:
            yield _waits(evidence, world, min(known))


def _written(evidence: Evidence) -> dict[str, str]:
    """When each file of logs was last written: no line in it is younger."""
    logs = (evidence.look(p).vllm for p in evidence.pods)
    return {f: at for log in logs if isinstance(log, VllmLog) for f, at in log.written.items()}


def _waits(evidence: Evidence, world: EngineWorld, seconds_ago: int) -> Sign:
    cites = tuple({r.pod: r.cite for r in reversed(world.ranks)}.values())
    spoke = {pod.name for pod, log in group_of(evidence).logs if log.lines}
    all_there = len(world.ranks) == world.size
    there = f"all {world.size} ranks" if all_there else f"{len(world.ranks)} of {world.size} ranks"
    if spoke & set(world.pods):
        says = f"{there} began NCCL's start {minutes(seconds_ago)} ago and none has completed it"
        return Sign("init_stuck", says, cites, world.pods)
    unseen = spans(gaps((r.rank for r in world.ranks), world.size))
    idle = tuple(p.name for p in evidence.pods if p.gpus and p.name not in world.pods)
    nobody = f"; nothing is seen of rank {unseen}" if unseen else ""
    where = f" ({names(idle)} has none)" if idle and unseen else ""
    says = f"{there} set out to meet {minutes(seconds_ago)} ago and have not met{nobody}{where}"
    at = at_by_lines(evidence)
    found = Calls(None, ()) if at is None else calls(evidence, at)
    if at is not None and (shows := said(at, found)):
        says += f"; {shows}"
        cites = (*cites, *found.cites)
    return Sign("rendezvous_waits", says, cites, idle or found.absent or world.pods)


def _untitled(evidence: Evidence) -> Iterator[Sign]:
    """Workers that never got the title with their rank: vLLM gives it once they have met."""
    found = unplaced(evidence)
    ages = [a for _, p in found if (a := age(evidence, p.started_at)) is not None]
    if not found or len(ages) < len(found) or min(ages) < LONG:
        return
    pods = tuple(dict.fromkeys(pod.name for pod, _ in found))
    who = f"{counted(len(found), 'worker')} of {names(pods)}"
    says = f"{who} started {minutes(min(ages))} ago and never got a rank: they wait for the others"
    cites = tuple(
        Cite(f"{pod.name}: {p.title} (pid {p.pid})", f"/proc/{p.pid}/cmdline", p.started_at)
        for pod, p in {pod.name: (pod, p) for pod, p in reversed(found)}.values()
    )
    yield Sign("rendezvous_waits", says, cites, pods)
