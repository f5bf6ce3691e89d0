"""The RDMA devices of a node folder: its `/sys`, and what the container has of them."""

import os
from pathlib import Path

from distcheck.lab.layout import GPUS, Layout, Member

_RATES = {
    400: "400 Gb/sec (4X NDR)",
    200: "200 Gb/sec (4X HDR)",
    100: "100 Gb/sec (4X EDR)",
    25: "25 Gb/sec (1X EDR)",
}
_GIDS = {
    0: ("fe80:0000:0000:0000:a288:c2ff:fe00:{n:04x}", "IB/RoCE v1"),
    1: ("fe80:0000:0000:0000:a288:c2ff:fe00:{n:04x}", "RoCE v2"),
    2: ("0000:0000:0000:0000:0000:ffff:0a20:{n:04x}", "IB/RoCE v1"),
    3: ("0000:0000:0000:0000:0000:ffff:0a20:{n:04x}", "RoCE v2"),
}
_COUNTERS = ("link_downed", "symbol_error", "port_rcv_errors", "port_xmit_data", "port_rcv_data")


def write_rdma(layout: Layout, member: Member) -> None:
    """An HCA for each GPU in the node's `/sys`, and their files in the container if it has them."""
    sys = member.folder / "sys"
    modules = ("nvidia",) if member.node in layout.world.without_gdr else ("nvidia_peermem",)
    for folder in ("class", *(f"module/{name}" for name in modules)):
        (sys / folder).mkdir(parents=True)
    for number in range(layout.world.rdma.devices):
        _write_device(layout, member, sys, number)
    if layout.world.has_devices:
        files = member.container_root / "dev" / "infiniband"
        files.mkdir(parents=True)
        for name in ("rdma_cm", *(f"uverbs{n}" for n in range(layout.world.rdma.devices))):
            (files / name).touch()


def _write_device(layout: Layout, member: Member, sys: Path, number: int) -> None:
    name, rdma = f"mlx5_{number}", layout.world.rdma
    bus = sys / "devices" / f"pci0000:{number:02x}" / f"0000:{0x1A + number:02x}:00.0"
    port = bus / "infiniband" / name / "ports" / "1"
    up = member.node not in rdma.down
    _write(port / "state", "4: ACTIVE" if up else "1: DOWN")
    _write(port / "phys_state", "5: LinkUp" if up else "2: Polling")
    _write(port / "rate", _RATES[rdma.gbps])
    _write(port / "link_layer", rdma.layer)
    for counter in _COUNTERS:
        _write(port / "counters" / counter, "0")
    for index, (gid, kind) in _GIDS.items():
        _write(port / "gids" / str(index), gid.format(n=number))
        _write(port / "gid_attrs" / "types" / str(index), kind)
    _write(bus / "numa_node", str(number * 2 // GPUS))
    _link(bus / "infiniband" / name / "device", "../..")
    _link(sys / "class" / "infiniband" / name, os.path.relpath(port.parents[1], sys / "class/x"))
    _write(sys / "class" / "infiniband_verbs" / f"uverbs{number}" / "ibdev", name)


def limits(layout: Layout) -> str:
    """`/proc/PID/limits` of every process of the pods."""
    locked = layout.world.rdma.memlock
    return (
        f"{'Limit':<26}{'Soft Limit':<21}{'Hard Limit':<21}Units\n"
        f"{'Max locked memory':<26}{locked:<21}{locked:<21}bytes\n"
    )


def capabilities(layout: Layout) -> str:
    """CapEff: a container's usual set, with IPC_LOCK where the spec adds it."""
    return f"CapEff:\t{0xA80425FB | (layout.world.rdma.memlock == 'unlimited') << 14:016x}\n"


def _write(path: Path, value: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{value}\n")


def _link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
