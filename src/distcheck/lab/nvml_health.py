"""What the stand-in for NVML answers of how GPUs are and how they are joined."""

from collections.abc import Callable, Iterator
from typing import Any

Gpu = dict[str, Any]
GpuOf = Callable[[Any], Gpu]
Answer = Callable[..., int]
SUCCESS, INVALID_ARGUMENT, NOT_SUPPORTED = 0, 2, 3

_NUMBERS = {
    "nvmlDeviceGetRetiredPagesPendingStatus": "retired_pending",
    "nvmlDeviceGetCurrentClocksThrottleReasons": "slowed",
    "nvmlDeviceGetPowerUsage": "power",
    "nvmlDeviceGetEnforcedPowerLimit": "power_limit",
    "nvmlDeviceGetCurrPcieLinkGeneration": "pcie_generation",
    "nvmlDeviceGetMaxPcieLinkGeneration": "pcie_generation_max",
    "nvmlDeviceGetCurrPcieLinkWidth": "pcie_width",
    "nvmlDeviceGetMaxPcieLinkWidth": "pcie_width_max",
}
HEALTHY: dict[str, Any] = {
    "utilization": 97,
    "ecc": [[0, 0], [0, 0]],
    "remapped": [0, 0, 0, 0],
    "retired_pending": 0,
    "slowed": 0,
    "recovery": 0,
    "temperature": [54, 89],
    "power": 512_300,
    "power_limit": 700_000,
    "pcie_generation": 5,
    "pcie_generation_max": 5,
    "pcie_width": 16,
    "pcie_width_max": 16,
    "nvlinks": [1] * 18,
    "fabric": 3,
}
"""An H100 of an HGX board under load. `ecc` is [corrected, uncorrected] since the driver was loaded
and ever; `remapped` as NVML orders it: corrected, uncorrected, pending, failed. A GPU that lacks a
name does not support the question."""


def health_functions(gpu_of: GpuOf, pair_of: Callable[[], Gpu]) -> Iterator[tuple[str, Answer]]:
    """The library's functions by name; `gpu_of` finds a handle's GPU in the file."""
    for function, name in _NUMBERS.items():
        yield function, _number(gpu_of, name)
    yield "nvmlDeviceGetUtilizationRates", _told(gpu_of, "utilization", _use)
    yield "nvmlDeviceGetTemperature", _at(gpu_of, "temperature", 0)
    yield "nvmlDeviceGetTemperatureThreshold", _at(gpu_of, "temperature", 1)
    yield "nvmlDeviceGetTotalEccErrors", _ecc(gpu_of)
    yield "nvmlDeviceGetRemappedRows", _rows(gpu_of)
    yield "nvmlDeviceGetNvLinkState", _link(gpu_of)
    yield "nvmlDeviceGetNvLinkRemoteDeviceType", _link_end(gpu_of)
    yield "nvmlDeviceGetFieldValues", _field(gpu_of)
    yield "nvmlDeviceGetGpuFabricInfoV", _told(gpu_of, "fabric", _fabric)
    yield "nvmlDeviceGetTopologyCommonAncestor", _path(pair_of)
    yield "nvmlDeviceGetP2PStatus", _peer(pair_of)


def _told(gpu_of: GpuOf, name: str, write: Callable[[Any, Any], None]) -> Answer:
    def answer(handle: Any, to: Any) -> int:
        gpu = gpu_of(handle)
        if name not in gpu:
            return NOT_SUPPORTED
        write(_of(to), gpu[name])
        return SUCCESS

    return answer


def _number(gpu_of: GpuOf, name: str) -> Answer:
    def write(to: Any, value: Any) -> None:
        to.value = value

    return _told(gpu_of, name, write)


def _use(to: Any, value: Any) -> None:
    to.gpu = value


def _fabric(to: Any, value: Any) -> None:
    to.state = value


def _at(gpu_of: GpuOf, name: str, index: int) -> Answer:
    def answer(handle: Any, _what: Any, to: Any) -> int:
        told = gpu_of(handle).get(name)
        if told is None:
            return NOT_SUPPORTED
        _of(to).value = told[index]
        return SUCCESS

    return answer


def _ecc(gpu_of: GpuOf) -> Answer:
    def answer(handle: Any, kind: Any, since: Any, to: Any) -> int:
        told = gpu_of(handle).get("ecc")
        if told is None:
            return NOT_SUPPORTED
        _of(to).value = told[since.value][kind.value]
        return SUCCESS

    return answer


def _rows(gpu_of: GpuOf) -> Answer:
    def answer(handle: Any, *to: Any) -> int:
        told = gpu_of(handle).get("remapped")
        if told is None:
            return NOT_SUPPORTED
        for one, value in zip(to, told, strict=True):
            _of(one).value = value
        return SUCCESS

    return answer


def _link(gpu_of: GpuOf) -> Answer:
    def answer(handle: Any, link: int, to: Any) -> int:
        told = gpu_of(handle).get("nvlinks")
        if told is None or link >= len(told):
            return NOT_SUPPORTED if told is None else INVALID_ARGUMENT
        _of(to).value = told[link]
        return SUCCESS

    return answer


def _link_end(gpu_of: GpuOf) -> Answer:
    def answer(handle: Any, _link: int, to: Any) -> int:
        _of(to).value = gpu_of(handle).get("nvlink_end", 2)
        return SUCCESS

    return answer


def _field(gpu_of: GpuOf) -> Answer:
    def answer(handle: Any, _count: Any, values: Any) -> int:
        (one,) = _of(values)
        recovery = gpu_of(handle).get("recovery")
        one.nvmlReturn = NOT_SUPPORTED if recovery is None else SUCCESS
        one.value.uiVal = recovery or 0
        return SUCCESS

    return answer


def _path(pair_of: Callable[[], Gpu]) -> Answer:
    def answer(_one: Any, _other: Any, to: Any) -> int:
        told = pair_of()
        _of(to).value = told.get("path", 0)
        return SUCCESS if told else NOT_SUPPORTED

    return answer


def _peer(pair_of: Callable[[], Gpu]) -> Answer:
    def answer(_one: Any, _other: Any, index: int, to: Any) -> int:
        told = pair_of()
        _of(to).value = told.get({0: "peer", 2: "nvlink"}.get(index, ""), 0)
        return SUCCESS if told else NOT_SUPPORTED

    return answer


def _of(reference: Any) -> Any:
    """What a `byref(...)` of the binding refers to."""
    return reference._obj  # noqa: SLF001 - ctypes has no other way back
