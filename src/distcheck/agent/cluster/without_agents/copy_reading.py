"""What the collector's copy of a container shows, read by the probes that the agent has."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from msgspec import Struct, structs

from distcheck.agent import clock
from distcheck.agent.cluster.without_agents.container_copy import ContainerCopy
from distcheck.agent.cluster.without_agents.copy_logs import CopyLogs, part, where_in
from distcheck.agent.cluster.without_agents.copy_rdma import access_of
from distcheck.agent.cluster.without_agents.copy_shm import mount_of
from distcheck.agent.engine_arguments import evidence
from distcheck.agent.logs.argv import engine_flags
from distcheck.agent.logs.distil import Distilled
from distcheck.agent.probes import cgroup_memory, sockets
from distcheck.agent.probes.cgroup_memory import CgroupMemory
from distcheck.agent.probes.probe import ProbeError
from distcheck.agent.probes.proc import Proc
from distcheck.agent.ray_address import gcs_address, why_no_gcs
from distcheck.agent.ray_local import ray_local
from distcheck.agent.serving_look import ServingLooker
from distcheck.agent.settings import Settings
from distcheck.checks.evidence import (
    Connection,
    ListeningPorts,
    Missing,
    Pod,
    Processes,
    Seen,
    ShmMount,
)
from distcheck.checks.evidence.nccl import Mark
from distcheck.checks.evidence.ray import RayLocal

T = TypeVar("T")

_MAX_PROCESSES = 512
_MAX_MOUNTINFO = 1 << 20
_OF_PROCESSES = (
    "processes",
    "shm",
    "rdma",
    "model",
    "arguments",
    "draft",
    "ray_local",
    "listening",
)
"""Fields of a look at a pod that need a process of it."""


class Inside(Struct, frozen=True):
    """Fields of a `PodLook` by name, and what is more than one pod's.

    `logs` are the files inside the container, `marks` what was left out of them, `gcs` the
    address of Ray's GCS, `server` the (pid, port) of an engine's HTTP server. `lost` says
    what could not be read; `smi` is what nvidia-smi printed.
    """

    fields: dict[str, Seen]
    connections: tuple[Connection, ...] = ()
    logs: tuple[Distilled, ...] = ()
    marks: tuple[Mark, ...] = ()
    lost: tuple[str, ...] = ()
    gcs: str | Missing = Missing("no process was seen")
    server: tuple[int, int] | Missing = Missing("no process was seen")
    smi: str = ""


class CopyReading:
    """Reads one copy; every part of it that is not to be seen is Missing with its reason.

    `why` is how the collector failed, empty where it did not. Logs are read until `deadline`
    (on `time.monotonic`).
    """

    def __init__(self, pod: Pod, copy: ContainerCopy, why: str, deadline: float) -> None:
        self._pod, self._copy, self._why, self._deadline = pod, copy, why, deadline
        self._now = clock.now()
        self._proc = Proc(str(copy.proc))
        tasks = self._part(lambda: list(self._proc.tasks()))
        found = [] if isinstance(tasks, Missing) else tasks
        self._tasks = sorted(found, key=lambda t: (not t.is_rank, not t.matters, t.pid))
        settings = Settings(node=pod.node or "", host_proc=str(copy.proc))
        self._serving = ServingLooker(settings, self._proc, self._tasks)

    def inside(self) -> Inside:
        """All of it."""
        read = CopyLogs(self._pod, self._copy, self._tasks, self._deadline).read()
        argvs = [t.argv for t in self._tasks]
        gcs = next((a for argv in argvs if (a := gcs_address(argv))), None)
        return Inside(
            fields=self._fields(),
            connections=self._connections(),
            logs=read.logs,
            marks=read.marks,
            lost=(*read.lost, *self._lost(), *read.unread),
            gcs=gcs or Missing(f"{why_no_gcs(argvs)} in {self._pod.name}"),
            server=self._server(),
            smi=self._copy.told.get("gpus", b"").decode("utf-8", "replace"),
        )

    def _fields(self) -> dict[str, Seen]:
        """Fields of `PodLook`, but for logs, and for what is asked through a port-forward."""
        if not self._tasks:
            gone = Missing(f"{self._where}: no process is to be seen in the container")
            return dict.fromkeys(_OF_PROCESSES, gone)
        main, name = self._tasks[0], self._pod.name
        none = Missing(f"no command line in {name} asks for a draft model")
        serving = self._serving
        fields: dict[str, Seen] = {
            "processes": self._part(self._processes),
            "shm": self._part(self._shm),
            "rdma": self._part(lambda: access_of(self._copy, main.pid, self._now)),
            "model": self._part(lambda: serving.model(main)),
            "ray_local": self._part(self._ray_local),
            "listening": self._part(lambda: self._listening(main.pid)),
            "arguments": Missing(f"no vLLM server's command line is in {name}"),
            "draft": Missing(f"no vLLM server's command line is in {name}"),
            "engine_folder": Missing(f"no command line in {name} runs TensorRT-LLM"),
        }
        if serving.there:
            fields["arguments"] = self._part(lambda: evidence(serving.started()))
            fields["draft"] = self._part(lambda: serving.draft(main) or none)
        if serving.trtllm:
            fields["engine_folder"] = self._part(lambda: serving.engine_folder(main))
        return fields

    @property
    def _where(self) -> str:
        return where_in(self._pod)

    def _part(self, look: Callable[[], T]) -> T | Missing:
        return part(self._where, look)

    def _processes(self) -> Processes:
        """Numbers of processes are those of the container, unless it shares the node's."""
        tasks = [t for t in self._tasks if t.matters]
        shown = tuple(self._proc.described(t) for t in tasks[:_MAX_PROCESSES])
        pid, environ = self._environ()
        return Processes(shown, environ, self._now, pid, len(tasks) - len(shown))

    def _environ(self) -> tuple[int | None, dict[str, str]]:
        for task in sorted(self._tasks, key=lambda t: not engine_flags(t.argv)):
            if task.shown().argv:
                try:
                    return task.pid, self._proc.environ(task.pid)
                except OSError:
                    continue
        return None, {}

    def _ray_local(self) -> RayLocal:
        return ray_local(self._tasks, str(self._copy.proc), self._now)

    def _shm(self) -> ShmMount:
        seen = mount_of(self._copy, self._mountinfo(), self._now)
        limit = self._part(self._memory)
        return structs.replace(
            seen,
            cited=f"{self._where}: {seen.cited}",
            memory_limit=limit if isinstance(limit, Missing) else limit.limit,
            memory_used=None if isinstance(limit, Missing) else limit.used,
        )

    def _memory(self) -> CgroupMemory:
        root = self._copy.root
        return cgroup_memory.look(str(self._copy.proc), str(root / "sys"), self._tasks[0].pid)

    def _mountinfo(self) -> str:
        """That of the collector itself, which is in the container of the ranks."""
        own, first = self._copy.proc / "self", self._copy.proc / str(self._tasks[0].pid)
        for folder in (own, first):
            if (folder / "mountinfo").exists():
                with (folder / "mountinfo").open("rb") as file:
                    return file.read(_MAX_MOUNTINFO).decode("utf-8", "replace")
        raise ProbeError("no mountinfo could be read")

    def _listening(self, pid: int) -> ListeningPorts:
        seen = sockets.listening(str(self._copy.proc), pid, self._now)
        return structs.replace(seen, source=f"{self._where}: /proc/net/tcp and tcp6")

    def _connections(self) -> tuple[Connection, ...]:
        if not self._tasks:
            return ()
        seen = self._part(lambda: sockets.look(str(self._copy.proc), self._tasks[0].pid))
        return () if isinstance(seen, Missing) else seen

    def _lost(self) -> Iterator[str]:
        """What of the copy was not brought, as it may hold what is looked for."""
        if not self._copy.whole:
            why = self._why or self._copy.broken or "its output broke off"
            yield f"{self._where}: not all was read: {why}"
        elif self._copy.broken:
            yield f"{self._where}: {self._copy.broken}"

    def _server(self) -> tuple[int, int] | Missing:
        if not self._serving.listens:
            return Missing(f"no process of {self._pod.name} serves vLLM's HTTP API")
        started = self._part(self._serving.started)
        if isinstance(started, Missing):
            return started
        closed = [started.last(f) for f in ("--ssl-certfile", "--ssl-keyfile", "--uds")]
        if any(closed):
            return Missing(f"pid {started.pid} does not speak plain HTTP on a port: not asked")
        if started.unread and started.flags.port is None:
            return Missing(f"its port is not known: not read is {started.unread[0]}")
        return started.pid, started.flags.port or _PORT


_PORT = 8000
"""Where `vllm serve` listens unless it is told (`vllm/entrypoints/openai/cli_args.py`)."""
