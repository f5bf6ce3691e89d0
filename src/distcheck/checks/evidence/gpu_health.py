"""How a node's GPUs are, and how they are joined, as NVML tells."""

from msgspec import Struct, field

from distcheck.checks.evidence.seen import Seen


class NvLinks(Struct, frozen=True):
    """The NVLinks of one GPU that are up, and those that are not; `to` is what is at their ends.

    `to` has `gpu`, `switch` or other words of NVML's, each once.
    """

    up: int
    down: int
    to: tuple[str, ...] = ()


class GpuState(Struct, frozen=True, omit_defaults=True):
    """One GPU; None is what it did not tell.

    `ecc_*` count errors of memory: volatile ones since the driver was loaded, and `_ever`.
    `*_pending` waits for a reset: rows to be remapped, pages to be retired. `remap_failed`: no
    spare row was left. `slowed` names why its clocks are held down (`power cap`, `hardware
    thermal slowdown`), `recovery` what the driver asks for to get it back (`none`, `reset`).
    `fabric` is how far NVLink's fabric came (`completed`). Power is in watts, temperatures in
    degrees Celsius, PCIe widths in lanes. `nvlinks` is None where it has none.
    """

    uuid: str
    index: int
    name: str = ""
    utilization: int | None = None
    ecc_uncorrected: int | None = None
    ecc_corrected: int | None = None
    ecc_uncorrected_ever: int | None = None
    ecc_corrected_ever: int | None = None
    remapped_uncorrected: int | None = None
    remap_pending: bool | None = None
    remap_failed: bool | None = None
    retired_pending: bool | None = None
    slowed: tuple[str, ...] | None = None
    recovery: str | None = None
    temperature: int | None = None
    slowdown_temperature: int | None = None
    power: float | None = None
    power_limit: float | None = None
    pcie_generation: int | None = None
    pcie_generation_max: int | None = None
    pcie_width: int | None = None
    pcie_width_max: int | None = None
    nvlinks: NvLinks | None = None
    fabric: str | None = None


class LostGpu(Struct, frozen=True, omit_defaults=True):
    """A GPU that the driver counts and that does not answer; `uuid` from a look before."""

    index: int
    reason: str
    uuid: str = ""


class GpuPair(Struct, frozen=True, omit_defaults=True):
    """How two GPUs are joined: `path` over PCIe, and whether one reaches the other's memory.

    `path` is `internal`, `single`, `multiple`, `hostbridge`, `node` or `system`, nearest first.
    `peer` is `ok` or why there is no access at all (`chipset not supported`), `nvlink` the same
    for NVLink.
    """

    one: str
    other: str
    path: str | None = None
    peer: str | None = None
    nvlink: str | None = None


class GpuHealth(Seen, frozen=True, tag="gpu-health"):
    """All GPUs of a node. `notes` say what NVML did not answer.

    `used_before` is the utilization of each GPU (by UUID, in percent) in an earlier look of the
    same agent, and `before_at` when that was.
    """

    gpus: tuple[GpuState, ...]
    lost: tuple[LostGpu, ...] = ()
    pairs: tuple[GpuPair, ...] = ()
    driver: str = ""
    seen_at: str | None = None
    notes: tuple[str, ...] = ()
    used_before: dict[str, int] = field(default_factory=dict)
    before_at: str | None = None

    @property
    def used(self) -> dict[str, int]:
        """The utilization of each GPU that tells it: one cut by MIG does not."""
        return {g.uuid: g.utilization for g in self.gpus if g.utilization is not None}
