"""What runs: the command lines of a pod's processes, as places that ask."""

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import structs

from distcheck.agent.cluster.intent.asked import Asked, nccl_of, of_server
from distcheck.agent.logs.argv import EngineFlags
from distcheck.agent.logs.argv_engines import Server, server_of
from distcheck.checks.evidence import EngineArguments, Missing, PodLook, Process, Processes

_DEGREES = ("tp", "pp", "dp")


def asked_by_processes(pod: PodLook) -> Iterator[Asked]:
    """What its processes were started with; the server's words with its `--config` file's."""
    name, whole = pod.pod.rpartition("/")[2], pod.arguments
    seen = pod.processes if isinstance(pod.processes, Processes) else Processes(())
    nccl = nccl_of(seen.environ)
    where = f"environment of {name} (pid {seen.environ_pid or 'unknown'})"
    for process in _of_engine(seen.processes, whole):
        is_server = isinstance(whole, EngineArguments) and whole.pid == process.pid
        asked = None if is_server else _running(process.argv, process.pid, name)
        if asked is not None:
            yield structs.replace(asked, nccl=nccl, nccl_source=where)
    if isinstance(whole, EngineArguments):
        asked = _running(whole.words, whole.pid, name, whole.config_path, whole.unread)
        if asked is not None:
            yield structs.replace(asked, nccl=nccl, nccl_source=where)


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
) -> Asked | None:
    server = server_of(argv)
    if server is None:
        return None
    beside = f", with {config}" if config else ""
    known = config is not None and not unread
    asked = of_server(f"argv of {pod} (pid {pid}{beside})", server)
    settled = ("config",) if known or server.flags.config is None else ()
    values = dict(asked.values) | _defaults(server, config_read=known)
    return structs.replace(asked, values=values, settled=settled)


def _defaults(server: Server, *, config_read: bool) -> dict[str, Any]:
    """Degrees are 1 where the running command line names none (`vllm/config`, SGLang too)."""
    flags: EngineFlags = server.flags
    if flags.headless or not server.is_whole or (flags.config is not None and not config_read):
        return {}
    unnamed = (d for d in _DEGREES if getattr(flags, d) is None and d not in flags.unread)
    return dict.fromkeys(unnamed, 1)
