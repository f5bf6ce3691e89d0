"""The rows of the text about logs: what failed, ranks, network, engine."""

from collections.abc import Iterator, Sequence

from distcheck.checks.evidence.engine import EngineLog
from distcheck.checks.knowledge.rank_ranges import rank_words
from distcheck.checks.logs_devices import CUT
from distcheck.checks.logs_engine import VllmPart
from distcheck.checks.logs_headline import engine_alone
from distcheck.checks.logs_ranks import LoggedCommunicator
from distcheck.checks.logs_report import LogsReport, NcclPart
from distcheck.exporters.typography import shorten

_LONGEST = 240
_HOSTS = 4
_WAITING = "waiting_for_ranks"
_DOUBTFUL = ("worker_hangs", "waiting_for_gpus", "ray_not_found")
_NOT_TEXT = (
    "Give the log that the container wrote, as UTF-8 text or gzip: kubectl logs, or a file below"
    " /var/log/pods on its node."
)

Cited = tuple[str, str]
_ENGINES = {"sglang": "SGLang", "trtllm": "TensorRT-LLM", "nim": "NIM"}
_STATE = {True: "started", False: "did not start", None: ""}


def failures(obj: LogsReport) -> tuple[list[Cited], str]:
    """The lines to look at first, and what to do."""
    alone = engine_alone(obj.nccl, obj.vllm)
    why = [] if alone else list(obj.nccl.summary.why)
    if obj.nccl.verdict != "failed":
        why += _of_engine(obj)
    waiting = [f for f in obj.vllm.failures if f.id == _WAITING]
    why += [(f.means, f.source) for f in waiting]
    why = why or list(obj.nccl.evidence[:2])
    shown = [(shorten(words, _LONGEST, "..."), source) for words, source in why]
    if alone:
        return shown, obj.vllm.root.remedy if obj.vllm.root else ""
    return shown, waiting[0].remedy if waiting and not obj.nccl.lines else _remedy(obj)


def _of_engine(obj: LogsReport) -> list[Cited]:
    """The engine's first cause, and the line by which it gave up."""
    root = obj.vllm.root
    lines = [(root.says, root.source)] if root else []
    return lines + [
        (f.says, f.source) for f in obj.engine_failures[:1] if (f.says, f.source) not in lines
    ]


def doubtful(part: VllmPart) -> list[tuple[str, str]]:
    """What the engine says that is no failure by itself, and may become one."""
    found = [f for f in part.failures if f.id in _DOUBTFUL]
    return [("note", f"{f.means}   {f.source}") for f in found[:3]]


def _remedy(obj: LogsReport) -> str:
    if not obj.lines:
        return "Look whether this is the container's log, and whether it has started at all."
    return _NOT_TEXT if obj.binary else obj.nccl.summary.do


def ranks(part: NcclPart) -> Iterator[tuple[str, str]]:
    """How many ranks are complete, which are not, and where they are."""
    world = part.largest
    if world is None:
        hosts = f"; {_many(len(part.hosts), 'host')}: {_few(part.hosts)}" if part.hosts else ""
        yield "ranks", f"no communicator is shown{hosts}"
        return
    yield "ranks", _complete(part, world)
    yield "hosts", _hosts(world)


def _complete(part: NcclPart, world: LoggedCommunicator) -> str:
    if part.init_complete_ranks is None:
        said = [
            f"{world.ranks_seen} of {world.nranks} seen; whether they completed is not in the log"
        ]
    else:
        said = [f"{part.init_complete_ranks} of {world.nranks} complete"]
    if world.started:
        said.append(f"started and not complete: {rank_words(world.started)}")
    if world.unseen:
        said.append(f"not in these logs: {rank_words(world.unseen)}")
    return "; ".join([*said, *_others(part, world)])


def _others(part: NcclPart, world: LoggedCommunicator) -> list[str]:
    others = [c for c in part.communicators if c.id != world.id]
    if not others:
        return []
    short = sum(c.ranks_complete < c.ranks_seen for c in others)
    late = f", {short} of them with ranks that are not complete" if short else ""
    return [f"{_many(len(others), 'other communicator')}{late}"]


def _hosts(world: LoggedCommunicator) -> str:
    held = [f"{host} ({rank_words(found)})" for host, found in world.by_host.items()]
    more = f" and {len(held) - _HOSTS} more hosts" if len(held) > _HOSTS else ""
    return ", ".join(held[:_HOSTS]) + more


def network(part: NcclPart) -> str:
    """The network and its devices, what is used within hosts, and the version."""
    provider = f" (provider {', '.join(part.providers)})" if part.providers else ""
    chosen = f"{part.network}{provider}" if part.network else "no network is named"
    alone = part.verdict == "single-node"
    said = ["none is used"] if alone else [chosen, *_devices(part)]
    if part.intra_node_transports:
        said.append(f"within hosts {', '.join(part.intra_node_transports[:3])}")
    return "; ".join([*said, f"{part.flavour} {_few(_versions(part)) or 'version not shown'}"])


def _versions(part: NcclPart) -> tuple[str, ...]:
    """Without those that another one only spells out."""
    longer = [v for v in part.versions if "+" in v]
    return tuple(v for v in part.versions if not any(w.startswith(f"{v}+") for w in longer))


def _devices(part: NcclPart) -> Iterator[str]:
    by_count: dict[int, list[str]] = {}
    for host, named in part.devices.items():
        by_count.setdefault(len(named), []).append(host)
    if len(by_count) == 1:
        yield from _alike(next(iter(part.devices.values())), len(part.devices))
    elif by_count:
        counts = (f"{count} on {_few(hosts)}" for count, hosts in sorted(by_count.items()))
        yield f"devices differ: {', '.join(counts)}"


def _alike(found: Sequence[str], hosts: int) -> Iterator[str]:
    whole = [name for name in found if name != CUT]
    count = (
        _many(len(whole), "device") if len(whole) == len(found) else f"{len(whole)} or more devices"
    )
    more = ", ..." if len(found) > 2 else ""
    each = " on each host" if hosts > 1 else ""
    if whole:
        yield f"{count}{each} ({', '.join(whole[:2])}{more})"


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _HOSTS} more" if len(names) > _HOSTS else ""
    return ", ".join(names[:_HOSTS]) + more


def _many(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def engine(obj: LogsReport) -> list[tuple[str, str]]:
    """Which engine it is, and what its weights take on each rank."""
    return [("engine", said) for said in (_vllm(obj.vllm), _other(obj.engine)) if said]


def _vllm(part: VllmPart) -> str:
    known = (part.version, part.model, part.tp, part.world_size, part.started)
    if not any(k is not None for k in known):
        return ""
    named = " ".join(filter(None, ("vLLM", part.version, part.engine)))
    told = (named, part.model, _shape(part), _weights(part), _STATE[part.started])
    return "; ".join(filter(None, told))


def _other(log: EngineLog | None) -> str:
    """SGLang, TensorRT-LLM or NIM: by what it says of itself."""
    if log is None or log.engine is None:
        return ""
    named = " ".join(filter(None, (_ENGINES[log.engine], log.version, log.backend, log.profile)))
    return "; ".join(filter(None, (named, log.model, _shape(log), _STATE[log.started])))


def _shape(part: VllmPart | EngineLog) -> str:
    layout = {"TP": part.tp, "PP": part.pp, "DP": part.dp}
    return " ".join(f"{name} {degree}" for name, degree in layout.items() if degree is not None)


def _weights(part: VllmPart) -> str | None:
    found = part.weights_gib_by_rank
    if found is None:
        return None
    values = list(found.values()) if isinstance(found, dict) else found
    if not isinstance(values, list):
        return f"weights {values:.2f} GiB"
    low, high = min(values), max(values)
    span = f"weights {low:.2f}" + (f" to {high:.2f}" if high > low else "") + " GiB"
    if not isinstance(found, dict):
        return span
    return f"{span} on {'each of ' if len(found) > 1 else ''}{_many(len(found), 'rank')}"
