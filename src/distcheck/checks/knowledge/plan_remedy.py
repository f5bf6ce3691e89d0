"""The smallest change that works, where the best layout does not."""

from collections.abc import Iterator
from itertools import islice

from msgspec import structs

from distcheck.checks.knowledge.plan import Ask, PlannedLayout
from distcheck.checks.knowledge.plan_candidates import candidates, cuts, divisors
from distcheck.checks.knowledge.plan_judge import judge
from distcheck.checks.knowledge.plan_order import rank
from distcheck.checks.knowledge.plan_refused import refused
from distcheck.checks.knowledge.plan_room import text_sizes
from distcheck.checks.knowledge.plan_words import cut_words, spans_nodes
from distcheck.checks.knowledge.weights import Layout

_SHARED = 2
"""More than what ranks hold twice by design, so that no number of GPUs is passed over."""
_MOST_GPUS, _MOST_TRIES, _MOST_HEADS = 64, 64, 4096


def remedied(ask: Ask, layouts: list[PlannedLayout]) -> list[PlannedLayout]:
    """A layout that vLLM refuses names the nearest one, of no more GPUs, that it does not."""
    best = layouts[0]
    if not best.refused or best.memory or best.shortened or refused(ask):
        return layouts
    near = next(_accepted(ask, best), None)
    if near is None:
        return layouts
    says = f"{best.advice} {cut_words(near)} {_verdict(near)}{_of(near, ask.gpus or best.gpus)}."
    return [structs.replace(best, advice=says), *layouts[1:]]


def _accepted(ask: Ask, best: PlannedLayout) -> Iterator[PlannedLayout]:
    """The same PP before another, then the nearest TP, the smaller of two; copies as asked."""
    most, copies = ask.gpus or best.gpus, ask.dp or 1
    near = (
        Layout(tp, pp, copies, spread)
        for spread in dict.fromkeys((best.ep > 1, False))
        for pp in sorted({best.pp, *divisors(most)}, key=lambda pp: (abs(pp - best.pp), pp))
        for tp in sorted(_ways(ask, most), key=lambda tp: (abs(tp - best.tp), tp))
        if tp * pp * copies <= most
    )
    for cut in islice(near, _MOST_TRIES):
        one = judge(ask, cut)
        if not one.refused and not one.avoided and not _doubtful(ask, one):
            yield one


def _doubtful(ask: Ask, one: PlannedLayout) -> bool:
    """TP across nodes, over an interconnect that nobody described."""
    return one.nodes > 1 and spans_nodes(ask, one.tp) and ask.fabric is None


def _ways(ask: Ask, most: int) -> list[int]:
    """TP that divides the attention heads; powers of two where their number is not known."""
    heads = text_sizes(ask.config)("num_attention_heads")
    found = divisors(heads) if heads and heads <= _MOST_HEADS else [1 << n for n in range(8)]
    return [tp for tp in found if tp <= most]


def _verdict(one: PlannedLayout) -> str:
    if not one.memory:
        return "would start"
    length = f" with --max-model-len {one.max_model_len}" if one.shortened else ""
    return f"{'fits' if one.fits else 'may fit'}{length}"


def _of(one: PlannedLayout, gpus: int) -> str:
    return f", on {one.gpus} of {gpus} GPUs" if one.gpus < gpus else ""


def more_memory(ask: Ask, best: PlannedLayout) -> Iterator[str]:
    """What makes room where memory does not do: a shorter length, more GPUs."""
    if best.fits is not False or not best.memory:
        return
    if ask.max_model_len is not None:
        yield from _shorter(ask)
    yield from _larger(ask, best)


def _shorter(ask: Ask) -> Iterator[str]:
    own = structs.replace(ask, max_model_len=None)
    each = [judge(own, cut) for cut in candidates(own)]
    fits = [one for one in each if one.fits and one.shortened and not one.avoided]
    found = min(fits, key=lambda one: rank(own, one), default=None)
    if found is not None:
        yield f"{cut_words(found)} fits with --max-model-len {found.max_model_len}."


def _larger(ask: Ask, best: PlannedLayout) -> Iterator[str]:
    least = sum(gpu.weights_low * len(gpu.ranks) for gpu in best.memory) // best.dp
    for gpus in _counts(ask, ask.gpus or best.gpus):
        if (ask.gpu_bytes or 0) * gpus * _SHARED < least:
            continue
        larger = structs.replace(ask, gpus=gpus, tp=None, pp=None, dp=None)
        each = (judge(larger, cut) for cut in cuts(larger, gpus) if _usual(ask, cut))
        fits = [one for one in each if one.fits and not one.avoided]
        found = min(fits, key=lambda one: rank(larger, one), default=None)
        if found is not None:
            yield f"It fits on {gpus} such GPUs, as {cut_words(found)}{_cut_length(found)}."
            return
    if (ask.gpus or best.gpus) < _MOST_GPUS:
        yield f"No usual layout of up to {_MOST_GPUS} such GPUs is sure to fit."


def _usual(ask: Ask, cut: Layout) -> bool:
    """One copy; stages that are a node, or half of one."""
    nodes = -(-cut.world // ask.gpus_per_node)
    return cut.dp == 1 and (nodes == 1 or cut.pp in (1, nodes, 2 * nodes))


def _cut_length(one: PlannedLayout) -> str:
    return f" with --max-model-len {one.max_model_len}" if one.shortened else ""


def _counts(ask: Ask, gpus: int) -> Iterator[int]:
    """Parts of a node, then whole nodes."""
    yield from (n for n in divisors(ask.gpus_per_node) if n > gpus)
    node = ask.gpus_per_node
    yield from (n for n in range(2 * node, _MOST_GPUS + 1, node) if n > gpus)
