"""What each pod of the group has to use RDMA with, and the state of the links that it may use."""

from collections.abc import Collection, Iterable
from typing import Self

from msgspec import Struct, field

from distcheck.checks.evidence import Cite, Evidence, Missing, NodeLook, Pod, Processes
from distcheck.checks.evidence.rdma import RdmaAccess, RdmaDevices, RdmaPort
from distcheck.checks.facts.fact import Fact
from distcheck.checks.facts.nccl_group import group_of
from distcheck.checks.knowledge.counted import counted, several
from distcheck.checks.knowledge.names import few, names
from distcheck.checks.knowledge.rdma import is_efa, is_usable, names_port
from distcheck.checks.knowledge.settings import is_on

_SETTINGS = ("NCCL_NET", "NCCL_IB_DISABLE", "NCCL_IB_HCA", "NCCL_IB_GID_INDEX")


class Setting(Struct, frozen=True):
    """One variable that NCCL reads in a pod, and where it was seen."""

    name: str
    value: str
    source: str

    @property
    def cite(self) -> Cite:
        """What shows it."""
        return Cite(f"{self.name}={self.value}", self.source)


class Fault(Struct, frozen=True):
    """What is wrong in some pods: a cause that RDMA001 documents, words, and what shows it."""

    cause: str
    says: str
    cites: tuple[Cite, ...]
    pods: tuple[str, ...]


class PodRdma(Struct, frozen=True):
    """One pod. `declared` are the resources of its spec; `settings` what NCCL is told in it.

    `open` are the ports of the node that its device files reach, `ports` those of them that
    NCCL may use; of a pod without device files both are empty. `node_ports` are all of its node.
    """

    pod: str
    node: str
    declared: tuple[str, ...]
    access: RdmaAccess | Missing
    devices: RdmaDevices | Missing
    settings: dict[str, Setting] = field(default_factory=dict)

    @property
    def bare(self) -> bool:
        """Whether its container was seen to have no RDMA device file."""
        files = self._files
        return isinstance(files, tuple) and not any(f.startswith("uverbs") for f in files)

    @property
    def _files(self) -> tuple[str, ...] | Missing:
        return self.access.verbs if isinstance(self.access, RdmaAccess) else self.access

    @property
    def has_device(self) -> bool:
        """Whether its container was seen to have one."""
        return isinstance(self._files, tuple) and not self.bare

    @property
    def node_ports(self) -> tuple[RdmaPort, ...]:
        """Every port of its node."""
        return self.devices.ports if isinstance(self.devices, RdmaDevices) else ()

    @property
    def open(self) -> tuple[RdmaPort, ...]:
        """Ports of the devices that the container has files of."""
        own = self.access.devices if isinstance(self.access, RdmaAccess) else ()
        return tuple(p for p in self.node_ports if p.device in own)

    @property
    def ports(self) -> tuple[RdmaPort, ...]:
        """Those that NCCL may use: of a kind that it knows, and let through by NCCL_IB_HCA."""
        wanted = self.settings.get("NCCL_IB_HCA")
        return tuple(
            p for p in self.open if is_usable(p) and (not wanted or names_port(wanted.value, p))
        )

    @property
    def active(self) -> tuple[RdmaPort, ...]:
        """Those of `ports` whose link is up."""
        return tuple(p for p in self.ports if p.state == "ACTIVE")

    @property
    def asks(self) -> bool:
        """Whether its spec or its settings ask for RDMA."""
        return bool(self.declared) or "NCCL_IB_HCA" in self.settings

    @property
    def refuses(self) -> Setting | None:
        """The setting that tells NCCL to use sockets."""
        net, off = self.settings.get("NCCL_NET"), self.settings.get("NCCL_IB_DISABLE")
        if net is not None and net.value.lower() == "socket":
            return net
        by_efa = any(is_efa(p) for p in self.open)
        return off if off is not None and is_on(off.value) and not by_efa else None

    @property
    def access_cite(self) -> Cite:
        """What the container was seen to have."""
        seen = self._files
        if isinstance(seen, Missing) or isinstance(self.access, Missing):
            return Cite(f"{self.pod}: its /dev/infiniband was not seen", self.node)
        files = few(seen) or "no file"
        what = f"{self.pod} has {files} in /dev/infiniband"
        return Cite(what, self.access.source, self.access.seen_at)

    @property
    def devices_cite(self) -> Cite:
        """How many ports its node was seen to have."""
        source, when = self._devices_source
        return Cite(f"{counted(len(self.node_ports), 'RDMA port')} on {self.node}", source, when)

    @property
    def _devices_source(self) -> tuple[str, str | None]:
        seen = self.devices
        return (seen.source, seen.seen_at) if isinstance(seen, RdmaDevices) else (self.node, None)

    @property
    def unseen(self) -> tuple[str, ...]:
        """What was not seen, and is needed to say that it can use RDMA."""
        files = self._files
        if isinstance(self.access, Missing) or isinstance(files, Missing):
            reason = files.reason if isinstance(files, Missing) else ""
            return (f"{self.pod}: {reason}",)
        if isinstance(self.devices, Missing):
            return (f"{self.node}: {self.devices.reason}",)
        limit, lock = self.access.memlock_bytes, self.access.ipc_lock
        needed = (limit,) if isinstance(limit, Missing) else (lock,) if limit is not None else ()
        gone = [m.reason for m in needed if isinstance(m, Missing) and lock is not True]
        if not self.active:
            gone.append("the node's /sys does not show a link of the devices that it has")
        return tuple(f"{self.pod}: {reason}" for reason in gone)

    def port_cites(self, ports: Iterable[RdmaPort]) -> tuple[Cite, ...]:
        """What these ports of its node were seen to be, at most three of them."""
        source, when = self._devices_source
        return tuple(
            Cite(f"{p.name} on {self.node} is {described(p)}", source, when)
            for p, _ in zip(ports, range(3), strict=False)
        )


class RdmaStates(Fact, frozen=True, kw_only=True):
    """All pods with GPUs. It says nothing about the ranks: it has no gaps."""

    pods: tuple[PodRdma, ...]

    @classmethod
    def fold(cls, evidence: Evidence) -> Self | Missing:
        """Missing where the group has no pod with GPUs."""
        pods = tuple(_pod(evidence, p) for p in evidence.pods if p.gpus)
        return cls(pods=pods) if pods else Missing("no pod of the group has a GPU")

    def without_device(self, hosts: Collection[str]) -> tuple[PodRdma, ...]:
        """Pods among `hosts`, as NCCL names them, that were seen to have no device file."""
        return tuple(p for p in self.pods if p.pod in hosts and p.bare)

    def cut_off(self, hosts: Collection[str]) -> tuple[PodRdma, ...]:
        """Pods among `hosts` none of whose links is up, though NCCL may use some."""
        found = (p for p in self.pods if p.pod in hosts and p.ports)
        return tuple(p for p in found if all(x.state not in (None, "ACTIVE") for x in p.ports))

    def why_sockets(self, hosts: Collection[str]) -> tuple[str, tuple[Cite, ...]]:
        """Why these hosts find no device, as their nodes show it; empty where they do not.

        The words end a sentence that begins with `because`; RDMA001 has the rest of the story.
        """
        bare, down = self.without_device(hosts), self.cut_off(hosts)
        if bare:
            who = f"{names(p.pod for p in bare)} {several(len(bare), 'has')}"
            return f"{who} no RDMA device (RDMA001)", tuple(p.access_cite for p in bare)
        if down:
            cites = tuple(c for p in down for c in p.port_cites(p.ports[:2]))
            return f"no link of {names(p.pod for p in down)} is up (RDMA001)", cites
        return "", ()


def described(port: RdmaPort) -> str:
    """`ACTIVE, 400 Gb/s InfiniBand`, as far as it was read."""
    rate = f"{port.rate_gbps:g} Gb/s" if port.rate_gbps is not None else "of unknown rate"
    phys = f" ({port.phys_state})" if port.phys_state and port.state != "ACTIVE" else ""
    return f"{port.state or 'in an unread state'}{phys}, {rate} {port.link_layer or ''}".rstrip()


def lacking(pods: Iterable[PodRdma]) -> str:
    """What pods without a device lack: in their specs, and in their containers."""
    declared = tuple(dict.fromkeys(name for p in pods for name in p.declared))
    spec = f"{few(declared)} in the spec" if declared else "no rdma/* resource in the spec"
    return f"{spec}, no /dev/infiniband in the container"


def _pod(evidence: Evidence, pod: Pod) -> PodRdma:
    node = evidence.node(pod.node) if pod.node else None
    devices = _devices(node, pod.node)
    settings = {s.name: s for s in _settings(evidence, pod)}
    return PodRdma(pod.name, pod.node or "", pod.rdma, evidence.look(pod).rdma, devices, settings)


def _devices(node: NodeLook | None, name: str | None) -> RdmaDevices | Missing:
    return Missing(f"nobody looked at node {name}") if node is None else node.rdma


def _settings(evidence: Evidence, pod: Pod) -> Iterable[Setting]:
    """Later ones count: what specs say, what a process has, what NCCL says that it read.

    The leader's stand for a pod whose processes' environment could not be read.
    """
    intent, seen = evidence.intent, evidence.look(pod).processes
    unread = not isinstance(seen, Processes) or seen.environ_pid is None
    for name in _SETTINGS:
        if name in intent.nccl and (pod.role == "leader" or unread):
            where = intent.sources.get(f"nccl.{name}", f"spec of {pod.name}")
            yield Setting(name, intent.nccl[name], where)
        if isinstance(seen, Processes) and name in seen.environ:
            where = f"environment of {pod.name} (pid {seen.environ_pid})"
            yield Setting(name, seen.environ[name], where)
    for echo in group_of(evidence).log.echoes:
        if echo.host in (pod.name, pod.hostname) and echo.name in _SETTINGS:
            yield Setting(echo.name, echo.value.rstrip("."), echo.source)
