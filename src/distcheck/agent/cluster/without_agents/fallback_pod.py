"""One pod as it is seen without an agent: its logs and what one exec brought, put together."""

from collections.abc import Sequence

from msgspec import Struct, structs

from distcheck.agent.cluster.without_agents.api_log import ApiLog
from distcheck.agent.cluster.without_agents.exec_look import Inside
from distcheck.agent.logs.distil import Distilled, combine, with_logs
from distcheck.checks.evidence import Missing, Pod, PodLook
from distcheck.checks.evidence.serving import EngineHttp

_WITHOUT_RAY = ("mp", "uni", "external_launcher")
"""Executors whose ranks print to the container's own log (`vllm/config/parallel.py`)."""


class PodSeen(Struct, frozen=True):
    """A pod, its log, and what is to be seen inside it."""

    pod: Pod
    log: ApiLog
    inside: Inside | Missing


def pod_look(seen: PodSeen, http: EngineHttp | Missing | None, why: str) -> PodLook:
    """The look at one pod; `why` says why no agent tells more."""
    name, inside = seen.pod.name, seen.inside
    gone = f"{inside.reason}; {why}" if isinstance(inside, Missing) else why
    base = PodLook.unseen(seen.pod.key, gone)
    given = Missing(f"the kubelet of {name}'s node was not asked which devices it gave: {why}")
    look = structs.replace(
        with_logs(base, _logs(seen, why)),
        ports=Missing(f"ports are not probed from {name}: {why}"),
        allocated=given,
    )
    if isinstance(inside, Missing):
        return look
    answers = http or Missing(f"the engine in {name} was not asked")
    return structs.replace(
        look, **inside.fields, connections=inside.connections, engine_http=answers
    )


def _logs(seen: PodSeen, why: str) -> Distilled | Missing:
    """All logs of the pod; what of them was not read is in the NCCL log's `dropped`."""
    inside, log = seen.inside, seen.log.log
    parts = [] if isinstance(log, Missing) else [log]
    lost = [log.reason] if isinstance(log, Missing) else []
    if isinstance(inside, Inside):
        parts += inside.logs
        lost += inside.lost
    if not parts:
        return Missing(f"{lost[0] if lost else 'no log was read'}; {why}")
    whole = combine(parts)
    if isinstance(inside, Missing) and whole.vllm.executor not in _WITHOUT_RAY:
        lost.append(f"logs inside {seen.pod.name} were not read: {inside.reason}")
    lost += [p.cut for p in parts if p.cut]
    marks = inside.marks if isinstance(inside, Inside) else ()
    nccl = structs.replace(
        whole.nccl,
        dropped=(*whole.nccl.dropped, *dict.fromkeys(lost)),
        marks=(*whole.nccl.marks, *marks),
    )
    return structs.replace(whole, nccl=nccl)


def gpus_missing(seen: Sequence[PodSeen], why: str) -> Missing:
    """Why the node's GPU processes are not to be seen, with what the containers' own view is.

    In a container nvidia-smi shows the GPUs and not whose memory is on them (its processes
    have the node's numbers), so it proves nothing of a rank.
    """
    told = [_own_view(s) for s in seen]
    views = "; ".join(t for t in told if t)
    also = f" ({views})" if views else ""
    return Missing(f"GPU processes of the node are seen by an agent only: {why}{also}")


def _own_view(seen: PodSeen) -> str:
    smi = seen.inside.smi if isinstance(seen.inside, Inside) else ""
    rows = [line.split(", ") for line in smi.splitlines()[:64]]
    used = [row[3] for row in rows if len(row) == 5 and row[3].isdecimal() and len(row[3]) < 10]
    if not used:
        return ""
    total = sum(map(int, used))
    return f"nvidia-smi in {seen.pod.name} shows {len(used)} GPUs with {total} MiB used"
