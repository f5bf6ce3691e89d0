"""One node's agent: asked for pods, it looks at them and says what it saw."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path

from msgspec import Struct, structs

from distcheck import __version__
from distcheck.agent import clock, netlink
from distcheck.agent.answers import FRESH, Answers
from distcheck.agent.earlier import Before
from distcheck.agent.gcs_guard import why_no_gcs_at
from distcheck.agent.gpu_watch import GpuWatch, Known
from distcheck.agent.kernel_look import Kernel
from distcheck.agent.listeners import Allowance, Listeners
from distcheck.agent.listening import AskedToListen, ListenAt, Listens, NodeListens
from distcheck.agent.netlink import Ask
from distcheck.agent.node_pods import (
    in_order,
    named,
    pod_of,
    with_devices,
    with_main,
    with_owners,
)
from distcheck.agent.peer_address import resolved
from distcheck.agent.pod_here import Here, NodePod
from distcheck.agent.pod_logs import PodLogs
from distcheck.agent.pod_look import Looks, PodLooker
from distcheck.agent.probes import podlogs
from distcheck.agent.probes.nvml import Nvml
from distcheck.agent.probes.podlogs import PodFolder
from distcheck.agent.probes.port_listener import PortListener
from distcheck.agent.probes.ports import PortTarget
from distcheck.agent.probes.probe import Outcome, Probing
from distcheck.agent.probes.proc import Proc, Task
from distcheck.agent.probes.shm import Space, statvfs
from distcheck.agent.ras_look import RasMemory, RasRound
from distcheck.agent.ray_address import gcs_address, why_no_gcs
from distcheck.agent.raylet_look import NamedRaylets, RayletLooker
from distcheck.agent.settings import Settings
from distcheck.agent.side_by_side import threads
from distcheck.agent.tail import Live, Node, Tailer
from distcheck.agent.xid_watch import XidWatch
from distcheck.checks.evidence import Gpus, Missing, NodeLook, RayCluster
from distcheck.checks.evidence.gpu_health import GpuHealth
from distcheck.checks.evidence.node import Allocated
from distcheck.checks.evidence.rdma import RdmaDevices

_GPU_PERIOD = 60.0
_MAX_WAITING = 8
_WAITS = 4
"""Times the usual limit that a question waits for its turn."""
_AGAIN = 0.25
_APART = 10.0
"""Seconds between two looks at counters, where a question has two rounds."""
Gone = Callable[[], bool]
GcsLook = Callable[[str], "RayCluster | Missing"]


class Busy(Exception):  # noqa: N818 - what it is, said to the caller
    """The agent has too many questions at once; to be asked again later."""


class Asked(Struct, frozen=True):
    """What a caller wants: pods by `namespace/name`, and ports to try from each of them."""

    pods: tuple[str, ...]
    targets: tuple[PortTarget, ...] = ()


class NodeAgent:
    """Looks at one node. Every part that cannot be seen is Missing with its reason."""

    def __init__(
        self,
        settings: Settings,
        nvml: Nvml,
        gcs: GcsLook,
        ask: Ask = netlink.ask,
        space: Space = statvfs,
        listener: type[PortListener] = PortListener,
    ) -> None:
        self._settings, self._nvml, self._gcs = settings, nvml, gcs
        self._proc = Proc(settings.host_proc)
        self._logs = PodLogs(settings.log_bytes)
        self._kernel = Kernel(settings.host_proc, settings.host_sys, ask)
        self._ras = RasMemory()
        self._one_at_a_time = threading.Lock()
        self.probing = Probing(settings.timeout)
        self._waiting = threading.BoundedSemaphore(_MAX_WAITING)
        self.answers = Answers()
        self.tail = Tailer(settings, Node(self._live, self._gpu_pids, self._forget))
        known = Known(
            self.tail.told,
            self.tail.followed,
            lambda uid: self.answers.http(uid, time.time()),
            lambda there: self.answers.only(f.uid for f in there),
        )
        self.watch = GpuWatch(settings, nvml, self._proc, known, space)
        self.xids = XidWatch(nvml)
        self._rdma = self.watch.rdma
        self._links, self._health = Before[RdmaDevices](_APART), Before[GpuHealth](_APART)
        self._asked_nvml, self._on_gpu = -_GPU_PERIOD, frozenset[int]()
        self._listeners, self._allowance = Listeners(listener), Allowance()
        self._raylets = NamedRaylets()

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """How each probe's last look went; of a question's, while its answer is shown."""
        asked = self.probing.within(FRESH)
        return {**self.tail.outcomes, **self.watch.outcomes, **asked}

    @property
    def trouble(self) -> str:
        """Which of its own loops does not go on; empty where all do, or are not begun."""
        return "; ".join(t for loop in (self.tail.loop, self.watch.loop) if (t := loop.trouble))

    def look(self, asked: Asked, is_gone: Gone = lambda: False) -> NodeLook:
        """What is to be seen of these pods now. Never writes; one look at a time.

        A look that takes too long goes on in its thread; logs that it has read by then are
        there for the next one.

        Raises:
            Busy: others were before, for too long, or the one who asked `is_gone`.
        """
        self._take_turn(is_gone)
        pool = threads()
        try:
            self.probing.begin()
            return self._look(asked, clock.now(), pool)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            self._one_at_a_time.release()

    def listen(self, asked: AskedToListen, is_gone: Gone = lambda: False) -> NodeListens:
        """Listen in the network namespaces of these pods for some seconds, where that is on.

        Raises:
            Busy: others were before, for too long, or the one who asked `is_gone`.
        """
        self._take_turn(is_gone)
        try:
            self.probing.begin()
            pods = self.probing.run("proc", self._pods)
        finally:
            self._one_at_a_time.release()
        known = () if isinstance(pods, Missing) else pods
        there = {p.folder.key: p for p in named(known, [at.pod for at in asked.at])}
        opened = (self._opened(at, there.get(at.pod), asked.sources) for at in asked.at)
        return NodeListens(self._settings.node, __version__, tuple(opened))

    def _opened(self, at: ListenAt, pod: NodePod | None, sources: Sequence[str]) -> Listens:
        node = self._settings.node
        if not self._settings.port_probes:
            return Listens(at.pod, at.address, why=f"port probes are switched off on {node}")
        if pod is None or not pod.tasks:
            return Listens(at.pod, at.address, why=f"no process of {at.pod} is seen on {node}")
        namespace = Path(self._settings.host_proc) / str(pod.tasks[0].pid) / "ns" / "net"
        return self._listeners.open(namespace, at, sources)

    def _take_turn(self, is_gone: Callable[[], bool]) -> None:
        if not self._waiting.acquire(blocking=False):
            raise Busy(f"{_MAX_WAITING} questions wait already")
        limit = _WAITS * self._settings.timeout
        end = time.monotonic() + limit
        try:
            while not self._one_at_a_time.acquire(timeout=_AGAIN):
                if is_gone() or time.monotonic() > end:
                    raise Busy(f"other questions took more than {limit:g} s")
        finally:
            self._waiting.release()
        if is_gone():
            self._one_at_a_time.release()
            raise Busy("nobody waits for the answer")

    def _look(self, asked: Asked, now: str, pool: Executor) -> NodeLook:
        gpus_later = self.probing.start("nvml", lambda: self._nvml.look(now))
        health_later = self.probing.start("gpu_health", lambda: self._gpu_health(now))
        given_later = self.probing.start("podresources", self._allocated)
        rdma_later = self.probing.start("rdma", lambda: self._rdma_devices(now))
        pods = self.probing.run("proc", self._pods)
        gpus = gpus_later()
        known = () if isinstance(pods, Missing) else pods
        chosen = named(known, asked.pods)
        here, ray_later = self._here(now, pool), self._ray(chosen)
        lookers = [PodLooker(here, with_main(pod, gpus)).start(asked.targets) for pod in chosen]
        ray, given = ray_later(), given_later()
        why = pods.reason if isinstance(pods, Missing) else f"{self._settings.node} has no such pod"
        looks = in_order(asked.pods, [with_devices(one(), given) for one in lookers], why)
        if isinstance(gpus, Gpus):
            gpus = with_owners(gpus, known, self._proc, asked.pods)
        rdma, health, xids = rdma_later(), health_later(), self.xids.seen()
        look = NodeLook(self._settings.node, now, __version__, gpus, ray, looks, rdma, health, xids)
        uids = {pod.folder.key: pod.folder.uid for pod in chosen}
        self.answers.remember(look, uids, _names_gcs(chosen), time.time())
        return look

    def _here(self, now: str, pool: Executor) -> Here:
        """What a look at one pod takes from its node."""
        return Here(
            self._settings,
            self._proc,
            self._logs,
            self.tail,
            self.probing,
            RasRound(self._settings, self._ras, now),
            now,
            self._rdma,
            self._kernel,
            self.watch.shm,
            self._allowance,
            pool,
            RayletLooker(self._settings, self._allowance, self._raylets, pool),
        )

    def _rdma_devices(self, now: str) -> RdmaDevices:
        """The node's HCAs, with their counters as the look before had them."""
        seen = self._rdma.look(now)
        before = self._links.before_of("", seen)
        if before is None:
            return seen
        return structs.replace(seen, before=before.ports, before_at=before.seen_at)

    def _gpu_health(self, now: str) -> GpuHealth:
        """How the node's GPUs are, with how busy they were in the look before."""
        seen = self._nvml.health(now)
        before = self._health.before_of("", seen)
        if before is None:
            return seen
        return structs.replace(seen, used_before=before.used, before_at=before.seen_at)

    def _pods(self) -> list[NodePod]:
        """Every pod of the node with its processes."""
        tasks: dict[str, list[Task]] = {}
        for task in self._proc.tasks():
            tasks.setdefault(task.pod_uid, []).append(task)
        folders = podlogs.pod_folders(self._settings.pod_logs)
        self._logs.forget(folders)
        return [pod_of(f, tasks.get(f.uid, ())) for f in folders]

    def _allocated(self) -> dict[str, Allocated]:
        from distcheck.agent.probes import podresources  # noqa: PLC0415 - loads gRPC

        return podresources.look(self._settings.pod_resources)

    def _live(self) -> list[Live]:
        return [Live(pod.folder, pod.tasks) for pod in self._pods()]

    def _gpu_pids(self) -> frozenset[int]:
        """The processes on a GPU as they were within the last minute."""
        watched = self.watch.shown(time.time())
        if watched is not None and isinstance(watched.gpus, Gpus):
            return frozenset(p.pid for p in watched.gpus.processes)
        now = time.monotonic()
        if now - self._asked_nvml >= _GPU_PERIOD:
            self._asked_nvml = now
            seen = self._nvml.look(clock.now())
            self._on_gpu = frozenset(p.pid for p in seen.processes)
        return self._on_gpu

    def _forget(self, there: Sequence[PodFolder]) -> None:
        """Forget what was seen of pods that the node does not have any more."""
        self._logs.forget(there)
        self.answers.only(f.uid for f in there)

    def _ray(self, pods: Sequence[NodePod]) -> Looks[RayCluster]:
        argvs = [t.argv for p in pods for t in p.tasks]
        named = ((t.pid, a) for p in pods for t in p.tasks if (a := gcs_address(t.argv)))
        pid, address = next(named, (0, None))
        if address is None:
            return _unseen(f"{why_no_gcs(argvs)} on {self._settings.node}")
        return self.probing.start("gcs", lambda: self._asked_gcs(address, pid), times=2)

    def _asked_gcs(self, address: str, pid: int) -> RayCluster | Missing:
        """A pod's command line names the address: it must not send this agent anywhere else."""
        host, _, port = address.rpartition(":")
        try:
            ip, refused = resolved(host.strip("[]"))
        except (OSError, UnicodeError) as error:
            return Missing(f"GCS is not asked: the name in {address} does not resolve: {error}")
        refused = refused or why_no_gcs_at(self._settings, ip, pid)
        if refused is not None:
            return Missing(f"GCS is not asked: {refused}")
        seen = self._gcs(f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}")
        if isinstance(seen, Missing):
            return seen
        self._raylets.remember(seen := structs.replace(seen, address=address))
        return seen


def _names_gcs(pods: Sequence[NodePod]) -> str:
    """The pod (`namespace/name`) whose command line names the GCS that is asked."""
    named = (p.folder.key for p in pods for t in p.tasks if gcs_address(t.argv))
    return next(named, "")


def _unseen(why: str) -> Looks[RayCluster]:
    gone = Missing(why)
    return lambda: gone
