"""NVML: the only door to `pynvml`."""

from collections.abc import Iterator
from typing import Any

from distcheck.agent.probes.probe import ProbeError
from distcheck.checks.evidence import GpuDevice, GpuProcess, Gpus


class Nvml:
    """The node's GPUs through the real binding.

    `library` stands in for `libnvidia-ml.so.1` under it; None loads the driver's own. The
    binding keeps one library for the whole process.
    """

    def __init__(self, library: object | None = None) -> None:
        self._library = library

    def look(self, seen_at: str) -> Gpus:
        """Devices and compute processes. Process ids are the host's.

        Raises:
            ProbeError: NVML failed; the message has NVML's own words.
        """
        binding = self._binding()
        try:
            binding.nvmlInit()
        except binding.NVMLError as error:
            raise ProbeError(f"NVML: {error}") from error
        try:
            return _look(binding, seen_at)
        finally:
            binding.nvmlShutdown()

    def _binding(self) -> Any:
        import pynvml  # noqa: PLC0415 - most commands need no GPU

        if self._library is not None and pynvml.nvmlLib is not self._library:
            pynvml.nvmlLib = self._library
            pynvml._nvmlGetFunctionPointer_cache.clear()  # noqa: SLF001 - it holds the old library's
        return pynvml


def _look(nvml: Any, seen_at: str) -> Gpus:
    try:
        driver = nvml.nvmlSystemGetDriverVersion()
        count = nvml.nvmlDeviceGetCount()
    except nvml.NVMLError as error:
        raise ProbeError(f"NVML: {error}") from error
    devices: list[GpuDevice] = []
    processes: list[GpuProcess] = []
    for index in range(count):
        try:
            device = _device(nvml, index)
            processes += _processes(nvml, index, device.uuid)
        except nvml.NVMLError as error:
            raise ProbeError(f"NVML: GPU {index}: {error}") from error
        devices.append(device)
    return Gpus(tuple(devices), tuple(processes), driver, seen_at)


def _device(nvml: Any, index: int) -> GpuDevice:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = _memory(nvml, handle)
    uuid, name = nvml.nvmlDeviceGetUUID(handle), nvml.nvmlDeviceGetName(handle)
    return GpuDevice(uuid, index, name, memory.total, memory.used)


def _memory(nvml: Any, handle: object) -> Any:
    """Version 2 counts what the driver reserves apart; drivers before 510 have only version 1."""
    try:
        return nvml.nvmlDeviceGetMemoryInfo(handle, version=nvml.nvmlMemory_v2)
    except (nvml.NVMLError_FunctionNotFound, nvml.NVMLError_NotSupported):
        return nvml.nvmlDeviceGetMemoryInfo(handle)


def _processes(nvml: Any, index: int, uuid: str) -> Iterator[GpuProcess]:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    for process in nvml.nvmlDeviceGetComputeRunningProcesses_v3(handle):
        yield GpuProcess(uuid, process.pid, process.usedGpuMemory)
