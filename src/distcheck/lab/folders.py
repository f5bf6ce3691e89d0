"""Writes a node as a folder: `/proc`, `/sys`, pod logs, container file systems, GPUs."""

from distcheck.lab.engine_answers import write_answers
from distcheck.lab.gpu_file import write_gpus
from distcheck.lab.layout import GPUS, Layout, Member
from distcheck.lab.model import write_models
from distcheck.lab.node_logs import write_logs
from distcheck.lab.processes import write_processes

_PORT = {
    "state": "4: ACTIVE",
    "phys_state": "5: LinkUp",
    "rate": "400 Gb/sec (4X NDR)",
    "link_layer": "InfiniBand",
}


def write_node(layout: Layout, member: Member) -> None:
    """The whole folder of one member's node."""
    write_models(layout.world, member.container_root)
    write_logs(layout, member)
    write_processes(layout, member)
    _write_sys(layout, member)
    write_gpus(layout, member)
    write_answers(layout, member)


def _write_sys(layout: Layout, member: Member) -> None:
    (member.folder / "sys").mkdir()
    if layout.world.network != "ib":
        return
    for index in range(GPUS):
        port = member.folder / "sys/class/infiniband" / f"mlx5_{index}" / "ports/1"
        port.mkdir(parents=True)
        for name, value in _PORT.items():
            (port / name).write_text(f"{value}\n")
