"""What else takes GPU memory: ranges seen, in GiB, and where they were seen."""

from msgspec import Struct


class Overhead(Struct, frozen=True):
    """A range in GiB on one GPU; `seen` says on what it rests."""

    name: str
    low: float
    high: float
    seen: str


OVERHEADS = (
    Overhead("CUDA context", 0.38, 0.61, "first snapshot: RTX 4090 idle, H100 with TP=1"),
    Overhead(
        "NCCL and custom all-reduce buffers", 0.06, 1.0, "non-torch growth, TP 1 to 8; H100, TP=2"
    ),
    Overhead("activations at their peak", 0.09, 10.45, "profiling lines of public logs"),
    Overhead("CUDA graphs", 0.0, 6.32, "graph capture lines of 16 public logs"),
)
