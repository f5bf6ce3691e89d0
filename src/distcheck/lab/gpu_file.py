"""The GPUs of a node folder, as the stand-in for NVML reads them."""

import json
from typing import Any

from distcheck.lab.layout import GPU_MEMORY, GPUS, SLICE_MEMORY, Layout, Member, Rank
from distcheck.lab.memory import memory_used
from distcheck.lab.nvml_health import HEALTHY
from distcheck.lab.processes import write_stranger
from distcheck.lab.scenario import GIB

_STRANGER = 900
_ERRORS = {"ecc": [[5, 2], [5, 2]], "remapped": [0, 2, 1, 0], "recovery": 4}
"""Two rows to be remapped at the next reset, for which the GPU must be drained."""
_XIDS = [119, 119, 45]
"""The GPU's system processor does not answer, and the driver takes the rank's work away."""
_NOT_SUPPORTED, _LOST = 5, 15
_FULLER = 5
_CONTEXT = GIB // 2


def write_gpus(layout: Layout, member: Member) -> None:
    """`nvml.json`: every GPU, and the node's numbers of the processes on it."""
    busy = {r.gpu: r for r in layout.running_on(member)}
    gpus = [_gpu(layout, member, index, busy.get(index)) for index in range(GPUS)]
    if layout.world.contexts:
        _add_contexts(layout, member, gpus[0])
    if layout.world.mig:
        _cut(member, gpus[0])
    if layout.world.tenant == member.node:
        _add_tenant(member, gpus[0], layout.world.tenant_gib * GIB)
    told = {"driver": "570.133.20", "gpus": gpus, "pairs": _joined(layout, member)}
    (member.folder / "nvml.json").write_text(json.dumps(told))


def _gpu(layout: Layout, member: Member, index: int, rank: Rank | None) -> dict[str, Any]:
    used = memory_used(layout.world, layout.engine(rank), rank.pp_rank) if rank else 0
    if member.leader and index == _FULLER:
        used += int(layout.world.fuller_gib * GIB)
    return {
        "uuid": member.gpu_uuid(index),
        "name": "NVIDIA H100 80GB HBM3",
        "memory_total": GPU_MEMORY,
        "memory_used": used + GIB // 2,
        "processes": [{"pid": rank.host_pid, "memory_used": used}] if rank else [],
        **HEALTHY,
        **_faults(layout, member, index),
    }


def _add_contexts(layout: Layout, member: Member, gpu: dict[str, Any]) -> None:
    """What ranks of other GPUs leave on the first, where the program chose a device too late."""
    others = [r.host_pid for r in layout.ranks_on(member) if r.local > 0]
    gpu["processes"] += [{"pid": pid, "memory_used": _CONTEXT} for pid in others]
    gpu["memory_used"] += _CONTEXT * len(others)


def _faults(layout: Layout, member: Member, index: int) -> dict[str, Any]:
    down = {"nvlinks": [0] * 18} if member.node in layout.world.without_nvlink else {}
    bad = layout.world.gpu_errors == member.node and index == 3
    lost = {"error": _LOST} if layout.world.gpu_lost == member.node and index == 3 else {}
    xid = {"xids": _XIDS} if layout.world.gpu_xid == member.node and index == 3 else {}
    return {**down, **(_ERRORS if bad else {}), **lost, **xid}


def _joined(layout: Layout, member: Member) -> dict[str, int]:
    """Through NVLink's switches; over PCIe any two meet only above both CPUs."""
    down = member.node in layout.world.without_nvlink
    return {"path": 50, "peer": 0, "nvlink": _NOT_SUPPORTED if down else 0}


def _cut(member: Member, gpu: dict[str, Any]) -> None:
    """Two `3g.40gb` slices: the pod has the first, and nobody the second."""
    gpu["slices"] = [
        {
            "uuid": member.slice_uuid(number),
            "gpu_instance": number + 1,
            "compute_instance": 0,
            "memory_total": SLICE_MEMORY,
            "memory_used": sum(p["memory_used"] for p in processes) + GIB // 32,
            "processes": processes,
        }
        for number, processes in enumerate((gpu.pop("processes"), []))
    ]
    gpu["processes"] = []


def _add_tenant(member: Member, gpu: dict[str, Any], held: int) -> None:
    """A process of the node itself that holds memory on `gpu`."""
    pid = member.host_pid(_STRANGER)
    write_stranger(member, pid)
    gpu["processes"].append({"pid": pid, "memory_used": held})
    gpu["memory_used"] += held
