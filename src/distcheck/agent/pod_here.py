"""What a look at one pod starts from: the pod, its processes, and what all looks share."""

from concurrent.futures import Executor

from msgspec import Struct

from distcheck.agent.kernel_look import Kernel
from distcheck.agent.listeners import Allowance
from distcheck.agent.logs.argv import engine_flags
from distcheck.agent.pod_logs import PodLogs
from distcheck.agent.probes.podlogs import PodFolder
from distcheck.agent.probes.probe import Probing
from distcheck.agent.probes.proc import Proc, Task
from distcheck.agent.probes.rdma import RdmaSysfs
from distcheck.agent.ras_look import RasRound
from distcheck.agent.raylet_look import RayletLooker
from distcheck.agent.rights import why_refused
from distcheck.agent.settings import Settings
from distcheck.agent.shm_look import ShmLook
from distcheck.agent.tail import Tailer

_RAY = ("raylet", "gcs_server")


class NodePod(Struct, frozen=True):
    """A pod of this node and its processes; the first is the one whose container matters.

    `known`: that one is on a GPU, or says that it is an engine's or Ray's. `stuck` are the
    processes of which nothing can be read.
    """

    folder: PodFolder
    tasks: tuple[Task, ...]
    known: bool = False
    stuck: tuple[Task, ...] = ()

    @property
    def hidden(self) -> str | None:
        """Which process cannot be seen, in words."""
        if not self.stuck:
            return None
        more = f" and {len(self.stuck) - 1} more" if len(self.stuck) > 1 else ""
        return (
            f"pid {self.stuck[0].pid}{more} of {self.folder.name} hangs: its command line is unread"
        )

    @property
    def ray(self) -> bool:
        """Whether Ray runs in it, so that ranks write their logs inside the container."""
        return any(t.title in _RAY or t.title.startswith("ray::") for t in self.tasks)


class Here(Struct, frozen=True):
    """What all looks of one round share."""

    settings: Settings
    proc: Proc
    logs: PodLogs
    tail: Tailer
    probing: Probing
    ras: RasRound
    now: str
    rdma: RdmaSysfs
    kernel: Kernel
    shm: ShmLook
    allowance: Allowance
    pool: Executor
    raylets: RayletLooker


def environ_of(here: Here, pod: NodePod) -> tuple[int | None, dict[str, str], str | None]:
    """Of a process with a real command line: titles overwrite the environment's memory.

    Its pid, and which right of the agent is missing where none could be read for that.
    """
    refused = None
    for task in sorted(pod.tasks, key=lambda t: not engine_flags(t.argv)):
        if task.shown().argv:
            try:
                return task.pid, here.proc.environ(task.pid), None
            except OSError as error:
                refused = refused or why_refused(error, "environments of processes")
    return None, {}, refused
