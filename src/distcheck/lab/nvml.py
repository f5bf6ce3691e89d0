"""A stand-in for `libnvidia-ml.so` under the real Python binding; its GPUs come from a file."""

import ctypes
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

SUCCESS, UNINITIALIZED, INVALID_ARGUMENT, INSUFFICIENT_SIZE, UNKNOWN = 0, 1, 2, 7, 999
_WORDS = {SUCCESS: b"Success", UNKNOWN: b"Unknown Error"}
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
    with that NVML error; "init_error": N beside "gpus" does so for `nvmlInit`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._told: dict[str, Any] | None = None
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
        self.nvmlDeviceGetComputeRunningProcesses_v3 = _Function(self._processes)

    def _init(self) -> int:
        try:
            told = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return UNKNOWN
        self._told = told
        return int(told.get("init_error", SUCCESS))

    def _shutdown(self) -> int:
        self._told = None
        return SUCCESS

    def _gpus(self) -> list[Gpu]:
        return [] if self._told is None else list(self._told["gpus"])

    def _gpu(self, handle: Any) -> Gpu:
        """The GPU that a handle means: the handle's value is its index and one."""
        return self._gpus()[(ctypes.cast(handle, ctypes.c_void_p).value or 0) - 1]

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

    def _memory(self, handle: Any, memory: Any) -> int:
        gpu = self._gpu(handle)
        told = _of(memory)
        told.total, told.used = gpu["memory_total"], gpu["memory_used"]
        told.free = gpu["memory_total"] - gpu["memory_used"]
        return SUCCESS

    def _processes(self, handle: Any, count: Any, rows: Any) -> int:
        processes = self._gpu(handle)["processes"]
        room, _of(count).value = _of(count).value, len(processes)
        if rows is None or room < len(processes):
            return INSUFFICIENT_SIZE if processes else SUCCESS
        for row, process in zip(rows, processes, strict=False):
            row.pid, row.usedGpuMemory = process["pid"], process["memory_used"]
        return SUCCESS


def _of(reference: Any) -> Any:
    """What a `byref(...)` of the binding refers to."""
    return reference._obj  # noqa: SLF001 - ctypes has no other way back
