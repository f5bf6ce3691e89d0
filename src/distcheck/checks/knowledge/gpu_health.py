"""What NVML's numbers mean for a GPU that serves, and which versions of the driver and NCCL do."""

import re
from collections.abc import Iterator

from distcheck.checks.evidence.gpu_health import GpuState

BROKEN_RECOVERY = ("reset", "reboot", "bus reset")
"""What the driver asks for after an error that the GPU does not get over by itself."""
_HELD_DOWN = frozenset(
    {
        "hardware slowdown",
        "software thermal slowdown",
        "hardware thermal slowdown",
        "power brake",
    }
)
"""Not `power cap`: a GPU under full load runs at its limit of power."""
MIN_DRIVER, ADVISED_DRIVER = (535,), (550,)
MIN_NCCL, ADVISED_NCCL = (2, 18), (2, 21)
_VERSION = re.compile(r"([0-9]{1,4})(?:\.([0-9]{1,4}))?")


def broken(state: GpuState) -> str | None:
    """Why the GPU cannot go on; None where nothing says so."""
    if state.recovery in BROKEN_RECOVERY:
        return f"the driver asks for a {state.recovery}"
    return "a row of its memory failed, and no spare one was left" if state.remap_failed else None


def warnings(state: GpuState, fellow_links: int) -> Iterator[tuple[str, str]]:
    """(cause, words) of what should be looked at."""
    if state.ecc_uncorrected:
        times = "error" if state.ecc_uncorrected == 1 else "errors"
        yield "gpu_ecc", f"{state.ecc_uncorrected} uncorrected ECC {times} since the driver started"
    if state.remap_pending or state.retired_pending:
        yield "gpu_remap_pending", "memory waits for a reset to be replaced by spare rows"
    if state.recovery in ("drain and reset", "drain peer-to-peer"):
        yield "gpu_recovery", f"the driver asks to {state.recovery}"
    held = [name for name in state.slowed or () if name in _HELD_DOWN]
    if held:
        yield "gpu_throttled", f"clocks are held down ({', '.join(held)}{_heat(state)})"
    up = state.nvlinks.up if state.nvlinks else 0
    if state.nvlinks is not None and up < fellow_links:
        yield "nvlink_down", f"{up} NVLinks are up, {fellow_links} on others of the pod"
    if state.fabric in ("not started", "in progress") or (state.fabric or "").startswith(
        "completed,"
    ):
        yield "fabric_not_ready", f"NVLink's fabric is {state.fabric}"
    if state.pcie_width and state.pcie_width_max and state.pcie_width < state.pcie_width_max:
        yield "pcie_narrow", f"PCIe has {state.pcie_width} of {state.pcie_width_max} lanes"


def _heat(state: GpuState) -> str:
    if state.temperature is None:
        return ""
    limit = state.slowdown_temperature
    return f", {state.temperature} °C" + (f" of {limit}" if limit else "")


def older(version: str, than: tuple[int, ...]) -> bool:
    """Whether `version` (`550.54.15`) comes before `than`; False where it is no number."""
    found = _VERSION.match(version)
    if found is None:
        return False
    return tuple(int(n) for n in found.groups("0"))[: len(than)] < than
