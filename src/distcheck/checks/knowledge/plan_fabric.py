"""What a network between nodes can carry: tensor parallelism, or pipeline stages only.

Tensor parallelism makes two all-reduces a layer and waits for each; a pipeline stage sends one
activation a step to the next. NVLink inside a node carries the first; between nodes it takes
RDMA of 400 Gb/s for each GPU, or nearly so.
"""

from typing import Literal

from msgspec import Struct

Carries = Literal["tp", "either", "pp", "pp_only", "unknown"]
_TP, _EITHER, _SLOW = 400, 200, 25


class Fabric(Struct, frozen=True):
    """The network of one GPU: Gb/s, and its kind ("ib", "roce", "efa", "ethernet", or not said)."""

    gbps: int
    kind: str = ""

    @property
    def words(self) -> str:
        """`400 Gb/s InfiniBand`."""
        names = {"ib": "InfiniBand", "roce": "RoCE", "efa": "EFA", "ethernet": "Ethernet"}
        return f"{self.gbps} Gb/s {names.get(self.kind, '')}".strip()


def carries(fabric: Fabric | None) -> Carries:
    """What may cross nodes: TP, either at a price, PP rather, PP only."""
    if fabric is None:
        return "unknown"
    if fabric.gbps <= _SLOW:
        return "pp_only"
    if fabric.kind == "ethernet" or fabric.gbps < _EITHER:
        return "pp"
    return "tp" if fabric.gbps >= _TP else "either"


def tp_across(fabric: Fabric | None) -> str:
    """One sentence on TP that spans nodes."""
    if fabric is None:
        return "TP across nodes needs RDMA of 400 Gb/s a GPU, and the interconnect was not given"
    match carries(fabric):
        case "tp":
            seen = "" if fabric.kind else ", if that is RDMA"
            return f"{fabric.words} carries TP across nodes{seen}"
        case "either":
            return f"TP across nodes is possible over {fabric.words}; each layer waits for it"
        case "pp" if fabric.kind == "ethernet":
            return f"TP across nodes is not advised over {fabric.words}: sockets, not RDMA"
        case "pp":
            return f"{fabric.words} is too slow for TP across nodes: each layer would wait for it"
    return f"{fabric.words} carries pipeline stages only, never TP"


def pp_across(tp: int, fabric: Fabric | None) -> str:
    """One sentence on TP in the node with pipeline stages across."""
    inside = f"TP={tp} inside a node over NVLink, PP across nodes" if tp > 1 else "PP across nodes"
    match carries(fabric):
        case "unknown":
            return f"{inside}: right for any interconnect"
        case "tp":
            return f"{inside}: for throughput; TP across answers sooner"
        case "either":
            return f"{inside}: safer than TP across {_of(fabric)}"
        case "pp":
            return f"{inside}: what {_of(fabric)} can carry"
    return f"{inside}: all that {_of(fabric)} can carry"


def _of(fabric: Fabric | None) -> str:
    return fabric.words if fabric else "the interconnect"
