"""NVML: the only door to `pynvml`."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from distcheck.agent.gpu_health import HealthLook
from distcheck.agent.gpu_look import GpuLook
from distcheck.agent.nvml_events import XidEvents, xid_events
from distcheck.agent.probes.probe import ProbeError
from distcheck.checks.evidence import Gpus
from distcheck.checks.evidence.gpu_health import GpuHealth, GpuPair, GpuState, LostGpu

_MOST_IN_PAIRS, _MOST_NOTES = 16, 64


class Nvml:
    """The node's GPUs through the real binding.

    `library` stands in for `libnvidia-ml.so.1` under it; None loads the driver's own. The
    binding keeps one library for the whole process.
    """

    def __init__(self, library: object | None = None) -> None:
        self._library = library
        self._names: dict[int, str] = {}
        self._pairs: tuple[tuple[str, ...], tuple[GpuPair, ...]] = ((), ())

    def look(self, seen_at: str) -> Gpus:
        """Devices, MIG slices and compute processes. Process ids are the host's.

        Raises:
            ProbeError: NVML failed; the message has NVML's own words.
        """
        with self._started() as binding:
            return _look(binding, seen_at)

    def look_at_each(self, seen_at: str) -> Gpus:
        """`look`, in which a GPU that fails is left out and noted, as long as one answers.

        Raises:
            ProbeError: NVML failed, or every GPU did; the message has NVML's own words.
        """
        with self._started() as binding:
            return _look(binding, seen_at, leave_out=True)

    def health(self, seen_at: str) -> GpuHealth:
        """How the GPUs are and how they are joined; one that is lost does not hide the others.

        How they are joined is asked again only when there are others.

        Raises:
            ProbeError: NVML failed; the message has NVML's own words.
        """
        with self._started() as binding:
            driver, count = _driver(binding)
            look = HealthLook(binding)
            seen = [look.gpu(index, self._names.get(index, "")) for index in range(count)]
            there = [(s, handle) for s, handle in seen if isinstance(s, GpuState)]
            self._names |= {s.index: s.uuid for s, _ in there}
            names = tuple(s.uuid for s, _ in there)
            if self._pairs[0] != names and len(names) <= _MOST_IN_PAIRS:
                pairs = look.pairs([(s.uuid, handle) for s, handle in there])
                self._pairs = names, pairs
        return GpuHealth(
            tuple(s for s, _ in there),
            tuple(s for s, _ in seen if isinstance(s, LostGpu)),
            self._pairs[1] if self._pairs[0] == names else (),
            driver,
            seen_at,
            tuple(look.notes[:_MOST_NOTES]),
        )

    @contextmanager
    def xids(self) -> Iterator[XidEvents]:
        """Xid events while this is open; NVML counts who has started it, and others go on.

        Raises:
            ProbeError: NVML failed, or no GPU tells events.
        """
        with self._started() as binding, xid_events(binding) as events:
            yield events

    @contextmanager
    def _started(self) -> Iterator[Any]:
        """The binding between its start and its end."""
        binding = self._binding()
        try:
            binding.nvmlInit()
        except binding.NVMLError as error:
            raise ProbeError(f"NVML: {error}") from error
        try:
            yield binding
        finally:
            _end(binding)

    def _binding(self) -> Any:
        import pynvml  # noqa: PLC0415 - most commands need no GPU

        if self._library is not None and pynvml.nvmlLib is not self._library:
            pynvml.nvmlLib = self._library
            pynvml._nvmlGetFunctionPointer_cache.clear()  # noqa: SLF001 - it holds the old library's
        return pynvml


def _end(nvml: Any) -> None:
    """A driver that died meanwhile fails here too, which says nothing more."""
    with suppress(nvml.NVMLError):
        nvml.nvmlShutdown()


def _driver(nvml: Any) -> tuple[str, int]:
    """Its version, and how many GPUs it has."""
    try:
        return nvml.nvmlSystemGetDriverVersion(), nvml.nvmlDeviceGetCount()
    except nvml.NVMLError as error:
        raise ProbeError(f"NVML: {error}") from error


def _look(nvml: Any, seen_at: str, *, leave_out: bool = False) -> Gpus:
    driver, count = _driver(nvml)
    gpus, notes = [], []
    for gpu in (GpuLook(nvml, index) for index in range(count)):
        try:
            gpu.look()
        except nvml.NVMLError as error:
            notes.append(f"GPU {gpu.index}: {error}")
            if not leave_out or len(notes) == count:
                raise ProbeError(f"NVML: {notes[-1]}") from error
        else:
            gpus.append(gpu)
    return Gpus(
        tuple(gpu.device for gpu in gpus),
        tuple(process for gpu in gpus for process in gpu.processes),
        driver,
        seen_at,
        tuple(one for gpu in gpus for one in gpu.slices),
        (*notes, *(note for gpu in gpus for note in gpu.notes)),
    )
