"""Servers that wait for other pods, and servers beside them that nobody told to join."""

from distcheck.checks.manifest.container import Asks, Container
from distcheck.checks.manifest.group import Group
from distcheck.pattern import pattern

_TOLD = pattern(
    r"nnodes|node[-_]rank|--config\b|torchrun|mpirun|torch\.distributed|accelerate launch|headless"
    r"|data[-_]parallel[-_](?:address|rank|start|hybrid|external|rpc)|dist[-_]init|master[-_]addr"
    r"|disaggregation"
)
_UNREAD = frozenset({"tp", "pp", "dp", "dp_local", "nnodes", "headless", "arguments"})
_ENGINES = ("vllm", "sglang")


def waits_for(engine: Container) -> str:
    """What a server needs of other pods, in words; empty where its own GPUs are enough.

    vLLM's and SGLang's ranks beyond the GPUs of the pod, nodes that it counts, or copies (DP)
    that it does not start itself and balances.
    """
    asks = engine.asks
    if asks is None or asks.engine not in _ENGINES or _UNREAD & set(asks.unread):
        return ""
    copies, ranks = asks.dp or 1, (asks.tp or 1) * (asks.pp or 1)
    if (asks.nnodes or 1) > 1:
        return f"{asks.nnodes} nodes"
    if copies > 1:
        own = asks.dp_local
        balances = asks.dp_hybrid_lb or asks.dp_external_lb or asks.dp_rank is not None
        return f"{copies} copies" if own is not None and own < copies and not balances else ""
    return f"{ranks} ranks" if ranks > engine.gpus > 0 else ""


def stands_alone(engine: Container) -> bool:
    """Whether it is a server that fits its own pod, and is told of no other one."""
    asks = engine.asks
    if asks is None or asks.engine not in _ENGINES or _UNREAD & set(asks.unread):
        return False
    if engine.joins or engine.ray or engine.nim or _is_told(asks):
        return False
    told = [t.text for t in engine.texts] + [w for c in engine.commands for w in c.words]
    return engine.is_read and not any(_TOLD.search(t) or t == "-n" for t in told)


def stage_of(engine: Container) -> str:
    """`prefill` or `decode` of a server of SGLang: each is an engine with ranks of its own."""
    return next((v for c in engine.commands for v in c.values("--disaggregation-mode")), "")


def _is_told(asks: Asks) -> bool:
    """Whether a flag makes it a part of something, or its executor starts ranks elsewhere."""
    ours = (asks.node_rank, asks.master_addr, asks.dp_address, asks.dp_rank, asks.dp_start)
    balanced = asks.headless or asks.dp_hybrid_lb or asks.dp_external_lb
    parts = balanced or (asks.nnodes or 1) > 1 or any(one is not None for one in ours)
    return parts or asks.executor not in (None, "mp", "uni")


def joiners(group: Group) -> int:
    """Templates beside the leader's whose ranks are told of others: two parts in one group."""
    return sum(not stands_alone(e) for m, e in group.engines if m is not group.leader)
