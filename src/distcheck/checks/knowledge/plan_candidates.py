"""Every cut of a model over GPUs that somebody might deploy."""

from collections.abc import Iterator

from msgspec import structs

from distcheck.checks.knowledge.plan import Ask
from distcheck.checks.knowledge.plan_fabric import carries
from distcheck.checks.knowledge.plan_room import text_sizes
from distcheck.checks.knowledge.plan_words import spans_nodes
from distcheck.checks.knowledge.weights import Layout

_LADDER = (1, 2, 4, 8, 16, 32)
EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts")


def candidates(ask: Ask) -> list[Layout]:
    """The fixed layout, all cuts of the GPUs that are there, or a ladder of GPUs."""
    if ask.gpus is None and (ask.tp or ask.pp or ask.dp):
        return [_fixed(ask)]
    if ask.tp and ask.pp:
        return [_fixed(ask)]
    if ask.gpus is None:
        return [cut for gpus in _LADDER for cut in cuts(ask, gpus) if cut.pp == 1 or gpus > 8]
    return list(cuts(ask, ask.gpus)) or [_fixed(ask)]


def _fixed(ask: Ask) -> Layout:
    return Layout(ask.tp or 1, ask.pp or 1, ask.dp or 1, bool(ask.expert_parallel))


def cuts(ask: Ask, gpus: int) -> Iterator[Layout]:
    """Every TP x PP x DP of so many GPUs that somebody might deploy."""
    count = text_sizes(ask.config)(*EXPERTS) or 0
    for tp in divisors(gpus):
        for pp in divisors(gpus // tp):
            cut = Layout(tp, pp, gpus // tp // pp)
            if _wanted(ask, cut) and _sensible(ask, cut, experts=count > 0):
                yield cut
            if pp == 1 and 1 < gpus <= count and ask.expert_parallel is not False:
                spread = structs.replace(cut, expert_parallel=True)
                if _wanted(ask, spread) and _spreads(ask, spread):
                    yield spread


def _wanted(ask: Ask, cut: Layout) -> bool:
    """Agrees with what was fixed; one copy of the model where DP was not."""
    pairs = ((ask.tp, cut.tp), (ask.pp, cut.pp), (ask.dp, cut.dp))
    fixed = all(asked in (None, has) for asked, has in pairs)
    return fixed and ask.expert_parallel in (None, cut.expert_parallel)


def _sensible(ask: Ask, cut: Layout, *, experts: bool) -> bool:
    """Copies only inside a node, and of dense models; no TP that the network cannot carry."""
    if cut.dp > 1:
        return ask.dp is not None or (
            not experts and cut.pp == 1 and not spans_nodes(ask, cut.tp) and ask.gpus is not None
        )
    crosses = cut.world > ask.gpus_per_node and spans_nodes(ask, cut.tp)
    return not crosses or ask.tp is not None or carries(ask.fabric) != "pp_only"


def _spreads(ask: Ask, cut: Layout) -> bool:
    """Experts over all ranks, attention inside a node."""
    if ask.gpus is None or (cut.world > ask.gpus_per_node and carries(ask.fabric) == "pp_only"):
        return False
    return cut.tp == min(ask.gpus_per_node, cut.world) or ask.tp is not None


def divisors(number: int) -> list[int]:
    """All of them, in order."""
    return [n for n in range(1, number + 1) if number % n == 0]
