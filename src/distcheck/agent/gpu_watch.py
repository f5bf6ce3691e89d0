"""A look of the agent's own, now and then, at its metrics: GPUs, RDMA, `/dev/shm`.

It starts at NVML, and asks of the pods of the processes that NVML names: it tries no port and
speaks to no server. Whether a process of such a pod holds a file of its `/dev/shm` is asked once,
and again when the process or the file is gone.
"""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from msgspec import Struct

from distcheck.agent.probes import podlogs
from distcheck.agent.probes.nvml import Nvml
from distcheck.agent.probes.probe import Outcome, Probing
from distcheck.agent.probes.proc import Proc
from distcheck.agent.probes.rdma import RdmaSysfs
from distcheck.agent.probes.shm import Space, statvfs
from distcheck.agent.settings import Settings
from distcheck.agent.shm_holders import Known
from distcheck.agent.shm_levels import ShmLevels
from distcheck.agent.shm_look import ShmLook
from distcheck.checks.evidence import Gpus, Missing, ShmMount
from distcheck.checks.evidence.rdma import RdmaPort

STALE_AFTER, _AT_LEAST = 3, 30.0
"""Intervals, and seconds at least, after which what was seen is no longer shown."""


class Watched(Struct, frozen=True):
    """What was seen at `at` (seconds since 1970): GPUs, mounts by `namespace/name`, RDMA links."""

    at: float
    gpus: Gpus | Missing
    mounts: dict[str, ShmMount]
    links: tuple[RdmaPort, ...] = ()


class GpuWatch:
    """Looks every `look_every` seconds, in threads that may hang; 0 is never."""

    def __init__(self, settings: Settings, nvml: Nvml, proc: Proc, space: Space = statvfs) -> None:
        self._settings, self._nvml, self._proc = settings, nvml, proc
        self._probing = Probing(settings.timeout)
        self._over = threading.Event()
        self.shm = ShmLook(settings.host_proc, settings.host_sys, ShmLevels(), space)
        self.rdma = RdmaSysfs(settings.host_sys)
        self._holders: dict[str, Known] = {}
        self.last: Watched | None = None

    @property
    def outcomes(self) -> dict[str, Outcome]:
        """How its probes went last."""
        return dict(self._probing.outcomes)

    def shown(self, now: float) -> Watched | None:
        """What was seen last, unless it is too old to be shown."""
        last = self.last
        limit = max(_AT_LEAST, STALE_AFTER * self._settings.look_every)
        if last is None or now - last.at > limit:
            return None
        return last

    def start(self) -> Callable[[], None]:
        """Begin; the function returned ends it."""
        if self._settings.look_every > 0:
            threading.Thread(target=self._run, daemon=True, name="watch").start()
        return self._over.set

    def _run(self) -> None:
        while not self._over.is_set():
            self.look(time.time())
            self._over.wait(self._settings.look_every)

    def look(self, now: float) -> None:
        """Look once; what is gone since the last time is not shown any more."""
        self._probing.begin()
        links = self._probing.start("watch-rdma", lambda: self.rdma.look(""))
        gpus = self._probing.run("watch-nvml", lambda: self._nvml.look(""))
        pids = () if isinstance(gpus, Missing) else tuple(p.pid for p in gpus.processes)
        pods = self._probing.run("watch-pods", lambda: self._pods(pids)) if pids else {}
        found = {} if isinstance(pods, Missing) else pods
        self._holders = {uid: self._holders.get(uid, {}) for uid, _ in found.values()}
        later = {
            key: self._probing.start("watch-shm", self._mount_of(*one, now), of=key)
            for key, one in found.items()
        }
        mounts = {k: seen for k, one in later.items() if isinstance(seen := one(), ShmMount)}
        rdma = links()
        ports = () if isinstance(rdma, Missing) else rdma.ports
        self.last = Watched(now, gpus, mounts, ports)

    def _pods(self, pids: tuple[int, ...]) -> dict[str, tuple[str, int]]:
        """The pods on a GPU, `namespace/name`, with the uid and a process of each."""
        names = {f.uid: f.key for f in podlogs.pod_folders(self._settings.pod_logs)}
        found: dict[str, tuple[str, int]] = {}
        for pid in sorted(set(pids)):
            uid = self._proc.home(pid)[0]
            if uid in names:
                found.setdefault(names[uid], (uid, pid))
        return found

    def _mount_of(self, uid: str, pid: int, now: float) -> Callable[[], ShmMount]:
        at, known = f"{datetime.fromtimestamp(now, UTC):%Y-%m-%dT%H:%M:%SZ}", self._holders[uid]
        return lambda: self.shm.watch(pid, lambda: self._proc.pids_of(uid), at, known)
