"""One GPU through NVML's binding, which the caller has loaded and started."""

from collections.abc import Callable
from functools import partial
from typing import Any

from distcheck.checks.evidence import GpuDevice, GpuProcess
from distcheck.checks.evidence.gpu import MigSlice

_NONE = (1 << 64) - 1
"""NVML_VALUE_NOT_AVAILABLE (nvml.h)."""


class GpuLook:
    """One GPU: the device, its MIG slices, and the processes on both."""

    device: GpuDevice

    def __init__(self, nvml: Any, index: int) -> None:
        self._nvml, self.index = nvml, index
        self.slices: list[MigSlice] = []
        self.processes: list[GpuProcess] = []
        self.notes: list[str] = []

    def look(self) -> None:
        """See all of it; what only some GPUs and drivers answer may stay unanswered.

        Raises:
            NVMLError: the GPU does not tell its name, its memory or its processes.
        """
        handle = self._nvml.nvmlDeviceGetHandleByIndex(self.index)
        self.device = self._device(handle)
        if self.device.mig:
            self._look_at_slices(handle)
            self._add_what_it_tells(handle, self.device.uuid)
        else:
            self._add(handle, self.device.uuid)

    def _device(self, handle: object) -> GpuDevice:
        nvml = self._nvml
        memory = _memory(nvml, handle)
        mig = self._maybe("MIG mode", lambda: nvml.nvmlDeviceGetMigMode(handle)[0] == 1)
        bus = self._maybe("PCI address", lambda: nvml.nvmlDeviceGetPciInfo(handle).busId)
        minor = self._maybe("minor number", lambda: nvml.nvmlDeviceGetMinorNumber(handle))
        return GpuDevice(
            nvml.nvmlDeviceGetUUID(handle),
            self.index,
            nvml.nvmlDeviceGetName(handle),
            memory.total,
            memory.used,
            getattr(memory, "reserved", None),
            bus or "",
            mig,
            minor,
        )

    def _look_at_slices(self, handle: object) -> None:
        """Indices of slices have gaps: one that is not there is `NVMLError_NotFound` (nvml.h)."""
        nvml = self._nvml
        most = self._maybe("MIG devices", lambda: nvml.nvmlDeviceGetMaxMigDeviceCount(handle))
        for index in range(most or 0):
            what = f"MIG device {index}"
            try:
                one = nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, index)
            except nvml.NVMLError_NotFound:
                continue
            except nvml.NVMLError as error:
                self._note(what, error)
                continue
            seen: MigSlice | None = self._maybe(what, partial(self._slice, one))
            if seen is not None:
                self.slices.append(seen)
                self._add_what_it_tells(one, seen.uuid)

    def _slice(self, handle: object) -> MigSlice:
        nvml = self._nvml
        uuid = nvml.nvmlDeviceGetUUID(handle)
        memory = self._maybe(f"memory of {uuid}", lambda: _memory(nvml, handle))
        return MigSlice(
            uuid,
            self.device.uuid,
            self._maybe("GPU instance", lambda: nvml.nvmlDeviceGetGpuInstanceId(handle)),
            self._maybe("compute instance", lambda: nvml.nvmlDeviceGetComputeInstanceId(handle)),
            None if memory is None else memory.total,
            None if memory is None else memory.used,
        )

    def _add_what_it_tells(self, handle: object, uuid: str) -> None:
        try:
            self._add(handle, uuid)
        except self._nvml.NVMLError as error:
            self._note(f"processes of {uuid}", error)

    def _add(self, handle: object, uuid: str) -> None:
        """Processes of a GPU or slice; those already seen on a slice are not counted again."""
        nvml = self._nvml
        whole = uuid == self.device.uuid
        known = {(p.uuid, p.pid) for p in self.processes}
        on_slices = {p.pid for p in self.processes} if whole else set()
        rows = [(row, False) for row in nvml.nvmlDeviceGetComputeRunningProcesses_v3(handle)]
        ask = partial(nvml.nvmlDeviceGetMPSComputeRunningProcesses_v3, handle)
        rows += [(row, True) for row in self._maybe("MPS clients", ask) or ()]
        for row, mps in rows:
            process = self._process(row, uuid, mps=mps)
            if (process.uuid, process.pid) not in known and process.pid not in on_slices:
                known.add((process.uuid, process.pid))
                self.processes.append(process)

    def _process(self, row: Any, uuid: str, *, mps: bool) -> GpuProcess:
        """A row of the whole GPU says by its instances which slice it means."""
        instances = (row.gpuInstanceId, row.computeInstanceId)
        named = (s.uuid for s in self.slices if (s.gpu_instance, s.compute_instance) == instances)
        where = next(named, uuid) if uuid == self.device.uuid else uuid
        used = None if row.usedGpuMemory == _NONE else row.usedGpuMemory
        untold = "" if used is not None else _why_untold(mig=self.device.mig is True, mps=mps)
        return GpuProcess(where, row.pid, used, mps=mps, untold=untold)

    def _maybe(self, what: str, ask: Callable[[], Any]) -> Any:
        """The answer; None and a note where there is none, None alone where it cannot have one."""
        nvml = self._nvml
        try:
            return ask()
        except (nvml.NVMLError_FunctionNotFound, nvml.NVMLError_NotSupported):
            return None
        except nvml.NVMLError as error:
            self._note(what, error)
            return None

    def _note(self, what: str, error: Exception) -> None:
        self.notes.append(f"GPU {self.index}: {what}: {error}")


def _why_untold(*, mig: bool, mps: bool) -> str:
    where = " of an MPS client" if mps else " on a GPU that is cut by MIG" if mig else ""
    return f"NVML tells no memory of a process{where} here"


def _memory(nvml: Any, handle: object) -> Any:
    """Version 2 counts what the driver reserves apart; drivers before 510 have only version 1."""
    try:
        return nvml.nvmlDeviceGetMemoryInfo(handle, version=nvml.nvmlMemory_v2)
    except (nvml.NVMLError_FunctionNotFound, nvml.NVMLError_NotSupported):
        return nvml.nvmlDeviceGetMemoryInfo(handle)
