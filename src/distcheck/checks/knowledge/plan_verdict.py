"""One word for a plan, and its best layout in short."""

from distcheck.checks.knowledge.plan import PlannedBest, PlannedLayout, Verdict


def verdict_of(best: PlannedLayout) -> Verdict:
    """What the first layout comes to."""
    if best.refused and not best.memory and not best.shortened:
        return "refused"
    if best.fits is False:
        return "does_not_fit"
    if best.avoided:
        return "avoid"
    if best.fits:
        return "fits"
    if best.ranks[0].weights_bytes_low is None:
        return "unknown"
    return "may_fit" if best.memory else "weights_only"


def chosen(best: PlannedLayout, verdict: Verdict) -> PlannedBest | None:
    """The first layout, where it may be deployed."""
    if not best.flags or verdict not in ("fits", "may_fit", "weights_only"):
        return None
    return PlannedBest(
        tp=best.tp,
        pp=best.pp,
        ep=best.ep,
        dp=best.dp,
        gpus=best.gpus,
        nodes=best.nodes,
        max_model_len=best.max_model_len,
        flags=best.flags,
    )
