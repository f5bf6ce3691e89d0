"""One pod of the node, looked at from every side at once."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from msgspec import Struct, structs

from distcheck.agent.logs.argv import engine_flags
from distcheck.agent.logs.distil import Distilled
from distcheck.agent.pod_logs import PodLogs
from distcheck.agent.probes import model, ports, shm, sockets
from distcheck.agent.probes.container_files import Container
from distcheck.agent.probes.podlogs import PodFolder
from distcheck.agent.probes.ports import PortTarget
from distcheck.agent.probes.probe import ProbeError, Probing
from distcheck.agent.probes.proc import Proc, Task
from distcheck.agent.settings import Settings
from distcheck.checks.evidence import (
    Missing,
    ModelConfig,
    NcclLog,
    PodLook,
    PortProbes,
    Processes,
    ShmMount,
    VllmLog,
)

T = TypeVar("T")
Looks = Callable[[], T | Missing]
_MAX_PROCESSES = 512
_RAY = ("raylet", "gcs_server")


class NodePod(Struct, frozen=True):
    """A pod of this node and its processes; the first is the one whose container matters.

    `known`: that one is on a GPU, or says that it is an engine's or Ray's.
    """

    folder: PodFolder
    tasks: tuple[Task, ...]
    known: bool = False

    @property
    def ray(self) -> bool:
        """Whether Ray runs in it, so that ranks write their logs inside the container."""
        return any(t.title in _RAY or t.title.startswith("ray::") for t in self.tasks)


class Here(Struct, frozen=True):
    """What all looks of one round share."""

    settings: Settings
    proc: Proc
    logs: PodLogs
    probing: Probing
    now: str


class PodLooker:
    """Starts all looks at one pod, then waits for them."""

    def __init__(self, here: Here, pod: NodePod) -> None:
        self._here, self._pod = here, pod

    def start(self, targets: Sequence[PortTarget]) -> Callable[[], PodLook]:
        """Start; the function returned waits and puts the look together."""
        folder, main = self._pod.folder, next(iter(self._pod.tasks), None)
        logs = self._start("logs", lambda: self._distilled(main), times=4)
        if main is None:
            where = self._here.settings.host_proc
            gone = Missing(f"no process of {folder.name} is to be seen in {where}")
            return lambda: PodLook(folder.key, gone, *_parts(logs()), gone, gone, gone)
        processes = self._start("processes", self._processes)
        mount = self._start("shm", lambda: self._shm(main))
        tried = self._ports(main, targets)
        described = self._start("model", lambda: self._model(main))
        open_ones = self._start("sockets", lambda: sockets.look(self._proc, main.pid))

        def wait() -> PodLook:
            seen = open_ones()
            connections = () if isinstance(seen, Missing) else seen
            return PodLook(
                folder.key, processes(), *_parts(logs()), mount(), tried(), described(), connections
            )

        return wait

    @property
    def _proc(self) -> str:
        return self._here.settings.host_proc

    def _start(self, name: str, look: Callable[[], T], times: float = 1) -> Looks[T]:
        return self._here.probing.start(name, look, of=self._pod.folder.uid, times=times)

    def _distilled(self, main: Task | None) -> Distilled:
        container = None if main is None else Container(self._proc, main.pid)
        return self._here.logs.look(self._pod.folder, container, ray=self._pod.ray)

    def _processes(self) -> Processes:
        shown = tuple(t.shown() for t in self._pod.tasks if t.matters)
        pid, environ = self._environ()
        return Processes(shown[:_MAX_PROCESSES], environ, self._here.now, pid)

    def _environ(self) -> tuple[int | None, dict[str, str]]:
        """Of a process with a real command line: titles overwrite the environment's memory."""
        for task in sorted(self._pod.tasks, key=lambda t: not engine_flags(t.argv)):
            if task.shown().argv:
                try:
                    return task.pid, self._here.proc.environ(task.pid)
                except OSError:
                    continue
        return None, {}

    def _shm(self, main: Task) -> ShmMount:
        self._refuse_a_guess()
        seen = shm.look(self._proc, main.pid, self._here.now)
        return structs.replace(seen, cited=f"{self._pod.folder.name}: {seen.cited}")

    def _refuse_a_guess(self) -> None:
        """Containers differ in their mounts: one without a rank says nothing of the ranks'."""
        several = len({t.container_id for t in self._pod.tasks}) > 1
        if several and not self._pod.known:
            raise ProbeError(f"no process shows which container of {self._pod.folder.name} it is")

    def _model(self, main: Task) -> ModelConfig:
        flags = [engine_flags(t.argv) for t in self._pod.tasks]
        name = next((f.model for f in flags if f is not None and f.model), None)
        if name is None:
            raise ProbeError(f"no command line in {self._pod.folder.name} names a model")
        _, environ = self._environ()
        return model.look(Container(self._proc, main.pid), name, environ.get("HF_HOME"))

    def _ports(self, main: Task, targets: Sequence[PortTarget]) -> Looks[PortProbes]:
        wanted = [t for t in targets if t.peer != self._pod.folder.key]
        gone = self._why_no_ports(wanted)
        if gone is not None:
            return lambda: gone
        return self._start("ports", lambda: self._probed(main, wanted), times=3)

    def _why_no_ports(self, wanted: Sequence[PortTarget]) -> Missing | None:
        if not wanted:
            return Missing("no port of another pod was asked for")
        if not self._here.settings.port_probes:
            return Missing(f"port probes are switched off on {self._here.settings.node}")
        return None

    def _probed(self, main: Task, wanted: Sequence[PortTarget]) -> PortProbes:
        path = Path(self._proc) / str(main.pid) / "ns" / "net"
        _, environ = self._environ()
        own = environ.get("VLLM_HOST_IP") if ports.is_own(path) else None
        seen = ports.look(path, own, wanted)
        return PortProbes(tuple(seen), f"network namespace of pid {main.pid}", self._here.now)


def _parts(logs: Distilled | Missing) -> tuple[NcclLog | Missing, VllmLog | Missing]:
    return (logs, logs) if isinstance(logs, Missing) else (logs.nccl, logs.vllm)
