"""Xid events through NVML's binding that the caller has started. Numbers: nvml.h of driver 580."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ctypes import c_void_p, cast
from typing import Any

from msgspec import Struct

from distcheck.agent.probes.probe import ProbeError

_XID = 0x8
"""nvmlEventTypeXidCriticalError."""
_MOST_GPUS = 64
_UNTOLD, _LARGEST = 999, 9_999


class XidEvent(Struct, frozen=True):
    """One event: the GPU's UUID and index, and the Xid."""

    uuid: str
    index: int
    number: int


class XidEvents:
    """An event set with every GPU that has Xid events; `deaf` are those that have none."""

    def __init__(self, nvml: Any, event_set: object) -> None:
        self._nvml, self._set = nvml, event_set
        self._gpus: dict[int | None, tuple[str, int]] = {}
        self.deaf: list[str] = []
        why = "there is no GPU"
        for index in range(min(nvml.nvmlDeviceGetCount(), _MOST_GPUS)):
            why = self._register(index) or why
        if not self._gpus:
            raise ProbeError(f"NVML tells no Xid events: {why}")

    @property
    def there(self) -> frozenset[str]:
        """The UUIDs of all GPUs that answer, deaf or not."""
        return frozenset((*(uuid for uuid, _ in self._gpus.values()), *self.deaf))

    def wait(self, seconds: float) -> XidEvent | None:
        """The next event; None where none came within `seconds`.

        Raises:
            ProbeError: the driver or a GPU is gone, and the set with it.
        """
        nvml = self._nvml
        try:
            told = nvml.nvmlEventSetWait_v2(self._set, int(seconds * 1000))
        except nvml.NVMLError_Timeout:
            return None
        except nvml.NVMLError as error:
            raise ProbeError(f"NVML: {error}") from error
        gpu = self._gpus.get(_value(told.device))
        if gpu is None or not told.eventType & _XID:
            return None
        number = int(told.eventData)
        return XidEvent(*gpu, number if 0 < number <= _LARGEST else _UNTOLD)

    def _register(self, index: int) -> str | None:
        """Why the GPU tells no events; a GPU that is lost does not keep the others from it."""
        nvml, uuid = self._nvml, ""
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            uuid = nvml.nvmlDeviceGetUUID(handle)
            nvml.nvmlDeviceRegisterEvents(handle, _XID, self._set)
        except nvml.NVMLError as error:
            self.deaf += [uuid] * bool(uuid)
            return f"GPU {index}: {error}"
        self._gpus[_value(handle)] = uuid, index
        return None


@contextmanager
def xid_events(nvml: Any) -> Iterator[XidEvents]:
    """An event set, freed at the end.

    Raises:
        ProbeError: the driver has no events, or no GPU tells any.
    """
    try:
        event_set = nvml.nvmlEventSetCreate()
    except nvml.NVMLError as error:
        raise ProbeError(f"NVML tells no events: {error}") from error
    try:
        yield _made(nvml, event_set)
    finally:
        with suppress(nvml.NVMLError):
            nvml.nvmlEventSetFree(event_set)


def _made(nvml: Any, event_set: object) -> XidEvents:
    try:
        return XidEvents(nvml, event_set)
    except nvml.NVMLError as error:
        raise ProbeError(f"NVML: {error}") from error


def _value(handle: Any) -> int | None:
    return cast(handle, c_void_p).value
