"""The rows of a model's table: what each tensor is, and how tensor parallelism cuts it.

"column" cuts the outputs (ColumnParallelLinear), "row" the inputs (RowParallelLinear), "whole"
nothing (ReplicatedLinear); vllm/model_executor/layers/linear.py.
"""

from typing import Literal

from msgspec import Struct

from distcheck.checks.knowledge.weights.layout import Refused

Part = Literal[
    "embedding", "attention", "mlp", "experts", "norms", "head", "vision", "scales", "buffers"
]
Cut = Literal["column", "row", "whole"]
Version = tuple[int, int, int]


class Axis(Struct, frozen=True):
    """One side of a matrix: `units` that stay together, of `size` elements each."""

    units: int
    size: int = 1
    shared: bool = False
    """Beyond its units, ranks hold copies (KV heads) in place of being refused."""

    @property
    def length(self) -> int:
        """Elements of the whole side."""
        return self.units * self.size

    def on(self, ranks: int) -> int:
        """Elements that each of `ranks` holds; refused where they cannot be cut."""
        if self.shared and ranks >= self.units:
            _divide(ranks, self.units)
            return self.size
        return _divide(self.units, ranks) * self.size


def _divide(numerator: int, denominator: int) -> int:
    if numerator % denominator:
        raise Refused(f"{numerator} is not divisible by {denominator}")
    return numerator // denominator


class Linear(Struct, frozen=True):
    """A matrix multiplication; `outputs` has several sides where vLLM fuses several into one."""

    part: Part
    name: str
    outputs: tuple[Axis, ...]
    inputs: Axis
    cut: Cut
    bias: bool = False
    quantised: bool = True
    quantised_since: Version | None = None
    """A router that older versions of vLLM keep in 16 bit; None: no such border."""

    def on(self, ranks: int) -> "Shard":
        """What one of `ranks` holds."""
        columns = ranks if self.cut == "column" else 1
        rows = ranks if self.cut == "row" else 1
        return Shard(
            outputs=tuple(side.on(columns) for side in self.outputs),
            inputs=self.inputs.on(rows),
            all_inputs=self.inputs.length,
            cut_outputs=columns > 1,
        )


class Experts(Struct, frozen=True):
    """Routed experts: two stacked matrices, gate and up in one, and down."""

    name: str
    count: int
    hidden: int
    intermediate: int
    bias: bool = False
    part: Part = "experts"


class Vector(Struct, frozen=True):
    """Anything that is not multiplied as a matrix: norms, sinks, positions. Cut where `heads`."""

    part: Part
    name: str
    elements: int
    heads: int = 0
    element_bytes: int | None = None
    """None: as the model's dtype."""


class Vocabulary(Struct, frozen=True):
    """The embedding or the head: padded to a multiple of 64, then cut."""

    part: Part
    tokens: int
    hidden: int
    bias: bool = False


class Rope(Struct, frozen=True):
    """The cosine and sine table that all layers of one kind share."""

    name: str
    positions: int
    width: int
    element_bytes: int | None = None


class Scalars(Struct, frozen=True):
    """Attention's own scales, one number each, each in a block of its own."""

    name: str


class Derived(Struct, frozen=True, kw_only=True):
    """What MLA makes of its projections after loading, cut by heads.

    From 0.8 on two matrices of kv_b in the model's dtype; 0.7 absorbed projections into each
    other; before it had no MLA.
    """

    name: str
    heads: int
    copies: tuple[int, ...]
    """Elements a head, in the model's dtype."""
    early_copies: tuple[int, ...]
    absorbed: tuple[tuple[int, int], ...]
    """0.7: outputs a head and inputs, quantised as the layer that they come from."""
    part: Part = "attention"


Row = Linear | Experts | Vector | Vocabulary | Rope | Scalars | Derived
Rows = tuple[Row, ...]


class Shard(Struct, frozen=True):
    """A rank's part of one matrix: elements of each output side, and of the inputs."""

    outputs: tuple[int, ...]
    inputs: int
    all_inputs: int
    copies: int = 1
    cut_outputs: bool = False

    @property
    def rows(self) -> int:
        """Outputs on this rank."""
        return sum(self.outputs)

    @property
    def elements(self) -> int:
        """Weights on this rank."""
        return self.rows * self.inputs * self.copies
