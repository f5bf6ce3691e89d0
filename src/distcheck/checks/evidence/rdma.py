"""RDMA as the node has it, as a container may use it, and as its processes do use it."""

from msgspec import Struct, field

from distcheck.checks.evidence.seen import Missing, Seen


class RdmaPort(Struct, frozen=True, omit_defaults=True):
    """One port of one HCA, as `/sys/class/infiniband` has it.

    `state` and `phys_state` are the kernel's words (`ACTIVE`, `LinkUp`), `rate_gbps` is
    Gbit/s, `link_layer` is `InfiniBand`, `Ethernet`, or `Unspecified` (EFA), `netdev` the
    network interface. `gids` has the type of each GID that is set, by its index (`RoCE v2`).
    `verbs` is the device's file below `/dev/infiniband`, `driver` the kernel's (`mlx5_core`,
    `efa`), `virtual` whether it is a virtual function. Counters are the kernel's own numbers by
    file name; `port_xmit_data` and `port_rcv_data` count words of four bytes. `unread` names
    files that could not be read, with the reason.
    """

    device: str
    port: int
    state: str | None = None
    phys_state: str | None = None
    rate_gbps: float | None = None
    link_layer: str | None = None
    netdev: str = ""
    pci: str = ""
    numa: int | None = None
    gids: dict[str, str] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    verbs: str = ""
    driver: str = ""
    virtual: bool = False

    @property
    def name(self) -> str:
        """`mlx5_0:1`, as NCCL names a port."""
        return f"{self.device}:{self.port}"


class RdmaDevices(Seen, frozen=True, tag="rdma-devices"):
    """The node's HCAs. `peermem` is whether the module that gives them GPU memory is loaded.

    `before` are the ports' counters of an earlier look of the same agent, and when that was.
    """

    ports: tuple[RdmaPort, ...]
    source: str
    seen_at: str | None = None
    peermem: bool | Missing = Missing("/sys/module was not read")
    dmabuf: bool | Missing = Missing("whether dma-buf works is not to be seen from outside")
    before: tuple[RdmaPort, ...] = ()
    before_at: str | None = None


class NetInterface(Struct, frozen=True, omit_defaults=True):
    """A network interface of the pod's namespace; `speed_mbps` where the kernel tells it."""

    name: str
    mtu: int | None = None
    state: str = ""
    speed_mbps: int | None = None
    received_bytes: int = 0
    sent_bytes: int = 0
    addresses: tuple[str, ...] = ()


class RdmaAccess(Seen, frozen=True, tag="rdma-access"):
    """What a pod's container has to use RDMA with.

    `verbs` are the files in its `/dev/infiniband`; `devices` the HCAs whose uverbs file is
    among them. `memlock_bytes` is the soft limit of locked memory of the ranks' process `pid`,
    None where it is unlimited; with `ipc_lock` it has the capability that no limit holds for.
    """

    verbs: tuple[str, ...] | Missing
    source: str
    seen_at: str | None = None
    devices: tuple[str, ...] = ()
    memlock_bytes: int | Missing | None = Missing("the limit of locked memory was not read")
    interfaces: tuple[NetInterface, ...] | Missing = Missing("its interfaces were not read")
    ipc_lock: bool | Missing = Missing("its capabilities were not read")
    pid: int = 0


class QueuePair(Struct, frozen=True, omit_defaults=True):
    """One queue pair, as RDMA netlink tracks it; `pid` is the host's.

    `type` is `RC`, `UD`, ..., `state` is `RTS`, `INIT`, ...; `remote_qpn` is set once it is
    connected.
    """

    device: str
    port: int
    local_qpn: int
    type: str
    state: str
    pid: int
    remote_qpn: int | None = None


class QueuePairs(Seen, frozen=True, tag="queue-pairs"):
    """The queue pairs of one pod's processes. `dropped` counts those beyond what is kept.

    `devices` are the HCAs that were asked; `shared` those on which processes of no container
    of this pod have connected queue pairs too, `unread` those that did not tell, and why.
    """

    pairs: tuple[QueuePair, ...]
    source: str
    seen_at: str | None = None
    dropped: int = 0
    devices: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
