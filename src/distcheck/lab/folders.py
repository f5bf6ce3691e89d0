"""Writes a node as a folder: `/proc`, `/sys`, pod logs, container file systems, GPUs."""

from distcheck.lab.engine_answers import write_answers
from distcheck.lab.gpu_file import write_gpus
from distcheck.lab.kernel import write_kernel
from distcheck.lab.layout import Layout, Member
from distcheck.lab.lookups import write_resolver
from distcheck.lab.model import write_models
from distcheck.lab.node_logs import write_logs
from distcheck.lab.processes import write_processes
from distcheck.lab.rdma_files import write_rdma
from distcheck.lab.shm_files import write_shm


def write_node(layout: Layout, member: Member) -> None:
    """The whole folder of one member's node."""
    write_models(layout.world, member.container_root)
    write_resolver(layout, member)
    write_logs(layout, member)
    write_shm(layout, member)
    write_processes(layout, member)
    write_rdma(layout, member)
    write_kernel(layout, member)
    write_gpus(layout, member)
    write_answers(layout, member)
