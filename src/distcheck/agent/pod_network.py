"""Looks from inside a pod's own network namespace: ports, raylets, names, NCCL's RAS."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from distcheck.agent.listeners import CONNECTIONS
from distcheck.agent.names_look import NamedPod, names_look
from distcheck.agent.pod_here import Here, NodePod, environ_of
from distcheck.agent.probes import ports, raylets
from distcheck.agent.probes.port_listener import ephemeral_range
from distcheck.agent.probes.ports import PortTarget
from distcheck.agent.probes.probe import ProbeError
from distcheck.agent.probes.proc import Task
from distcheck.agent.ras_look import RasPod
from distcheck.agent.rights import ENTERING, why_refused
from distcheck.checks.evidence import Missing, PortProbes, Seen
from distcheck.checks.evidence.ras import RasStatus
from distcheck.checks.evidence.rendezvous import NameLookups

MAX_PROCESSES = 512
_NO_MORE = f"more than {CONNECTIONS} connections in a minute"
Look = Callable[[], Seen | Missing]


class NetworkLooker:
    """The looks of one pod; `main` is the process whose namespace is entered."""

    def __init__(self, here: Here, pod: NodePod, main: Task) -> None:
        self._here, self._pod, self._main = here, pod, main

    def ports(self, targets: Sequence[PortTarget]) -> Look | Missing:
        """A look that tries the ports of other pods; or why there is none to start."""
        wanted = [t for t in targets if t.peer != self._pod.folder.key]
        if not wanted:
            return Missing("no port of another pod was asked for")
        if not self._here.settings.port_probes:
            return Missing(f"port probes are switched off on {self._here.settings.node}")
        return partial(self._probed, wanted)

    def raylets(self, targets: Sequence[PortTarget]) -> Look | Missing:
        """A look that asks raylets for their health; or why there is none to start."""
        wanted = [
            raylets.RayletTarget(t.peer, t.address, t.port, t.service)
            for t in targets
            if raylets.is_one(t.service)
        ]
        if not wanted:
            return Missing("no raylet was asked for")
        return partial(self._here.raylets.look, self._main.pid, wanted)

    def names(self) -> NameLookups | Missing:
        """The names that the pod's own command lines and environment say."""
        _, environ, _ = environ_of(self._here, self._pod)
        pod = NamedPod(self._pod.folder.name, self._pod.tasks, self._main, environ)
        return names_look(self._here.settings, pod, self._here.now)

    def ras(self) -> RasStatus:
        """What NCCL's RAS says there."""
        _, environ, _ = environ_of(self._here, self._pod)
        numbers = (self._here.proc.described(t).ns_pids for t in self._pod.tasks[:MAX_PROCESSES])
        pids = frozenset(n[-1] for n in numbers if n)
        return self._here.ras.look(RasPod(self._pod.folder.name, self._main, environ, pids))

    def _probed(self, wanted: Sequence[PortTarget]) -> PortProbes:
        path = Path(self._here.settings.host_proc) / str(self._main.pid) / "ns" / "net"
        _, environ, _ = environ_of(self._here, self._pod)
        try:
            own = environ.get("VLLM_HOST_IP") if ports.is_own(path) else None
            granted = self._here.allowance.take(len(wanted))
            barred = (self._here.settings.api_server,)
            seen = ports.look(path, own, wanted[:granted], barred, self._here.pool)
            ephemeral = ephemeral_range(path)
        except OSError as error:
            refused = why_refused(error, "ports as pods reach them", ENTERING)
            raise ProbeError(refused or str(error)) from error
        left = (ports.not_tried(t, _NO_MORE) for t in wanted[granted:])
        where = f"network namespace of pid {self._main.pid}"
        return PortProbes((*seen, *left), where, self._here.now, ephemeral)
