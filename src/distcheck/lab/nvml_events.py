"""Xid events of the stand-in for NVML: each GPU tells those of its `xids`, each once."""

import ctypes
import time
from collections.abc import Callable, Iterator
from typing import Any

Gpu = dict[str, Any]
SUCCESS, NOT_SUPPORTED, TIMEOUT = 0, 3, 10
_SET, _XID = 1, 0x8
_PAUSE = 0.02


class LabEvents:
    """The library's functions for events over the GPUs of the file.

    A GPU's `xids` are the numbers that come once somebody waits; null tells no events.
    """

    def __init__(self, gpu_of: Callable[[Any], Gpu], clock: Callable[[], float]) -> None:
        self._gpu_of, self._clock = gpu_of, clock
        self._registered: list[int] = []
        self._told: dict[int, int] = {}

    def functions(self) -> Iterator[tuple[str, Callable[..., int]]]:
        """By name."""
        yield "nvmlEventSetCreate", self._create
        yield "nvmlDeviceRegisterEvents", self._register
        yield "nvmlEventSetWait_v2", self._wait
        yield "nvmlEventSetFree", self._free

    def _create(self, to: Any) -> int:
        ctypes.cast(to, ctypes.POINTER(ctypes.c_void_p))[0] = _SET
        return SUCCESS

    def _register(self, handle: Any, kinds: Any, _set: Any) -> int:
        if not kinds.value & _XID or self._gpu_of(handle).get("xids", ()) is None:
            return NOT_SUPPORTED
        self._registered.append(_value(handle))
        return SUCCESS

    def _wait(self, _set: Any, to: Any, milliseconds: Any) -> int:
        end = self._clock() + milliseconds.value / 1000
        while (found := self._next()) is None:
            if self._clock() >= end:
                return TIMEOUT
            time.sleep(_PAUSE)
        event = to._obj  # noqa: SLF001 - ctypes has no other way back
        event.device = ctypes.cast(found[0], type(event.device))
        event.eventType, event.eventData = _XID, found[1]
        return SUCCESS

    def _next(self) -> tuple[int, int] | None:
        for handle in self._registered:
            xids, told = self._gpu_of(handle).get("xids", ()), self._told.get(handle, 0)
            if told < len(xids):
                self._told[handle] = told + 1
                return handle, xids[told]
        return None

    def _free(self, _set: Any) -> int:
        self._registered.clear()
        return SUCCESS


def _value(handle: Any) -> int:
    return ctypes.cast(handle, ctypes.c_void_p).value or 0
