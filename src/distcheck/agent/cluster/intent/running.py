"""What runs: the command lines of a pod's processes, as places that ask."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from msgspec import structs

from distcheck.agent.cluster.intent.asked import LAYOUT, OPEN, Asked, nccl_of, of_server
from distcheck.agent.cluster.intent.families import Running, chosen, heads
from distcheck.agent.cluster.intent.weighed import followed
from distcheck.agent.logs.argv import EngineFlags
from distcheck.agent.logs.argv_engines import Server, server_of
from distcheck.agent.logs.shell import is_script
from distcheck.checks.evidence import (
    EngineArguments,
    GpuProcess,
    Gpus,
    Intent,
    Missing,
    NodeLook,
    PodLook,
    Process,
    Processes,
)

_DEGREES = ("tp", "pp", "dp")


def with_argv(intent: Intent, looks: Iterable[NodeLook]) -> Intent:
    """`intent` beside the command lines that really run.

    One that agrees is cited, and one that says more fills in. One that differs from a pod's
    own spec is kept as a conflict; over everything else it is followed, and that is kept.
    """
    nim, seen = intent.engine == "nim", False
    for look in looks:
        gpus = look.gpus.processes if isinstance(look.gpus, Gpus) else ()
        for pod in look.pods:
            for asked in asked_by_processes(pod, gpus, nim=nim):
                intent, seen = followed(intent, asked), True
    unread = {k: why for k, why in intent.unread.items() if _is_open(intent, k, seen=seen)}
    return structs.replace(intent, unread=unread)


def _is_open(intent: Intent, name: str, *, seen: bool) -> bool:
    """Whether what could not be read of `name` still matters, where a server was `seen` to run.

    A degree is settled by a spec and a command line together, anything else by either.
    """
    if name == OPEN:
        return not seen or _is_open(intent, "tp", seen=seen)
    if name not in LAYOUT:
        return getattr(intent, name, None) is None
    places = intent.agreed.get(name) or ((p,) if (p := intent.sources.get(name)) else ())
    running = [p for p in places if p.startswith("argv")]
    return getattr(intent, name) is None or not 0 < len(running) < len(places)


def asked_by_processes(
    pod: PodLook, gpus: Sequence[GpuProcess] = (), *, nim: bool = False
) -> Iterator[Asked]:
    """What its processes were started with; the server's words with its `--config` file's.

    `gpus` are the processes on the node's GPUs: of servers that differ, the one that uses more
    counts. Where that cannot be told, what they differ in is unread. `nim`: NIM may hand its
    engine what the command line does not show.
    """
    seen = pod.processes if isinstance(pod.processes, Processes) else Processes(())
    name = pod.pod.rpartition("/")[2]
    nccl = nccl_of(seen.environ)
    where = f"environment of {name} (pid {seen.environ_pid or 'unknown'})"
    running = heads(list(_servers(pod, seen.processes, name, nim=nim)))
    mine = [g for g in gpus if g.pod == pod.pod]
    for asked in chosen(running, seen.processes, mine, name):
        yield structs.replace(asked, nccl=nccl, nccl_source=where)


def _servers(
    pod: PodLook, processes: Sequence[Process], name: str, *, nim: bool
) -> Iterator[Running]:
    whole = pod.arguments
    pid = whole.pid if isinstance(whole, EngineArguments) else None
    parents = {p.pid: p.ppid for p in processes}
    for process in _of_engine(processes, whole):
        words = process.argv
        asked = None if process.pid == pid else _running(words, process.pid, name, nim=nim)
        if asked is not None:
            yield Running(process.pid, process.ppid, words, asked)
    if isinstance(whole, EngineArguments):
        asked = _running(whole.words, whole.pid, name, whole.config_path, whole.unread, nim=nim)
        if asked is not None:
            yield Running(whole.pid, parents.get(whole.pid, 0), whole.words, asked)


def _of_engine(processes: Sequence[Process], whole: EngineArguments | Missing) -> Iterator[Process]:
    """Without those of other containers than the engine's, which serve something else."""
    pid = whole.pid if isinstance(whole, EngineArguments) else None
    mine = next((p.container for p in processes if p.pid == pid), "")
    return (p for p in processes if not mine or p.container in ("", mine))


def _running(
    argv: Sequence[str],
    pid: int,
    pod: str,
    config: str | None = None,
    unread: Sequence[str] = (),
    *,
    nim: bool,
) -> Asked | None:
    """A shell is no server: what it starts is seen itself."""
    server = None if is_script(argv) else server_of(argv)
    if server is None:
        return None
    beside = f", with {config}" if config else ""
    known = config is not None and not unread
    asked = of_server(f"argv of {pod} (pid {pid}{beside})", server)
    settled = ("config",) if known or server.flags.config is None else ()
    told = not nim or any(name in asked.values for name in _DEGREES)
    values = dict(asked.values) | (_defaults(server, config_read=known) if told else {})
    return structs.replace(asked, values=values, settled=settled)


def _defaults(server: Server, *, config_read: bool) -> dict[str, Any]:
    """Degrees are 1 where the running command line names none (`vllm/config`, SGLang too)."""
    flags: EngineFlags = server.flags
    if flags.headless or not server.is_whole or (flags.config is not None and not config_read):
        return {}
    unnamed = (d for d in _DEGREES if getattr(flags, d) is None and d not in flags.unread)
    return dict.fromkeys(unnamed, 1)
