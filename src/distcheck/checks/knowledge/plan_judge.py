"""One layout judged: weights of every rank, KV room, and whether it fits."""

from msgspec import structs

from distcheck.checks.knowledge.plan import Ask, PlannedLayout
from distcheck.checks.knowledge.plan_fit import fit_of
from distcheck.checks.knowledge.plan_flags import flags
from distcheck.checks.knowledge.plan_held import held_by, planned_ranks
from distcheck.checks.knowledge.plan_memory import memory_of, tokens_of
from distcheck.checks.knowledge.plan_short import short_reason
from distcheck.checks.knowledge.plan_words import advice, reasons
from distcheck.checks.knowledge.shm import ShmNeed, shm_need
from distcheck.checks.knowledge.weights import Layout


def judge(ask: Ask, layout: Layout) -> PlannedLayout:
    """Everything that is said of `layout`."""
    held = held_by(ask, layout)
    memory, caches = memory_of(ask, layout, held)
    fit = fit_of(ask, held, memory, caches)
    need = _shm(ask, layout)
    bare = PlannedLayout(
        tp=layout.tp,
        pp=layout.pp,
        ep=layout.tp * layout.dp if layout.expert_parallel else 1,
        dp=layout.dp,
        fits=fit.fits,
        ranks=planned_ranks(layout, held),
        shm_bytes=need.enough,
        advice="",
        why=(),
        gpus=layout.world,
        nodes=nodes_of(ask, layout),
        exact=held.exact,
        weights_are=held.says,
        refused=fit.refused,
        memory=memory,
        kv_tokens=tokens_of(memory, caches),
        max_model_len=fit.length,
        shortened=fit.shortened,
        shm_says=need.enough_says,
    )
    said = advice(ask, bare)
    return structs.replace(
        bare,
        advice=f"{said} {held.instead}" if held.instead else said,
        why=reasons(ask, bare),
        short=short_reason(ask, bare),
        flags=flags(ask, bare),
    )


def nodes_of(ask: Ask, layout: Layout) -> int:
    """Nodes that the layout needs."""
    return -(-layout.world // ask.gpus_per_node)


def _shm(ask: Ask, layout: Layout) -> ShmNeed:
    """Of one pod: its share of the ranks, and communicators that leave it where there are nodes."""
    alone = nodes_of(ask, layout) == 1
    return shm_need(min(layout.world, ask.gpus_per_node), 0 if alone else None, None)
