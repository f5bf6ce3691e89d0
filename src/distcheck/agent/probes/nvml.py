"""NVML: the only door to `pynvml`."""

from typing import Any

from distcheck.agent.gpu_look import GpuLook
from distcheck.agent.probes.probe import ProbeError
from distcheck.checks.evidence import Gpus


class Nvml:
    """The node's GPUs through the real binding.

    `library` stands in for `libnvidia-ml.so.1` under it; None loads the driver's own. The
    binding keeps one library for the whole process.
    """

    def __init__(self, library: object | None = None) -> None:
        self._library = library

    def look(self, seen_at: str) -> Gpus:
        """Devices, MIG slices and compute processes. Process ids are the host's.

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
    gpus = [GpuLook(nvml, index) for index in range(count)]
    for gpu in gpus:
        try:
            gpu.look()
        except nvml.NVMLError as error:
            raise ProbeError(f"NVML: GPU {gpu.index}: {error}") from error
    return Gpus(
        tuple(gpu.device for gpu in gpus),
        tuple(process for gpu in gpus for process in gpu.processes),
        driver,
        seen_at,
        tuple(one for gpu in gpus for one in gpu.slices),
        tuple(note for gpu in gpus for note in gpu.notes),
    )
