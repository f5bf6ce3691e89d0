"""The processes of a pod: what they call themselves, and which number each has where."""

from msgspec import Struct, field

from distcheck.checks.evidence.seen import Missing, Seen


class Process(Struct, frozen=True, omit_defaults=True):
    """A process of a container; `argv` only for command lines that this project reads.

    `title` is what the process calls itself (`VLLM::Worker_TP3`, `ray::RayWorkerWrapper`),
    `started_at` is RFC 3339. `argv` never holds values of flags outside the allow-list.
    `ns_pids` are its numbers from the node's namespace inward (`NSpid`, proc_pid_status(5)):
    the last is the one that its own logs use. `visible` are the GPUs that its environment
    named when it started; a program may change that, and a title may overwrite it.
    """

    pid: int
    title: str
    ppid: int = 0
    argv: tuple[str, ...] = ()
    started_at: str | None = None
    ns_pids: tuple[int, ...] = ()
    container_id: str = ""
    container: str = ""
    visible: dict[str, str] = field(default_factory=dict)


class Processes(Seen, frozen=True, tag="processes"):
    """The processes of one pod that matter here, and allow-listed environment of the engine.

    `environ_pid` is the process whose environment it is; None where none could be read.
    `dropped` counts processes beyond those that are kept. `environ_refused` says which right
    the agent lacks to read any environment.
    """

    processes: tuple[Process, ...]
    environ: dict[str, str] = field(default_factory=dict)
    seen_at: str | None = None
    environ_pid: int | None = None
    dropped: int = 0
    environ_refused: str | None = None


def host_pid(
    seen: Processes | Missing, container_pid: int, container: str | None = None
) -> int | Missing:
    """The node's number of the process that calls itself `container_pid` in its own logs.

    Containers of one pod count from 1 each: a number that several have is Missing, unless
    `container` names the one whose log it is.
    """
    if isinstance(seen, Missing):
        return seen
    named = [p for p in seen.processes if container is None or p.container in ("", container)]
    if not any(p.ns_pids for p in named):
        return Missing(
            f"the numbers that processes have in their containers were not seen, "
            f"so pid {container_pid} of a log is nobody's"
        )
    found = {p.pid for p in named if p.ns_pids[-1:] == (container_pid,)}
    if len(found) == 1:
        return found.pop()
    if found:
        return Missing(f"pid {container_pid} is in {len(found)} containers of the pod")
    return Missing(f"no process of the pod that runs now is pid {container_pid} in its container")
