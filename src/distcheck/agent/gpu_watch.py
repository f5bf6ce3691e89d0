"""A look of the agent's own, now and then, for its metrics: GPUs, RDMA, and the pods on GPUs.

It starts at NVML, and looks at the pods of the processes that NVML names: it tries no port and
speaks to no server. A GPU that fails takes its own series alone. Whether a process of such a pod
holds a file of its `/dev/shm` is asked once, and again when the process or the file is gone.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from msgspec import Struct, structs

from distcheck.agent import clock
from distcheck.agent.loop import Loop
from distcheck.agent.probes import podlogs
from distcheck.agent.probes.nvml import Nvml
from distcheck.agent.probes.podlogs import PodFolder
from distcheck.agent.probes.probe import Outcome, Probing
from distcheck.agent.probes.proc import Proc
from distcheck.agent.probes.rdma import RdmaSysfs
from distcheck.agent.probes.shm import Space, statvfs
from distcheck.agent.settings import Settings
from distcheck.agent.shm_holders import Known as Holders
from distcheck.agent.shm_levels import ShmLevels
from distcheck.agent.shm_look import ShmLook
from distcheck.agent.watched_pod import Holder, PodWatch, Told, WatchedPod
from distcheck.checks.evidence import Gpus, Missing, ShmMount
from distcheck.checks.evidence.rdma import RdmaPort
from distcheck.checks.evidence.serving import EngineHttp
from distcheck.checks.facts.pod_nccl import PodNccl

T = TypeVar("T")
_NOT_ASKED = Missing("the engine is not asked")
MAX_PODS = 64

STALE_AFTER, AT_LEAST = 3, 30.0
"""Intervals, and seconds at least, after which what was seen is no longer shown."""


class Watched(Struct, frozen=True):
    """What was seen at `at` (seconds since 1970): GPUs, the pods on them, RDMA links."""

    at: float
    gpus: Gpus | Missing
    pods: tuple[WatchedPod, ...] = ()
    links: tuple[RdmaPort, ...] = ()


class Known(Struct, frozen=True):
    """What others of the agent know of a pod, by its uid; `there` is told which pods are there.

    `followed` are the pods whose logs are known, on a GPU or not any more.
    """

    told: Callable[[str], Told]
    followed: Callable[[], Sequence[PodFolder]]
    http: Callable[[str], EngineHttp | Missing]
    there: Callable[[Sequence[PodFolder]], None]


class GpuWatch:
    """Looks every `look_every` seconds, in threads that may hang; 0 is never."""

    def __init__(
        self, settings: Settings, nvml: Nvml, proc: Proc, known: Known, space: Space = statvfs
    ) -> None:
        self._settings, self._nvml, self._proc = settings, nvml, proc
        self._known = known
        self._probing = Probing(settings.timeout)
        every = settings.look_every
        self.loop = Loop("watch", lambda: self.look(time.time()), self._rest, every)
        self.shm = ShmLook(settings.host_proc, settings.host_sys, ShmLevels(), space)
        self.rdma = RdmaSysfs(settings.host_sys)
        self._pod = PodWatch(settings, proc, known.told)
        self._holders: dict[str, Holders] = {}
        self._were: frozenset[str] = frozenset()
        self._names: dict[str, str] = {}
        self.last: Watched | None = None

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """How its probes went last."""
        return {**self.loop.outcomes, **self._probing.outcomes}

    def shown(self, now: float) -> Watched | None:
        """What was seen last, unless it is too old to be shown."""
        last = self.last
        limit = max(AT_LEAST, STALE_AFTER * self._settings.look_every)
        if last is None or now - last.at > limit:
            return None
        return last

    def start(self) -> Callable[[], None]:
        """Begin; the function returned ends it."""
        if self._settings.look_every > 0:
            self.loop.start()
        return self.loop.over.set

    def _rest(self) -> None:
        self.loop.over.wait(self._settings.look_every)

    def look(self, now: float) -> None:
        """Look once; what is gone since the last time is not shown any more."""
        self._probing.begin()
        links = self._probing.start("watch-rdma", lambda: self.rdma.look(""))
        gpus = self._probing.run("watch-nvml", lambda: self._nvml.look_at_each(clock.at(now)))
        pods = self._pods(Gpus(()) if isinstance(gpus, Missing) else gpus, now)
        rdma = links()
        ports = () if isinstance(rdma, Missing) else rdma.ports
        self.last = Watched(now, gpus, pods, ports)
        self._probing.forget_others()

    def _pods(self, gpus: Gpus, now: float) -> tuple[WatchedPod, ...]:
        """The pods on a GPU: their processes and mounts are looked at side by side."""
        seen = self._probing.run("watch-pods", lambda: self._on_gpus(gpus))
        found = () if isinstance(seen, Missing) else seen[:MAX_PODS]
        uids = [folder.uid for folder, _ in found]
        others = [f for f in self._known.followed() if f.uid not in uids][:MAX_PODS]
        self._were &= {f.uid for f in others}
        self._holders = {uid: self._holders.get(uid, {}) for uid in (*uids, *self._were)}
        self._pod.only(uids, [f.uid for f in others])
        later = [
            (
                folder,
                holders,
                self._start("watch-pod", folder, partial(self._pod.read, folder, gpus)),
                self._start("watch-shm", folder, self._mount_of(folder.uid, holders, now)),
            )
            for folder, holders in found
        ]
        left = [(folder, self._left(folder, now)) for folder in others]
        on = tuple(self._seen(gpus, *one) for one in later)
        off = tuple(self._off_gpus(*one) for one in left)
        self._were |= set(uids)
        self._names = {one.folder.uid: one.container for one in (*on, *off)}
        return (*on, *off)

    def _off_gpus(
        self, folder: PodFolder, shm: Callable[[], ShmMount | Missing | None]
    ) -> WatchedPod:
        """Of a pod that has left the GPUs: the failures in its log, which may be why it did."""
        one = self._pod.seen(folder, (), Gpus(()), _NOT_ASKED)
        failures = PodNccl(failures=one.nccl.failures)
        container = self._container(folder)
        return WatchedPod(folder, container=container, nccl=failures, shm=_mounted(shm()))

    def _left(self, folder: PodFolder, now: float) -> Callable[[], ShmMount | Missing | None]:
        """The `/dev/shm` that its ranks left; None of a pod that was on no GPU, or has ended.

        A pod of Ray without GPUs is followed too: it has its own reasons to fill `/dev/shm`.
        """
        uid, known = folder.uid, self._holders.get(folder.uid)
        if known is None:
            return lambda: None
        tasks = self._known.told(uid)[0]

        def look() -> ShmMount | None:
            pid = next((t.pid for t in tasks if self._proc.home(t.pid)[0] == uid), None)
            return None if pid is None else self._mount(uid, pid, now, known)

        return self._start("watch-shm", folder, look)

    def _start(
        self, name: str, folder: PodFolder, look: Callable[[], T]
    ) -> Callable[[], T | Missing]:
        return self._probing.start(name, look, of=folder.uid)

    def _seen(
        self,
        gpus: Gpus,
        folder: PodFolder,
        holders: Sequence[Holder],
        read: Callable[[], object],
        shm: Callable[[], ShmMount | Missing],
    ) -> WatchedPod:
        read()
        one = self._pod.seen(folder, holders, gpus, self._known.http(folder.uid))
        return structs.replace(one, shm=_mounted(shm()))

    def _on_gpus(self, gpus: Gpus) -> tuple[tuple[PodFolder, tuple[Holder, ...]], ...]:
        """The pods on a GPU, in the order of their names, with the processes of each."""
        folders = {f.uid: f for f in podlogs.pod_folders(self._settings.pod_logs)}
        self._known.there(list(folders.values()))
        found: dict[str, list[Holder]] = {}
        for process in sorted(gpus.processes, key=lambda p: p.pid):
            uid, container = self._proc.home(process.pid)
            if uid in folders:
                name = self._proc.container(process.pid) or self._container(folders[uid])
                found.setdefault(uid, []).append(Holder(process, container, name))
        ordered = sorted((folders[uid] for uid in found), key=lambda f: (f.key, f.uid))
        return tuple((folder, tuple(found[folder.uid])) for folder in ordered)

    def _container(self, folder: PodFolder) -> str:
        """As it was in the look before: another container's log must not change the label."""
        return self._names.get(folder.uid) or _only_container(folder)

    def _mount_of(self, uid: str, holders: Sequence[Holder], now: float) -> Callable[[], ShmMount]:
        pid, known = holders[0].process.pid, self._holders[uid]
        return lambda: self._mount(uid, pid, now, known)

    def _mount(self, uid: str, pid: int, now: float, known: Holders) -> ShmMount:
        return self.shm.watch(pid, lambda: self._proc.pids_of(uid), clock.at(now), known)


def _mounted(seen: ShmMount | Missing | None) -> ShmMount | None:
    return seen if isinstance(seen, ShmMount) else None


def _only_container(folder: PodFolder) -> str:
    """The name of the pod's container, where it has one with a log; a mount tells it elsewhere."""
    try:
        found = podlogs.container_folders(folder)
    except OSError:
        return ""
    return found[0].name if len(found) == 1 else ""
