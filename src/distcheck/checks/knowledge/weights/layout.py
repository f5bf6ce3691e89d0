"""How a model is cut, and what of the engine decides how its tensors are stored."""

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

Kernel = Literal["marlin", "triton"]
KERNELS: tuple[Kernel, ...] = ("marlin", "triton")


class Layout(Struct, frozen=True):
    """How one copy of a model is cut: tensor, pipeline, data parallel; experts whole or cut."""

    tp: int
    pp: int = 1
    dp: int = 1
    expert_parallel: bool = False

    @property
    def world(self) -> int:
        """Ranks of all data parallel copies together."""
        return self.tp * self.pp * self.dp

    def places(self) -> Iterator["Place"]:
        """Every rank's place, in vLLM's order: data, then pipeline, then tensor parallel."""
        for rank in range(self.world):
            outer, tp = divmod(rank, self.tp)
            dp, pp = divmod(outer, self.pp)
            yield Place(rank, tp, pp, dp)


class Place(Struct, frozen=True):
    """Where one rank stands in a layout."""

    rank: int
    tp_rank: int
    pp_rank: int
    dp_rank: int


class Engine(Struct, frozen=True, kw_only=True):
    """What vLLM's version and arguments add to the model's own files."""

    version: str | None = None
    dtype: str | None = None
    """`--dtype`; None and "auto" take the checkpoint's."""
    quantisation: str | None = None
    """`--quantization`, which quantises a 16 bit checkpoint while it is loaded."""
    layer_partition: str | None = None
    """VLLM_PP_LAYER_PARTITION: layers of each stage, comma separated."""
    mxfp4_kernel: Kernel | None = None
    """What runs MXFP4 experts, and so pads them; it depends on the GPU and what is installed."""
    whole_vision: bool = False
    """`--mm-encoder-tp-mode data`: the vision tower is whole on every rank."""
    redundant_experts: int = 0
    """Extra copies of experts that the load balancer (EPLB) may place."""


class Refused(Exception):  # noqa: N818 - the engine's answer, not an accident
    """vLLM would not start so; the text is vLLM's own where it has one."""


class Unmodelled(Exception):  # noqa: N818 - a limit of this arithmetic
    """Nothing exact can be said, and why."""


class UnknownKernel(Unmodelled):
    """Exact for each of a few kernels, but which one runs is not known."""
