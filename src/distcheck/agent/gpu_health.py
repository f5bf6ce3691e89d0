"""How one GPU is, and how two are joined, through NVML's binding that the caller has started.

Names and numbers: nvml.h of driver 580. Every question is asked on its own; what a GPU or a driver
does not know stays untold.
"""

from collections.abc import Callable, Sequence
from ctypes import byref
from typing import Any, TypeVar

from distcheck.checks.evidence.gpu_health import GpuPair, GpuState, LostGpu, NvLinks

T = TypeVar("T")

_MAX_LINKS = 36
_RECOVERY_FIELD = 230
"""NVML_FI_DEV_GET_GPU_RECOVERY_ACTION."""
_RECOVERY = {
    0: "none",
    1: "reset",
    2: "reboot",
    3: "drain peer-to-peer",
    4: "drain and reset",
    5: "recover the IMEX domain",
    6: "bus reset",
    7: "reboot",
}
_SLOWED = {
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "power brake",
}
_FABRIC = {0: "not supported", 1: "not started", 2: "in progress", 3: "completed"}
_ENDS = {0: "gpu", 1: "cpu", 2: "switch"}
_PATHS = {0: "internal", 10: "single", 20: "multiple", 30: "hostbridge", 40: "node", 50: "system"}
_PEER = {
    0: "ok",
    1: "chipset not supported",
    2: "GPU not supported",
    3: "topology not supported",
    4: "disabled by a driver setting",
    5: "not supported",
}
_READ, _NVLINK = 0, 2
"""NVML_P2P_CAPS_INDEX_*: the binding's own READ is a tuple by mistake."""


class HealthLook:
    """Asks one GPU after another; what could not be told is in `notes`."""

    def __init__(self, nvml: Any) -> None:
        self._nvml = nvml
        self.notes: list[str] = []
        self._about = ""

    def gpu(self, index: int, uuid: str) -> tuple[GpuState | LostGpu, object]:
        """The GPU and its handle; `uuid` is what a look before knew it by."""
        nvml, self._about = self._nvml, f"GPU {index}"
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            return self._state(handle, index), handle
        except nvml.NVMLError as error:
            return LostGpu(index, str(error), uuid), None

    def pairs(self, gpus: Sequence[tuple[str, object]]) -> tuple[GpuPair, ...]:
        """Every two of `gpus` (UUID and handle), once."""
        return tuple(
            self._pair(*one, *other)
            for number, one in enumerate(gpus)
            for other in gpus[number + 1 :]
        )

    def _state(self, handle: object, index: int) -> GpuState:
        """Raises NVMLError where the GPU does not tell its name, or is lost in between."""
        nvml, ask = self._nvml, self._ask
        uuid, name = nvml.nvmlDeviceGetUUID(handle), nvml.nvmlDeviceGetName(handle)
        rows = ask("remapped rows", nvml.nvmlDeviceGetRemappedRows, handle) or (None,) * 4
        use = ask("utilization", nvml.nvmlDeviceGetUtilizationRates, handle)
        return GpuState(
            uuid,
            index,
            name,
            utilization=None if use is None else use.gpu,
            ecc_uncorrected=self._ecc(handle, 1, 0),
            ecc_corrected=self._ecc(handle, 0, 0),
            ecc_uncorrected_ever=self._ecc(handle, 1, 1),
            ecc_corrected_ever=self._ecc(handle, 0, 1),
            remapped_uncorrected=rows[1],
            remap_pending=_flag(rows[2]),
            remap_failed=_flag(rows[3]),
            retired_pending=_flag(
                ask("retired pages", nvml.nvmlDeviceGetRetiredPagesPendingStatus, handle)
            ),
            slowed=self._slowed(handle),
            recovery=self._recovery(handle),
            temperature=ask("temperature", nvml.nvmlDeviceGetTemperature, handle, 0),
            slowdown_temperature=ask(
                "slowdown temperature", nvml.nvmlDeviceGetTemperatureThreshold, handle, 1
            ),
            power=_watts(ask("power", nvml.nvmlDeviceGetPowerUsage, handle)),
            power_limit=_watts(ask("power limit", nvml.nvmlDeviceGetEnforcedPowerLimit, handle)),
            pcie_generation=ask("PCIe", nvml.nvmlDeviceGetCurrPcieLinkGeneration, handle),
            pcie_generation_max=ask("PCIe", nvml.nvmlDeviceGetMaxPcieLinkGeneration, handle),
            pcie_width=ask("PCIe", nvml.nvmlDeviceGetCurrPcieLinkWidth, handle),
            pcie_width_max=ask("PCIe", nvml.nvmlDeviceGetMaxPcieLinkWidth, handle),
            nvlinks=self._nvlinks(handle),
            fabric=self._fabric(handle),
        )

    def _ecc(self, handle: object, kind: int, since: int) -> int | None:
        """`kind` 1 is uncorrected, 0 corrected; `since` 0 is since the driver was loaded."""
        return self._ask("ECC", self._nvml.nvmlDeviceGetTotalEccErrors, handle, kind, since)

    def _slowed(self, handle: object) -> tuple[str, ...] | None:
        """The older name of the question is known by drivers before 535."""
        nvml = self._nvml
        found = self._ask("clocks", nvml.nvmlDeviceGetCurrentClocksThrottleReasons, handle)
        if found is None:
            found = self._ask("clocks", nvml.nvmlDeviceGetCurrentClocksEventReasons, handle)
        return None if found is None else tuple(w for bit, w in _SLOWED.items() if found & bit)

    def _recovery(self, handle: object) -> str | None:
        ask = self._nvml.nvmlDeviceGetFieldValues
        found = self._ask("recovery", ask, handle, [_RECOVERY_FIELD])
        if not found or found[0].nvmlReturn != 0:
            return None
        return _RECOVERY.get(found[0].value.uiVal, "unknown")

    def _nvlinks(self, handle: object) -> NvLinks | None:
        nvml, states = self._nvml, []
        for link in range(_MAX_LINKS):
            try:
                states.append(nvml.nvmlDeviceGetNvLinkState(handle, link) == 1)
            except nvml.NVMLError as error:
                self._raise_if_lost(error)
                break
        ends = [
            self._ask("NVLink", nvml.nvmlDeviceGetNvLinkRemoteDeviceType, handle, link)
            for link, up in enumerate(states)
            if up
        ]
        words = dict.fromkeys(_ENDS.get(e, "unknown") for e in ends if e is not None)
        return NvLinks(sum(states), len(states) - sum(states), tuple(words)) if states else None

    def _fabric(self, handle: object) -> str | None:
        """Version 2 of the answer, which drivers have had since 545."""
        info = self._nvml.c_nvmlGpuFabricInfoV_t()
        ask = self._nvml.nvmlDeviceGetGpuFabricInfoV
        # The binding passes on what it is given, and the library wants an address.
        if self._ask("fabric", ask, handle, byref(info)) is None:
            return None
        state = _FABRIC.get(info.state & 0xFF)
        return f"{state}, error {info.status}" if state == "completed" and info.status else state

    def _pair(self, one: str, first: object, other: str, second: object) -> GpuPair:
        nvml, self._about = self._nvml, f"{one} and {other}"
        path = self._ask_pair("path", nvml.nvmlDeviceGetTopologyCommonAncestor, first, second)
        status = nvml.nvmlDeviceGetP2PStatus
        peer = self._ask_pair("peer access", status, first, second, _READ)
        nvlink = self._ask_pair("NVLink access", status, first, second, _NVLINK)
        return GpuPair(
            one,
            other,
            None if path is None else _PATHS.get(path, "unknown"),
            None if peer is None else _PEER.get(peer, "unknown"),
            None if nvlink is None else _PEER.get(nvlink, "unknown"),
        )

    def _ask_pair(self, what: str, call: Callable[..., T], *given: object) -> T | None:
        """As `_ask`; a GPU that is lost by now costs the pair alone."""
        try:
            return self._ask(what, call, *given)
        except self._nvml.NVMLError as error:
            self.notes.append(f"{self._about}: {what}: {error}")
            return None

    def _ask(self, what: str, call: Callable[..., T], *given: object) -> T | None:
        """The answer; None where there is none, with a note unless there cannot be one.

        Raises:
            NVMLError: the GPU is lost: every further question would say so.
        """
        nvml = self._nvml
        try:
            return call(*given)
        except (nvml.NVMLError_FunctionNotFound, nvml.NVMLError_NotSupported):
            return None
        except nvml.NVMLError as error:
            self._raise_if_lost(error)
            self.notes.append(f"{self._about}: {what}: {error}")
            return None

    def _raise_if_lost(self, error: Exception) -> None:
        lost = (self._nvml.NVMLError_GpuIsLost, self._nvml.NVMLError_Uninitialized)
        if isinstance(error, lost):
            raise error


def _flag(value: int | None) -> bool | None:
    return None if value is None else value != 0


def _watts(milliwatts: int | None) -> float | None:
    return None if milliwatts is None else round(milliwatts / 1000, 1)
