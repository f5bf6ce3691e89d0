"""The `/proc` of a node folder: who runs in a pod, and what the kernel tells of each."""

import os
from collections.abc import Iterator

from msgspec import Struct

from distcheck.lab import specs
from distcheck.lab.connections import tcp_table
from distcheck.lab.layout import API, COORDINATOR, GCS, RAYLET, Layout, Member
from distcheck.lab.rdma_files import capabilities, limits
from distcheck.lab.shm_files import device_of
from distcheck.lab.titles import core_pid, core_title, cores_on, worker_title

_BOOT = 1_700_000_000


class Proc(Struct, frozen=True):
    """One process; `pid` and `ppid` as its container counts, `started` in seconds after that."""

    pid: int
    ppid: int
    argv: list[str]
    started: float

    @property
    def titled(self) -> bool:
        """Whether a title of its own has overwritten its arguments and its environment."""
        return self.argv[0].startswith(("VLLM::", "ray::"))


def write_processes(layout: Layout, member: Member) -> None:
    """`/proc/stat`, and a folder for each process of the pod."""
    for proc in _processes(layout, member):
        _write_process(layout, member, proc)
    (member.folder / "proc" / "stat").write_text(f"cpu  0 0 0 0\nbtime {_BOOT}\n")


def write_stranger(member: Member, pid: int) -> None:
    """A process of the node itself, which is in no pod."""
    folder = member.folder / "proc" / str(pid)
    folder.mkdir()
    (folder / "cgroup").write_text("0::/system.slice/notebook.service\n")


def _processes(layout: Layout, member: Member) -> Iterator[Proc]:
    if layout.world.ray:
        yield from _of_ray(layout, member)
    yield from _of_engines(layout, member)
    parent = RAYLET if layout.world.ray else API
    if layout.world.idle == member.node:
        yield Proc(API, 0, ["/bin/sh", "-c", "until test -e /start; do sleep 5; done"], 1)
    for rank in layout.running_on(member):
        if not rank.alone:
            placed = layout.world.ray or layout.engine(rank).met
            title = worker_title(layout, rank) if placed else "VLLM::Worker"
            yield Proc(rank.pid, parent, [title], 25)


def _of_ray(layout: Layout, member: Member) -> Iterator[Proc]:
    if member.leader:
        yield Proc(GCS, API, specs.gcs_argv(layout), 3)
    else:
        yield Proc(GCS, API, specs.ray_start_argv(layout), 2)
    if member.node in layout.world.ray_nodes:
        yield Proc(RAYLET, API, specs.raylet_argv(layout, member), 4)


def _of_engines(layout: Layout, member: Member) -> Iterator[Proc]:
    if any(e.vanished for e in layout.world.engines):
        yield Proc(API, 0, ["/bin/bash", "/opt/start.sh"], 1)
    for engine in (e for e in layout.world.engines if not (e.fails or e.vanished)):
        copies = cores_on(layout, engine, member)
        first = engine.nodes[0] == member.node
        if copies or first:
            argv = specs.engine_argv(layout.world, engine, headless=not first)
            yield Proc(API, 0, argv, 10)
        if first and engine.dp > 1:
            yield Proc(COORDINATOR, API, ["VLLM::DPCoordinator"], 16)
        for copy in () if engine.dead else copies:
            pid = core_pid(layout, engine, member, copy)
            yield Proc(pid, API, [core_title(engine, copy)], 18)


def _write_process(layout: Layout, member: Member, proc: Proc) -> None:
    pid = member.host_pid(proc.pid)
    folder = member.folder / "proc" / str(pid)
    (folder / "ns").mkdir(parents=True)
    (folder / "net").mkdir()
    (folder / "cmdline").write_bytes(b"\0".join(a.encode() for a in proc.argv) + b"\0")
    name = proc.argv[0].rsplit("/", 1)[-1][:15]
    (folder / "comm").write_text(f"{name}\n")
    (folder / "stat").write_text(_stat(layout, member, proc, name))
    (folder / "cgroup").write_text(_cgroup(member))
    (folder / "mountinfo").write_text(_mountinfo(layout, member))
    numbers = f"Pid:\t{pid}\nNSpid:\t{pid}\t{proc.pid}\n"
    (folder / "status").write_text(f"Name:\t{name}\n{numbers}{capabilities(layout)}")
    (folder / "cwd").symlink_to("/vllm-workspace")
    (folder / "environ").write_bytes(b"\0" * 64 if proc.titled else _environ(layout, member))
    (folder / "limits").write_text(limits(layout))
    (folder / "net" / "tcp").write_text(tcp_table(layout, member))
    (folder / "net" / "tcp6").write_text("  sl  local_address\n")
    (folder / "root").symlink_to(member.container_root)
    (folder / "ns" / "net").symlink_to("/proc/self/ns/net")
    (folder / "fd").mkdir(exist_ok=True)
    (folder / "maps").write_text("55d000000000-55d000001000 r-xp 00000000 00:00 0\n")


def _stat(layout: Layout, member: Member, proc: Proc, name: str) -> str:
    hertz = os.sysconf("SC_CLK_TCK")
    ticks = int((layout.at(proc.started).timestamp() - _BOOT) * hertz)
    zeros = " ".join(["0"] * 17)
    parent = member.host_pid(proc.ppid)
    return f"{member.host_pid(proc.pid)} ({name}) S {parent} {zeros} {ticks} 0 0\n"


def _cgroup(member: Member) -> str:
    uid = member.uid.replace("-", "_")
    return (
        f"0::/kubepods.slice/kubepods-pod{uid}.slice/cri-containerd-{member.container_id}.scope\n"
    )


def _mountinfo(layout: Layout, member: Member) -> str:
    shm = layout.world.shm
    source, flags = (
        ("shm", "nosuid,nodev,noexec") if shm.mounted == "runtime" else ("tmpfs", "nodev")
    )
    return (
        "1201 1100 0:301 / / rw,relatime - overlay overlay rw\n"
        f"1222 1201 {device_of(member)} / /dev/shm rw,{flags} - tmpfs {source}"
        f" rw,size={shm.mib * 1024}k\n"
        f"1223 1201 8:1 /var/lib/kubelet/pods/{member.uid}/containers/vllm/0a1b2c3d"
        " /dev/termination-log rw - ext4 /dev/sda1 rw\n"
    )


def _environ(layout: Layout, member: Member) -> bytes:
    world = layout.world
    given = [member.gpu_uuid(n) for n in range(world.gpus_per_pod)]
    values = {
        "NVIDIA_VISIBLE_DEVICES": member.slice_uuid(0) if world.mig else ",".join(given),
        "VLLM_HOST_IP": member.ip,
        **{one["name"]: one["value"] for one in specs.environ(world)},
    }
    return b"\0".join(f"{k}={v}".encode() for k, v in values.items()) + b"\0"
