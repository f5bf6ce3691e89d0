"""A stand-in for `libnvidia-ml.so` under the real Python binding; its GPUs come from a file."""

import ctypes
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from distcheck.lab.nvml_events import LabEvents
from distcheck.lab.nvml_health import health_functions

SUCCESS, UNINITIALIZED, INVALID_ARGUMENT, NOT_FOUND, INSUFFICIENT_SIZE, UNKNOWN = 0, 1, 2, 6, 7, 999
_PER_GPU = 1000
_NO_INSTANCE, _UNTOLD = (1 << 32) - 1, (1 << 64) - 1
"""Of a process on no slice, and memory that is not told (nvml.h)."""
_MOST_SLICES = 7
"""Of one GPU, as NVIDIA's MIG user guide has it."""
_WORDS = {SUCCESS: b"Success", 3: b"Not Supported", 15: b"GPU is lost", UNKNOWN: b"Unknown Error"}
Gpu = dict[str, Any]


class _Function:
    """A function of the library: the binding sets attributes on it, as on one of ctypes."""

    def __init__(self, call: Callable[..., object]) -> None:
        self._call = call
        self.restype: object = None

    def __call__(self, *arguments: Any) -> object:
        return self._call(*arguments)


class LabNvml:
    """NVML over a JSON file, which is read again at each `nvmlInit`.

    The file: {"driver": "...", "gpus": [{"uuid", "name", "memory_total", "memory_used",
    "processes": [{"pid", "memory_used"}]}]}. A GPU with "error": N answers every question
    with that NVML error; "init_error": N beside "gpus" does so for `nvmlInit`. A GPU may have
    "memory_reserved", "bus_id", "minor", "mps" (processes as above), and, cut by MIG, "slices":
    [{"uuid", "gpu_instance", "compute_instance", "memory_total", "memory_used",
    "processes"}], where null is a place without a slice. "memory_used": null of a process is
    what NVML does not tell. What a GPU has of `nvml_health.HEALTHY` it tells of its health, and
    "pairs": {"path", "peer", "nvlink"} beside "gpus" is how every two are joined. "xids" of a GPU
    are `nvml_events.LabEvents`'s.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._told: dict[str, Any] | None = None
        self._users = 0
        self.nvmlInit_v2 = _Function(self._init)
        self.nvmlInitWithFlags = _Function(lambda _flags: self._init())
        self.nvmlShutdown = _Function(self._shutdown)
        self.nvmlErrorString = _Function(lambda code: _WORDS.get(code, b"Unknown Error"))
        self.nvmlSystemGetDriverVersion = _Function(self._driver)
        self.nvmlDeviceGetCount_v2 = _Function(self._count)
        self.nvmlDeviceGetHandleByIndex_v2 = _Function(self._handle)
        self.nvmlDeviceGetUUID = _Function(self._text("uuid"))
        self.nvmlDeviceGetName = _Function(self._text("name"))
        self.nvmlDeviceGetMemoryInfo = _Function(self._memory)
        self.nvmlDeviceGetMemoryInfo_v2 = _Function(self._memory)
        self.nvmlDeviceGetComputeRunningProcesses_v3 = _Function(self._processes("processes"))
        self.nvmlDeviceGetMPSComputeRunningProcesses_v3 = _Function(self._processes("mps"))
        self.nvmlDeviceGetPciInfo_v3 = _Function(self._pci)
        self.nvmlDeviceGetMinorNumber = _Function(self._minor)
        self.nvmlDeviceGetMigMode = _Function(self._mig_mode)
        self.nvmlDeviceGetMaxMigDeviceCount = _Function(self._most_slices)
        self.nvmlDeviceGetMigDeviceHandleByIndex = _Function(self._slice_handle)
        self.nvmlDeviceGetGpuInstanceId = _Function(self._number("gpu_instance"))
        self.nvmlDeviceGetComputeInstanceId = _Function(self._number("compute_instance"))
        for name, answer in health_functions(self._gpu, self._pair):
            setattr(self, name, _Function(answer))
        for name, answer in LabEvents(self._gpu, time.monotonic).functions():
            setattr(self, name, _Function(answer))

    def _init(self) -> int:
        try:
            told = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return UNKNOWN
        error = int(told.get("init_error", SUCCESS))
        self._told, self._users = told, self._users + (error == SUCCESS)
        return error

    def _shutdown(self) -> int:
        """Several looks may be at it at once: the last one ends it."""
        self._users = max(0, self._users - 1)
        if not self._users:
            self._told = None
        return SUCCESS

    def _pair(self) -> Gpu:
        """How any two GPUs are joined."""
        found: Gpu = (self._told or {}).get("pairs", {})
        return found

    def _gpus(self) -> list[Gpu]:
        return [] if self._told is None else list(self._told["gpus"])

    def _gpu(self, handle: Any) -> Gpu:
        """The GPU or slice that a handle means.

        Its value is the GPU's index and one, and a thousand times the slice's index and one.
        """
        one, index = divmod(_value(handle) - 1, _PER_GPU)
        gpu = self._gpus()[index]
        found: Gpu = gpu["slices"][one - 1] if one else gpu
        return found

    def _driver(self, buffer: Any, _size: object) -> int:
        buffer.value = str((self._told or {}).get("driver", "")).encode()
        return UNINITIALIZED if self._told is None else SUCCESS

    def _count(self, count: Any) -> int:
        _of(count).value = len(self._gpus())
        return UNINITIALIZED if self._told is None else SUCCESS

    def _handle(self, index: Any, handle: Any) -> int:
        number = int(index.value)
        if number >= len(self._gpus()):
            return INVALID_ARGUMENT
        ctypes.cast(handle, ctypes.POINTER(ctypes.c_void_p))[0] = number + 1
        return int(self._gpus()[number].get("error", SUCCESS))

    def _text(self, name: str) -> Callable[..., int]:
        def answer(handle: Any, buffer: Any, _size: object) -> int:
            buffer.value = str(self._gpu(handle)[name]).encode()
            return SUCCESS

        return answer

    def _pci(self, handle: Any, info: Any) -> int:
        _of(info).busId = str(self._gpu(handle).get("bus_id", "")).encode()
        return SUCCESS

    def _minor(self, handle: Any, minor: Any) -> int:
        _of(minor).value = int(self._gpu(handle).get("minor", _value(handle) % _PER_GPU - 1))
        return SUCCESS

    def _mig_mode(self, handle: Any, now: Any, later: Any) -> int:
        _of(now).value = _of(later).value = int("slices" in self._gpu(handle))
        return SUCCESS

    def _most_slices(self, _handle: Any, count: Any) -> int:
        _of(count).value = _MOST_SLICES
        return SUCCESS

    def _slice_handle(self, handle: Any, index: Any, to: Any) -> int:
        slices, number = self._gpu(handle).get("slices", []), int(index.value)
        if number >= len(slices) or slices[number] is None:
            return NOT_FOUND
        where = _value(handle) + _PER_GPU * (number + 1)
        ctypes.cast(to, ctypes.POINTER(ctypes.c_void_p))[0] = where
        return int(slices[number].get("error", SUCCESS))

    def _number(self, name: str) -> Callable[..., int]:
        def answer(handle: Any, number: Any) -> int:
            _of(number).value = self._gpu(handle)[name]
            return SUCCESS

        return answer

    def _memory(self, handle: Any, memory: Any) -> int:
        gpu = self._gpu(handle)
        told = _of(memory)
        if hasattr(told, "reserved"):
            told.reserved = gpu.get("memory_reserved", 0)
        told.total, told.used = gpu["memory_total"], gpu["memory_used"]
        told.free = gpu["memory_total"] - gpu["memory_used"]
        return SUCCESS

    def _processes(self, name: str) -> Callable[..., int]:
        def answer(handle: Any, count: Any, rows: Any) -> int:
            processes = self._gpu(handle).get(name, [])
            room, _of(count).value = _of(count).value, len(processes)
            if rows is None or room < len(processes):
                return INSUFFICIENT_SIZE if processes else SUCCESS
            for row, process in zip(rows, processes, strict=False):
                used = process["memory_used"]
                row.pid, row.usedGpuMemory = process["pid"], _UNTOLD if used is None else used
                row.gpuInstanceId = process.get("gpu_instance", _NO_INSTANCE)
                row.computeInstanceId = process.get("compute_instance", _NO_INSTANCE)
            return SUCCESS

        return answer


def _value(handle: Any) -> int:
    return ctypes.cast(handle, ctypes.c_void_p).value or 0


def _of(reference: Any) -> Any:
    """What a `byref(...)` of the binding refers to."""
    return reference._obj  # noqa: SLF001 - ctypes has no other way back
