"""What can be said of a rank's weights: exact bytes, bounds, or why the engine would refuse."""

from msgspec import Struct

from distcheck.checks.knowledge.weights.layout import Place
from distcheck.checks.knowledge.weights.tensors import Part


class RankWeights(Struct, frozen=True):
    """Bytes of weights on one rank, as vLLM's own log line counts them."""

    place: Place
    weights_bytes: int
    parts: dict[Part, int]


class Exact(Struct, frozen=True):
    """Every rank of a layout, in vLLM's order."""

    ranks: tuple[RankWeights, ...]
    scheme: str


class Estimate(Struct, frozen=True):
    """Bounds on what any one rank holds, in bytes, and why there is nothing exact."""

    low: int
    high: int
    reason: str


class Refusal(Struct, frozen=True):
    """vLLM would not start with this layout, in vLLM's own words where it has any."""

    reason: str


class Unknown(Struct, frozen=True):
    """Neither exact nor bounded: the model is not modelled and its checkpoint's size not known."""

    reason: str


Weights = Exact | Estimate | Refusal | Unknown
