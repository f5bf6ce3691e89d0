"""Signs that pods wait for each other at the port where their ranks meet."""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from distcheck.checks.evidence import Cite, Evidence, Pod, Process, Processes, VllmLog
from distcheck.checks.facts.hang_sign import LONG, Sign, age, minutes
from distcheck.checks.facts.meeting_port import At, Calls, calls, said
from distcheck.checks.facts.names_asked import looked_up
from distcheck.checks.facts.past_meeting import is_past_meeting
from distcheck.checks.facts.rank_titles import is_placed
from distcheck.checks.knowledge.meeting_flags import MeetsBy, meets_by, port_of

_PORT: Final = "MASTER_PORT"
_ADDRESS = "MASTER_ADDR"


class _Server(Struct, frozen=True):
    """One pod's server: how it meets the others, and for how many seconds it has run."""

    pod: Pod
    by: MeetsBy
    process: Process
    age: int


def meeting_signs(evidence: Evidence) -> Iterator[Sign]:
    """One where the leader's port waits in vain, or is not open, long after both sides began.

    None where a rank has its place, or a line shows that they met. What a pod runs that has no
    server yet is not known: it may fetch the model first, so that is a warning.
    """
    if is_past_meeting(evidence) or _has_placed(evidence):
        return
    servers = [s for p in evidence.pods if (s := _server(evidence, p)) is not None]
    leaders = [s for s in servers if s.by.leads]
    if len(leaders) != 1 or len({(s.by.way, s.by.port) for s in servers}) != 1:
        return
    yield from _signs(evidence, leaders[0], [s for s in servers if not s.by.leads])


def _signs(evidence: Evidence, leader: _Server, others: list[_Server]) -> Iterator[Sign]:
    at = At(leader.pod, leader.by.port)
    found = calls(evidence, at)
    since = min((s.age for s in (leader, *others)), default=0)
    if since < LONG or found.listens is None:
        return
    if not found.listens:
        if others and _must_listen(evidence, leader):
            yield _sign(leader, at, found, since, sure=False)
        return
    late = [s.pod.name for s in others if s.pod.name in found.absent]
    late = late or [p.name for p in _idle(evidence, others, leader) if p.name in found.absent]
    if late:
        sure = bool({s.pod.name for s in others} & set(late))
        yield _sign(leader, at, Calls(True, tuple(late), found.cites), since, sure=sure)


def _sign(leader: _Server, at: At, found: Calls, since: int, *, sure: bool) -> Sign:
    says = f"{said(at, found)}, {minutes(since)} after the servers started"
    one = leader.process
    what = f"{leader.pod.name}: {leader.by.way} {leader.by.port} (pid {one.pid})"
    cite = Cite(what, f"/proc/{one.pid}/cmdline", one.started_at)
    subjects = found.absent if found.listens else (leader.pod.name,)
    return Sign("rendezvous_waits", says, (*found.cites, cite), subjects, sure)


def _must_listen(evidence: Evidence, leader: _Server) -> bool:
    """Whether the leader would listen till it ends, and its log shows that it does not serve.

    With copies vLLM takes other ports, and that for their calls is closed once all came.
    """
    log = evidence.look(leader.pod).vllm
    alone = (evidence.intent.dp or 1) == 1
    return leader.by.way == "--master-port" and alone and isinstance(log, VllmLog) and log.lines > 0


def _idle(evidence: Evidence, others: list[_Server], leader: _Server) -> Iterator[Pod]:
    """Pods that run no server, long after they started."""
    busy = {s.pod.key for s in (leader, *others)}
    for pod in evidence.pods:
        seen, began = evidence.look(pod).processes, age(evidence, pod.started_at)
        whole = isinstance(seen, Processes) and not seen.dropped
        if pod.gpus and pod.key not in busy and whole and (began or 0) >= LONG:
            yield pod


def _has_placed(evidence: Evidence) -> bool:
    looks = (evidence.look(p).processes for p in evidence.pods)
    return any(is_placed(x.title) for s in looks if isinstance(s, Processes) for x in s.processes)


def _server(evidence: Evidence, pod: Pod) -> _Server | None:
    """The youngest server of a pod, that of its command line, else that of torch's variables."""
    seen = evidence.look(pod).processes
    if not pod.gpus or not isinstance(seen, Processes):
        return None
    by_flags = ((x, meets_by(x.argv)) for x in seen.processes if x.argv)
    every = [(x, by) for x, by in by_flags if by is not None]
    every = every or list(_by_variables(evidence, pod, seen))
    found = [
        _Server(pod, by, x, at)
        for x, by in every
        if (at := age(evidence, x.started_at)) is not None
    ]
    return min(found, key=lambda s: s.age, default=None)


def _by_variables(
    evidence: Evidence, pod: Pod, seen: Processes
) -> Iterator[tuple[Process, MeetsBy]]:
    """What torchrun gives to its processes; a pod may have the variables and not use them."""
    port, address = port_of(seen.environ.get(_PORT, "")), seen.environ.get(_ADDRESS, "")
    one = next((x for x in seen.processes if x.pid == seen.environ_pid), None)
    if port is not None and address and one is not None:
        looks = (evidence.look(p) for p in evidence.pods)
        found = {a for k in looks for x in looked_up(k) if x.name == address for a in x.addresses}
        yield one, MeetsBy(_PORT, port, leads=pod.ip in {address, *found})
