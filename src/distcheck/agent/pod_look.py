"""One pod of the node, looked at from every side at once."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from msgspec import structs

from distcheck.agent import rdma_access
from distcheck.agent.debug_file import debug_files
from distcheck.agent.engine_arguments import evidence
from distcheck.agent.kernel_look import KernelLooker
from distcheck.agent.logs.distil import Distilled, with_logs
from distcheck.agent.pod_here import Here, NodePod, environ_of
from distcheck.agent.pod_network import MAX_PROCESSES, NetworkLooker
from distcheck.agent.probes import sockets
from distcheck.agent.probes.container_files import Container
from distcheck.agent.probes.ports import PortTarget
from distcheck.agent.probes.probe import ProbeError
from distcheck.agent.probes.proc import Task
from distcheck.agent.ray_local import ray_local
from distcheck.agent.serving_look import ServingLooker
from distcheck.agent.tail import Live
from distcheck.checks.evidence import Missing, PodLook, Processes, Seen, ShmMount
from distcheck.checks.evidence.ray import RayLocal
from distcheck.checks.evidence.rdma import RdmaAccess

T = TypeVar("T")
Looks = Callable[[], T | Missing]
_LOGS, _FOLLOWED = 4, 3
"""Times the usual limit that a look at logs may take, and that it waits for the tailer."""
_WAITS_FOR_RAS = 2
"""Times the usual limit: RAS itself waits some seconds for a process that is silent."""


class PodLooker:
    """Starts all looks at one pod, then waits for them."""

    def __init__(self, here: Here, pod: NodePod) -> None:
        self._here, self._pod = here, pod
        self._serving = ServingLooker(here.settings, here.proc, pod.tasks)

    def start(self, targets: Sequence[PortTarget]) -> Callable[[], PodLook]:
        """Start; the function returned waits and puts the look together."""
        folder, main = self._pod.folder, next(iter(self._pod.tasks), None)
        logs = self._start("logs", lambda: self._distilled(main), times=_LOGS)
        if main is None:
            why = f"no process of {folder.name} is to be seen in {self._proc}"
            why = self._pod.hidden or why
            volume = self._start("shm", lambda: self._volume(why))
            unseen = PodLook.unseen(folder.key, why)
            return lambda: structs.replace(with_logs(unseen, logs()), shm=volume())
        parts = self._parts(main, targets)
        open_ones = self._start("sockets", lambda: sockets.look(self._proc, main.pid))

        def wait() -> PodLook:
            seen = open_ones()
            connections = () if isinstance(seen, Missing) else seen
            look = with_logs(PodLook.unseen(folder.key, ""), logs())
            found = {name: part() for name, part in parts.items()}
            return structs.replace(look, connections=connections, **found)

        return wait

    def _parts(self, main: Task, targets: Sequence[PortTarget]) -> dict[str, Looks[Seen]]:
        """A look for every field of `PodLook` that is not from its logs."""
        return {
            "processes": self._start("processes", self._processes),
            "shm": self._start("shm", lambda: self._shm(main)),
            "rdma": self._start("rdma_access", lambda: self._rdma(main)),
            "model": self._start("model", lambda: self._serving.model(main)),
            "listening": self._start(
                "listening", lambda: sockets.listening(self._proc, main.pid, self._here.now)
            ),
            "ray_local": self._start("ray_local", self._ray_local),
            **self._of_network(main, targets),
            **self._of_kernel(),
            **self._of_server(main),
        }

    def _of_network(self, main: Task, targets: Sequence[PortTarget]) -> dict[str, Looks[Seen]]:
        """What is asked from inside its network namespace."""
        network = NetworkLooker(self._here, self._pod, main)
        return {
            "ports": self._asked("ports", network.ports(targets), times=3),
            "raylets": self._asked("raylets", network.raylets(targets), times=2),
            "names": self._start("names", network.names, times=2),
            "ras": self._start("ras", network.ras, times=_WAITS_FOR_RAS),
        }

    def _asked(self, name: str, look: Looks[Seen] | Missing, times: float) -> Looks[Seen]:
        if isinstance(look, Missing):
            return _gone(look.reason)
        return self._start(name, look, times)

    def _of_kernel(self) -> dict[str, Looks[Seen]]:
        """What the kernel tells of its network."""
        pod = self._pod
        kernel = KernelLooker(self._here.kernel, pod.folder.uid, pod.tasks, self._here.now)
        return {
            "flows": self._start("flows", kernel.flows),
            "queue_pairs": self._start("queue_pairs", kernel.queue_pairs)
            if kernel.has_hcas
            else _gone(f"{self._here.settings.node} has no HCA: its kernel has no queue pairs"),
            "open_devices": self._start("open_devices", kernel.open_devices),
        }

    def _of_server(self, main: Task) -> dict[str, Looks[Seen]]:
        """Looks at what only some pods have; where it is not, no look is started."""
        serving, name, now = self._serving, self._pod.folder.name, self._here.now
        looks: dict[str, Looks[Seen]] = {
            "engine_http": _gone(f"no process of {name} serves vLLM's HTTP API"),
            "engine_folder": _gone(f"no command line in {name} runs TensorRT-LLM"),
            "arguments": _gone(f"no vLLM server's command line is in {name}"),
            "draft": _gone(f"no vLLM server's command line is in {name}"),
        }
        if serving.there:
            looks["arguments"] = self._start("arguments", lambda: evidence(serving.started()))
            looks["draft"] = self._draft(main)
        if serving.listens:
            ask = partial(serving.answers, now)
            looks["engine_http"] = self._start("engine_http", ask, times=2)
        if serving.trtllm:
            find = partial(serving.engine_folder, main)
            looks["engine_folder"] = self._start("engine_folder", find)
        return looks

    def _draft(self, main: Task) -> Looks[Seen]:
        look = self._start("draft", lambda: self._serving.draft(main))
        none = Missing(f"no command line in {self._pod.folder.name} asks for a draft model")
        return lambda: look() or none

    @property
    def _proc(self) -> str:
        return self._here.settings.host_proc

    def _start(self, name: str, look: Callable[[], T], times: float = 1) -> Looks[T]:
        return self._here.probing.start(name, look, of=self._pod.folder.uid, times=times)

    def _distilled(self, main: Task | None) -> Distilled:
        """From what is followed where the pod is; else its files are read now."""
        folder, tasks = self._pod.folder, self._pod.tasks
        limit = _FOLLOWED * self._here.settings.timeout
        followed = self._here.tail.look(Live(folder, tasks), limit)
        if followed is not None:
            return followed
        container = None if main is None else Container(self._proc, main.pid)
        debug = debug_files(self._here.proc, [t for t in tasks if t.matters])
        return self._here.logs.look(folder, container, ray=self._pod.ray, debug=debug)

    def _processes(self) -> Processes:
        if self._pod.hidden is not None:
            raise ProbeError(self._pod.hidden)
        tasks = [t for t in self._pod.tasks if t.matters]
        shown = tuple(self._here.proc.described(t) for t in tasks[:MAX_PROCESSES])
        pid, environ, refused = environ_of(self._here, self._pod)
        dropped = len(tasks) - len(shown)
        return Processes(shown, environ, self._here.now, pid, dropped, refused)

    def _ray_local(self) -> RayLocal:
        seen = ray_local(self._pod.tasks, self._proc, self._here.now)
        if self._pod.hidden is not None and not seen.raylets:
            raise ProbeError(self._pod.hidden)
        return seen

    def _shm(self, main: Task) -> ShmMount:
        self._refuse_a_guess()
        here, folder = self._here, self._pod.folder
        seen = here.shm.look(main.pid, lambda: here.proc.pids_of(folder.uid), here.now)
        return structs.replace(seen, cited=f"{folder.name}: {seen.cited}")

    def _volume(self, why: str) -> ShmMount | Missing:
        """Of a pod that crashes: what its ranks left outlives their containers."""
        here, folder = self._here, self._pod.folder
        try:
            seen = here.shm.volume(folder.uid, lambda: here.proc.pids_of(folder.uid), here.now)
        except (ProbeError, OSError):
            return Missing(why)
        return structs.replace(seen, cited=f"{folder.name}: {seen.cited}")

    def _rdma(self, main: Task) -> RdmaAccess:
        self._refuse_a_guess()
        here = self._here
        seen = rdma_access.look(self._proc, main.pid, here.rdma.device_of, here.now)
        return structs.replace(seen, source=f"{self._pod.folder.name}: {seen.source}")

    def _refuse_a_guess(self) -> None:
        """Containers differ in their mounts: one without a rank says nothing of the ranks'."""
        several = len({t.container_id for t in self._pod.tasks}) > 1
        if several and not self._pod.known:
            raise ProbeError(f"no process shows which container of {self._pod.folder.name} it is")


def _gone(why: str) -> Looks[Seen]:
    gone = Missing(why)
    return lambda: gone
