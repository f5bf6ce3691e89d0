"""What the kernel tells of a pod's network: flows, queue pairs, devices that are open."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import Struct, field, structs

from distcheck.agent import netlink
from distcheck.agent.earlier import Before
from distcheck.agent.netlink import Ask
from distcheck.agent.open_files import OpenFiles, open_files
from distcheck.agent.probes import flows, queue_pairs
from distcheck.agent.probes.probe import ProbeError
from distcheck.agent.probes.proc import Task
from distcheck.checks.evidence.flows import TcpFlow, TcpFlows
from distcheck.checks.evidence.open_devices import OpenDevices
from distcheck.checks.evidence.rdma import QueuePairs

_HCA = re.compile(r"[A-Za-z0-9][\w.-]{0,62}\n?\Z", re.ASCII)
_APART, _MOST_PODS = 5.0, 32
_OWN = Path("/proc/thread-self/ns/net")


class Kernel(Struct, frozen=True):
    """Where the kernel is asked, by whom, and what it told the last time."""

    proc: str
    sys: str
    ask: Ask = netlink.ask
    flows: Before[TcpFlows] = field(default_factory=lambda: Before(_APART, _MOST_PODS))
    dumps: queue_pairs.Dumps = field(default_factory=queue_pairs.Dumps)


class KernelLooker:
    """Looks at one pod; `tasks` are its processes, the ranks first."""

    def __init__(self, kernel: Kernel, uid: str, tasks: Sequence[Task], now: str) -> None:
        self._kernel, self._uid, self._now = kernel, uid, now
        self._pids = tuple(t.pid for t in tasks)

    def flows(self) -> TcpFlows:
        """Its TCP connections, with those of the look before.

        Raises:
            ProbeError: the pod's network namespace may not be entered, or does not tell.
        """
        files = self._files()
        seen = flows.look(self._namespace, files.sockets, self._now, self._kernel.ask)
        seen = structs.replace(seen, owned=files.read, refused=files.refused)
        return _with_before(seen, self._kernel.flows.before_of(self._uid, seen))

    def queue_pairs(self) -> QueuePairs:
        """Its queue pairs, seen from its namespace, or from the agent's own where that is shut.

        Raises:
            ProbeError: no HCA, or the kernel does not tell.
        """
        kernel, pids = self._kernel, frozenset(self._pids)
        spaces = (self._namespace, _OWN)
        return queue_pairs.look(kernel.sys, spaces, pids, self._now, kernel.ask, kernel.dumps)

    def open_devices(self) -> OpenDevices:
        """The devices of a fabric that its processes hold open.

        Raises:
            ProbeError: the open files of none of them could be read.
        """
        files = self._files()
        if not files.read and not files.devices:
            raise ProbeError(files.refused or "no process whose open files could be read")
        names = {n for one in files.devices for n in one.files if n.startswith("uverbs")}
        hcas = dict(self._hcas(sorted(names)))
        source = f"{self._kernel.proc}/PID/fd"
        return OpenDevices(files.devices, files.read, source, self._now, hcas, files.refused)

    @property
    def has_hcas(self) -> bool:
        """Whether the node has an HCA: only then the kernel is asked for queue pairs."""
        return queue_pairs.has_hcas(self._kernel.sys)

    @property
    def _namespace(self) -> Path:
        return Path(self._kernel.proc) / str(self._pids[0]) / "ns" / "net"

    def _files(self) -> OpenFiles:
        return open_files(self._kernel.proc, self._pids)

    def _hcas(self, names: Iterable[str]) -> Iterable[tuple[str, str]]:
        for name in names:
            path = Path(self._kernel.sys) / "class/infiniband_verbs" / name / "ibdev"
            try:
                with path.open() as file:
                    told = file.read(80)
            except (OSError, UnicodeDecodeError):
                continue
            if _HCA.match(told):
                yield name, told.strip()


def _with_before(seen: TcpFlows, last: TcpFlows | None) -> TcpFlows:
    if last is None:
        return seen
    kept = {_ends(f) for f in seen.flows}
    before = tuple(f for f in last.flows if _ends(f) in kept)
    return structs.replace(seen, before=before, before_at=last.seen_at)


def _ends(flow: TcpFlow) -> tuple[str, int, str, int]:
    return flow.local, flow.local_port, flow.remote, flow.remote_port
