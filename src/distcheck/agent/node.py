"""One node's agent: asked for pods, it looks at them and says what it saw."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from msgspec import Struct, structs

from distcheck import __version__
from distcheck.agent import clock, netlink
from distcheck.agent.earlier import Earlier
from distcheck.agent.gpu_watch import GpuWatch
from distcheck.agent.kernel_look import Kernel
from distcheck.agent.listeners import Allowance, Listeners
from distcheck.agent.listening import AskedToListen, ListenAt, Listens, NodeListens
from distcheck.agent.netlink import Ask
from distcheck.agent.peer_address import resolved
from distcheck.agent.pod_logs import PodLogs
from distcheck.agent.pod_look import Here, Looks, NodePod, PodLooker
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
from distcheck.agent.settings import Settings
from distcheck.agent.tail import Live, Node, Tailer
from distcheck.checks.evidence import GpuProcess, Gpus, Missing, NodeLook, PodLook, RayCluster
from distcheck.checks.evidence.node import Allocated
from distcheck.checks.evidence.rdma import RdmaDevices

_GPU_PERIOD = 60.0
_MAX_WAITING = 8
_WAITS = 4
"""Times the usual limit that a question waits for its turn."""
_AGAIN = 0.25
OTHERS = "another pod"
"""Stands for the name of a pod that was not asked for."""
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
        self.watch = GpuWatch(settings, nvml, self._proc, space)
        self._rdma, self._links = self.watch.rdma, Earlier[RdmaDevices]()
        self._asked_nvml, self._on_gpu = -_GPU_PERIOD, frozenset[int]()
        self.tail = Tailer(settings, Node(self._live, self._gpu_pids, self._forget))
        self._listeners, self._allowance = Listeners(listener), Allowance()

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """How each probe's last look went."""
        return {**self.tail.outcomes, **self.watch.outcomes, **self.probing.outcomes}

    def look(self, asked: Asked, is_gone: Gone = lambda: False) -> NodeLook:
        """What is to be seen of these pods now. Never writes; one look at a time.

        A look that takes too long goes on in its thread; logs that it has read by then are
        there for the next one.

        Raises:
            Busy: others were before, for too long, or the one who asked `is_gone`.
        """
        self._take_turn(is_gone)
        try:
            self.probing.begin()
            return self._look(asked, clock.now())
        finally:
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
        chosen = {p.folder.key: p for p in _chosen(known, [at.pod for at in asked.at])}
        opened = (self._opened(at, chosen.get(at.pod), asked.sources) for at in asked.at)
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

    def _look(self, asked: Asked, now: str) -> NodeLook:
        gpus_later = self.probing.start("nvml", lambda: self._nvml.look(now))
        health_later = self.probing.start("gpu_health", lambda: self._nvml.health(now))
        given_later = self.probing.start("podresources", self._allocated)
        rdma_later = self.probing.start("rdma", lambda: self._rdma_devices(now))
        pods = self.probing.run("proc", self._pods)
        gpus = gpus_later()
        known = () if isinstance(pods, Missing) else pods
        chosen = _chosen(known, asked.pods)
        ras = RasRound(self._settings, self._ras, now)
        here = Here(
            self._settings,
            self._proc,
            self._logs,
            self.tail,
            self.probing,
            ras,
            now,
            self._rdma,
            self._kernel,
            self.watch.shm,
            self._allowance,
        )
        ray_later = self._ray(chosen)
        lookers = [PodLooker(here, _with_main(pod, gpus)).start(asked.targets) for pod in chosen]
        ray, given = ray_later(), given_later()
        why = pods.reason if isinstance(pods, Missing) else f"{self._settings.node} has no such pod"
        looks = _in_order(asked.pods, [_with_devices(one(), given) for one in lookers], why)
        named = gpus if isinstance(gpus, Missing) else _with_owners(gpus, known, self._proc, asked)
        return NodeLook(
            self._settings.node, now, __version__, named, ray, looks, rdma_later(), health_later()
        )

    def _rdma_devices(self, now: str) -> RdmaDevices:
        """The node's HCAs, with their counters as the look before had them."""
        seen = self._rdma.look(now)
        before = self._links.before("", seen)
        if before is None:
            return seen
        return structs.replace(seen, before=before.ports, before_at=before.seen_at)

    def _pods(self) -> list[NodePod]:
        """Every pod of the node with its processes."""
        tasks: dict[str, list[Task]] = {}
        for task in self._proc.tasks():
            tasks.setdefault(task.pod_uid, []).append(task)
        folders = podlogs.pod_folders(self._settings.pod_logs)
        self._logs.forget(folders)
        return [_pod_of(f, tasks.get(f.uid, ())) for f in folders]

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

    def _ray(self, pods: Sequence[NodePod]) -> Looks[RayCluster]:
        argvs = [t.argv for p in pods for t in p.tasks]
        address = next((a for argv in argvs if (a := gcs_address(argv))), None)
        if address is None:
            return _unseen(f"{why_no_gcs(argvs)} on {self._settings.node}")
        return self.probing.start("gcs", lambda: self._asked_gcs(address), times=2)

    def _asked_gcs(self, address: str) -> RayCluster | Missing:
        """A pod's command line names the address: it must not send this agent anywhere else."""
        host, _, port = address.rpartition(":")
        try:
            ip, refused = resolved(host.strip("[]"))
        except (OSError, UnicodeError) as error:
            return Missing(f"GCS is not asked: the name in {address} does not resolve: {error}")
        if refused is not None:
            return Missing(f"GCS is not asked: {refused}")
        seen = self._gcs(f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}")
        return seen if isinstance(seen, Missing) else structs.replace(seen, address=address)


def _unseen(why: str) -> Looks[RayCluster]:
    gone = Missing(why)
    return lambda: gone


def _pod_of(folder: PodFolder, tasks: Sequence[Task]) -> NodePod:
    stuck = tuple(t for t in tasks if t.stuck)
    return NodePod(folder, tuple(t for t in tasks if not t.stuck), stuck=stuck)


def _chosen(pods: Iterable[NodePod], wanted: Sequence[str]) -> list[NodePod]:
    """One for each name: where a pod came back under its name, the one with processes."""
    best: dict[str, NodePod] = {}
    for pod in pods:
        key = pod.folder.key
        if key in wanted and (key not in best or _life(pod) > _life(best[key])):
            best[key] = pod
    return list(best.values())


def _life(pod: NodePod) -> tuple[int, float]:
    return len(pod.tasks) + len(pod.stuck), _changed(pod.folder)


def _changed(folder: PodFolder) -> float:
    try:
        return folder.path.stat().st_mtime
    except OSError:
        return 0.0


def _with_main(pod: NodePod, gpus: Gpus | Missing) -> NodePod:
    """The pod with its processes in order: those on a GPU, ranks by title, ours, the rest."""
    on_gpu = set() if isinstance(gpus, Missing) else {p.pid for p in gpus.processes}
    ordered = sorted(
        (t for t in pod.tasks if not t.is_sandbox),
        key=lambda t: (t.pid not in on_gpu, not t.is_rank, not t.matters, t.pid),
    )
    known = any(t.pid in on_gpu or t.is_rank or t.matters for t in ordered[:1])
    return structs.replace(pod, tasks=tuple(ordered), known=known)


def _with_owners(gpus: Gpus, pods: Iterable[NodePod], proc: Proc, asked: Asked) -> Gpus:
    """GPU processes with the pod that each one's cgroup names; the rest stays without one.

    NVML's numbers are the node's, as are those of the host's `/proc`. Of a pod that was not
    asked for nothing is told but that it is one.
    """
    whose = {t.pid: (p.folder.key, t) for p in pods for t in (*p.tasks, *p.stuck)}
    named = (_with_owner(one, whose.get(one.pid), proc, asked) for one in gpus.processes)
    return structs.replace(gpus, processes=tuple(named))


def _with_owner(
    one: GpuProcess, found: tuple[str, Task] | None, proc: Proc, asked: Asked
) -> GpuProcess:
    if found is None:
        return structs.replace(one, owner=proc.owner(one.pid))
    pod, task = found
    if pod not in asked.pods:
        return structs.replace(one, pod=OTHERS, owner="pod")
    return structs.replace(
        one, pod=pod, title=task.title, owner="pod", container_id=task.container_id
    )


def _with_devices(look: PodLook, given: dict[str, Allocated] | Missing) -> PodLook:
    """The pod with the devices that the kubelet gave to it."""
    if isinstance(given, Missing):
        return structs.replace(look, allocated=given)
    none = Missing(f"the kubelet's pod-resources do not list {look.pod}")
    return structs.replace(look, allocated=given.get(look.pod, none))


def _in_order(wanted: Sequence[str], looks: Sequence[PodLook], why: str) -> tuple[PodLook, ...]:
    seen = {look.pod: look for look in looks}
    return tuple(seen.get(key) or PodLook.unseen(key, why) for key in dict.fromkeys(wanted))
