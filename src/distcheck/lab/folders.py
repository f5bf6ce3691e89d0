"""Writes a node as a folder: `/proc`, `/sys`, pod logs, container file systems, GPUs."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from msgspec import Struct, structs

from distcheck.lab import nccl_text, specs, vllm_text
from distcheck.lab.engine_answers import write_answers
from distcheck.lab.layout import GPU_MEMORY, GPUS, NAMESPACE, Layout, Member, Rank
from distcheck.lab.model import write_model
from distcheck.lab.scenario import Engine

_BOOT = 1_700_000_000
_SESSION = "tmp/ray/session_lab"
GIB = 1 << 30
_CONTEXT = GIB + GIB // 2


class Proc(Struct, frozen=True):
    """One process of the node folder; `started` in seconds after the containers."""

    pid: int
    ppid: int
    argv: list[str]
    started: float


def write_node(layout: Layout, member: Member) -> None:
    """The whole folder of one member's node."""
    write_model(member.container_root)
    _write_session(layout, member)
    for proc in _processes(layout, member):
        _write_process(layout, member, proc)
    (member.folder / "proc" / "stat").write_text(f"cpu  0 0 0 0\nbtime {_BOOT}\n")
    _write_container_log(layout, member)
    _write_sys(layout, member)
    _write_gpus(layout, member)
    write_answers(layout, member)


def _ranks(layout: Layout, member: Member) -> list[Rank]:
    return [r for r in layout.ranks() if r.member == member]


def _processes(layout: Layout, member: Member) -> Iterator[Proc]:
    base = member.base_pid
    joined = member.node in layout.world.ray_nodes
    if member.leader:
        yield Proc(base + 10, base, specs.gcs_argv(layout), 3)
    else:
        yield Proc(base + 20, base, specs.ray_start_argv(layout), 2)
    if joined:
        yield Proc(base + 11, base, specs.raylet_argv(layout, member), 4)
    for engine in layout.world.engines:
        if engine.nodes[0] == member.node:
            yield Proc(base, 1, specs.engine_argv(engine), 10)
            yield Proc(base + 60, base, ["VLLM::EngineCore"], 18)
    for rank in _ranks(layout, member):
        if layout.world.engines[rank.engine].progress != "waiting":
            yield Proc(rank.pid, base + 11, ["ray::RayWorkerWrapper"], 25)


def _write_process(layout: Layout, member: Member, proc: Proc) -> None:
    folder = member.folder / "proc" / str(proc.pid)
    (folder / "ns").mkdir(parents=True)
    (folder / "net").mkdir()
    (folder / "cmdline").write_bytes(b"\0".join(a.encode() for a in proc.argv) + b"\0")
    name = proc.argv[0].rsplit("/", 1)[-1][:15]
    (folder / "comm").write_text(f"{name}\n")
    (folder / "stat").write_text(_stat(layout, proc, name))
    (folder / "cgroup").write_text(_cgroup(member))
    (folder / "mountinfo").write_text(_mountinfo(layout, member))
    (folder / "status").write_text(f"Name:\t{name}\nPid:\t{proc.pid}\nNSpid:\t{proc.pid}\n")
    (folder / "cwd").symlink_to("/vllm-workspace")
    (folder / "environ").write_bytes(_environ(member))
    (folder / "limits").write_text(_LIMITS)
    for table in ("tcp", "tcp6"):
        (folder / "net" / table).write_text(_NET_HEADER)
    (folder / "root").symlink_to(member.container_root)
    (folder / "ns" / "net").symlink_to("/proc/self/ns/net")


def _stat(layout: Layout, proc: Proc, name: str) -> str:
    hertz = os.sysconf("SC_CLK_TCK")
    ticks = int((layout.at(proc.started).timestamp() - _BOOT) * hertz)
    zeros = " ".join(["0"] * 17)
    return f"{proc.pid} ({name}) S {proc.ppid} {zeros} {ticks} 0 0\n"


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
        f"1222 1201 0:302 / /dev/shm rw,{flags} - tmpfs {source} rw,size={shm.mib * 1024}k\n"
        f"1223 1201 8:1 /var/lib/kubelet/pods/{member.uid}/containers/vllm/0a1b2c3d"
        " /dev/termination-log rw - ext4 /dev/sda1 rw\n"
    )


def _environ(member: Member) -> bytes:
    values = {"NCCL_DEBUG": "INFO", "VLLM_HOST_IP": member.ip, "VLLM_LOGGING_LEVEL": "DEBUG"}
    return b"\0".join(f"{k}={v}".encode() for k, v in values.items()) + b"\0"


def _write_session(layout: Layout, member: Member) -> None:
    logs = member.container_root / _SESSION / "logs"
    logs.mkdir(parents=True)
    (logs.parent.parent / "session_latest").symlink_to("/" + _SESSION)
    layout = _logged(layout)
    comms = nccl_text.comms_of(layout)
    for rank in _ranks(layout, layout.member(member.node)):
        lines = [
            ":job_id:01000000",
            ":actor_name:RayWorkerWrapper",
            *vllm_text.worker_head(layout, rank),
            *nccl_text.rank_lines(layout, rank, comms),
            *vllm_text.worker_tail(layout, rank),
        ]
        name = f"worker-{_worker_id(rank)}-01000000-{rank.pid}"
        if layout.world.logs == "rotated":
            lines = lines[:2]
        if layout.world.engines[rank.engine].progress != "waiting":
            (logs / f"{name}.out").write_text("\n".join(lines) + "\n")


def _logged(layout: Layout) -> Layout:
    """What the logs tell of: the group as it runs, or a healthy start of a week ago."""
    if layout.world.logs != "last-week":
        return layout
    members = tuple(structs.replace(m, base_pid=m.base_pid + 5000) for m in layout.members)
    world = structs.replace(layout.world, engines=(Engine(),))
    week = timedelta(days=7)
    return structs.replace(layout, world=world, members=members, started=layout.started - week)


def _worker_id(rank: Rank) -> str:
    """56 hexadecimal digits, as Ray gives each worker."""
    return hashlib.sha224(f"{rank.member.uid} {rank.gpu}".encode()).hexdigest()


def _write_container_log(layout: Layout, member: Member) -> None:
    folder = member.folder / "pod-logs" / f"{NAMESPACE}_{member.pod}_{member.uid}" / "vllm"
    folder.mkdir(parents=True)
    (folder / "0.log").write_text("".join(_cri(layout, container_lines(layout, member))))


def container_lines(layout: Layout, member: Member) -> list[str]:
    """What the pod's container prints on its standard output."""
    lines = ["ray start: runtime started" if member.leader else "ray start: waiting for the head"]
    layout = _logged(layout)
    if layout.world.logs == "rotated":
        return ['INFO:     10.20.0.9:41234 - "GET /health HTTP/1.1" 200 OK']
    for engine in layout.world.engines:
        if engine.nodes[0] == member.node:
            pid = layout.member(member.node).base_pid
            lines += vllm_text.server_lines(layout, engine, pid)
    return lines


def _cri(layout: Layout, lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        stamp = _logged(layout).at(2 + number / 10)
        yield f"{stamp:%Y-%m-%dT%H:%M:%S.%f}000Z stdout F {line}\n"


def _write_sys(layout: Layout, member: Member) -> None:
    (member.folder / "sys").mkdir()
    if layout.world.network != "ib":
        return
    for index in range(GPUS):
        port = member.folder / "sys/class/infiniband" / f"mlx5_{index}" / "ports/1"
        port.mkdir(parents=True)
        for name, value in _PORT.items():
            (port / name).write_text(f"{value}\n")


def _write_gpus(layout: Layout, member: Member) -> None:
    busy = {r.gpu: r for r in _ranks(layout, member) if _loaded(layout, r)}
    gpus = [_gpu(layout, member, index, busy.get(index)) for index in range(GPUS)]
    if layout.world.tenant == member.node:
        _add_tenant(member, gpus[0])
    (member.folder / "nvml.json").write_text(json.dumps({"driver": "570.133.20", "gpus": gpus}))


def _loaded(layout: Layout, rank: Rank) -> bool:
    return layout.world.engines[rank.engine].progress != "waiting"


def _gpu(layout: Layout, member: Member, index: int, rank: Rank | None) -> dict[str, Any]:
    used = _used(layout, rank) if rank else 0
    return {
        "uuid": member.gpu_uuid(index),
        "name": "NVIDIA H100 80GB HBM3",
        "memory_total": GPU_MEMORY,
        "memory_used": used + GIB // 2,
        "processes": [{"pid": rank.pid, "memory_used": used}] if rank else [],
    }


def _used(layout: Layout, rank: Rank) -> int:
    """Bytes of one rank: all of its share of the GPU once it serves, a context before."""
    engine = layout.world.engines[rank.engine]
    serving = engine.progress == "serving"
    return vllm_text.memory_used(engine, rank.pp_rank) if serving else _CONTEXT


def _add_tenant(member: Member, gpu: dict[str, Any]) -> None:
    """A process of the node itself that holds memory on `gpu`."""
    pid = member.base_pid + 900
    folder = member.folder / "proc" / str(pid)
    folder.mkdir()
    (folder / "cgroup").write_text("0::/system.slice/notebook.service\n")
    gpu["processes"].append({"pid": pid, "memory_used": 4 * GIB})
    gpu["memory_used"] += 4 * GIB


_PORT = {
    "state": "4: ACTIVE",
    "phys_state": "5: LinkUp",
    "rate": "400 Gb/sec (4X NDR)",
    "link_layer": "InfiniBand",
}
_LIMITS = """\
Limit                     Soft Limit           Hard Limit           Units
Max locked memory         unlimited            unlimited            bytes
"""
_NET_HEADER = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  "
    "timeout inode\n"
)
