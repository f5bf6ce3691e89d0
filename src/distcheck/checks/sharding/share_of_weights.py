"""SHARD001."""

from collections import Counter

from distcheck.checks.check import check
from distcheck.checks.evidence import Cite
from distcheck.checks.facts.engine_start import EngineStart
from distcheck.checks.facts.sharding import Expected, Share, WeightsPlan, WeightsSeen
from distcheck.checks.verdict import Verdict, failed, passed, unknown

_TOLERANCE = 0.015
"""What vLLM reports differs from the computed weights by 0.003 % (median of 35 reports)."""

_COUNT = {2: "two", 3: "three", 4: "four"}


@check("SHARD001")
def share_of_weights(seen: WeightsSeen, plan: WeightsPlan, start: EngineStart) -> Verdict:
    """Every GPU holds its share of the weights, 1/(TP x PP), no more.

    Proves:
        Each worker's own log line says that it loaded what its rank of the layout asked for
        should hold, computed from the model's config.json. Used GPU memory is not judged:
        vLLM fills every GPU to its limit, cut or not. From vLLM 0.11.1 on only one worker a
        node prints the line; ranks of the same world and stage on that node are then taken
        to hold the same.

    Causes:
        replicated: each GPU holds more than its share, and the shares add up to whole copies
        wrong_degree: GPUs hold a share that belongs to another degree than the one asked for
        wrong_layout: ranks have places that the layout asked for does not have

    Remedy:
        Compare --tensor-parallel-size and --pipeline-parallel-size of the running engines
        with the spec: a start script that counts the GPUs of its own pod makes each pod
        serve a copy of its own. Start one engine, on the leader only, with the full size.
    """
    fits = {share: _degrees(share, plan) for share in seen.shares}
    wrong = [
        share for share, degrees in fits.items() if degrees and plan.wanted.degree not in degrees
    ]
    if wrong:
        return _fail(seen, plan, wrong, {d for share in wrong for d in fits[share]})
    if outside := [share for share in seen.shares if _outside(share, plan.wanted)]:
        return _elsewhere(outside, plan)
    unclear = [share for share, degrees in fits.items() if degrees != {plan.wanted.degree}]
    if unclear:
        return _unclear(seen, plan, unclear[0], fits[unclear[0]])
    if uneven := _uneven(seen, plan.wanted):
        return unknown(uneven, (*_cites(seen.shares, plan), *start.cites))
    says = (
        f"{seen.witnessed} of {max(seen.gpus, seen.asked)} GPUs hold {_values(seen.shares)} GiB "
        f"of weights, 1/{plan.wanted.degree} of the model, as {_layout(plan.wanted)} should"
    )
    cites = (*_cites(seen.shares, plan), *start.cites)
    return passed(says, cites, dict.fromkeys(s.subject for s in seen.shares))


def _outside(share: Share, want: Expected) -> bool:
    """Whether the rank has a place that the layout asked for does not have."""
    places = ((share.tp, want.tp), (share.pp, want.pp))
    return any(at is not None and not 0 <= at < size for at, size in places)


def _elsewhere(outside: list[Share], plan: WeightsPlan) -> Verdict:
    one = outside[0]
    says = f"{len(outside)} ranks have places that {_layout(plan.wanted)} does not have"
    says += f": one on {one.subject} is TP rank {one.tp}, PP rank {one.pp}"
    cites, subjects = _cites(outside, plan), dict.fromkeys(s.subject for s in outside)
    return failed(says, "wrong_layout", cites, subjects)


def _uneven(seen: WeightsSeen, want: Expected) -> str:
    """Stages with more or fewer ranks than the others; empty where all are alike."""
    stages: Counter[int | None] = Counter()
    for share in seen.shares:
        stages[share.pp] += 1 + share.covers
    told = {stage: count for stage, count in stages.items() if stage is not None}
    each = seen.witnessed / want.pp
    if any(count > each for count in told.values()):
        parts = ", ".join(f"{told[s]} of stage {s}" for s in sorted(told))
        says = f"{seen.witnessed} ranks loaded weights: {parts}"
        return f"{says}, where {_layout(want)} has as many of each"
    return ""


def _degrees(share: Share, plan: WeightsPlan) -> set[int]:
    return {layout.degree for layout in plan.layouts if _fits(share, layout)}


def _fits(share: Share, layout: Expected) -> bool:
    known = share.pp is not None and 0 <= share.pp < layout.pp
    stages = (layout.stages[share.pp],) if known and share.pp is not None else layout.stages
    return any(abs(share.gib / stage - 1) <= _TOLERANCE for stage in stages)


def _fail(seen: WeightsSeen, plan: WeightsPlan, wrong: list[Share], degrees: set[int]) -> Verdict:
    want, held = plan.wanted, max(degrees)
    subjects = dict.fromkeys(s.subject for s in wrong)
    is_copy = len(degrees) == 1 and held < want.degree and len(wrong) == len(seen.shares)
    copies, rest = divmod(seen.gpus, held)
    if is_copy and copies > 1 and not rest:
        says = (
            f"{_who(seen)} {_values(wrong)} GiB, which is 1/{held} of the model: {_copies(copies)}"
        )
        says += f" of {_layout(_like(plan, held))}, not one of {_layout(want)}"
        return failed(says, "replicated", _cites(wrong, plan), subjects)
    what = " or ".join(f"1/{d}" for d in sorted(degrees))
    says = (
        f"{len(wrong)} of {seen.gpus} GPUs hold {_values(wrong)} GiB, which is {what} of the model,"
    )
    says += f" not 1/{want.degree} ({_stages(want)} GiB) as {_layout(want)} should"
    return failed(says, "wrong_degree", _cites(wrong, plan), subjects)


def _unclear(seen: WeightsSeen, plan: WeightsPlan, share: Share, degrees: set[int]) -> Verdict:
    what = " and ".join(f"1/{d}" for d in sorted(degrees)) or "no share"
    says = (
        f"{share.gib:g} GiB on {share.subject} fits {what} of the model; "
        f"{_layout(plan.wanted)} should hold {_stages(plan.wanted)} GiB; "
        f"{seen.witnessed} of {seen.gpus} GPUs seen"
    )
    return unknown(says, _cites(seen.shares, plan))


def _like(plan: WeightsPlan, degree: int) -> Expected:
    return next(layout for layout in plan.layouts if layout.degree == degree)


def _who(seen: WeightsSeen) -> str:
    if seen.witnessed == seen.gpus:
        return f"each of {seen.gpus} GPUs holds"
    return f"{seen.witnessed} of {seen.gpus} GPUs were seen, and each holds"


def _copies(count: int) -> str:
    return f"{_COUNT.get(count, count)} copies"


def _layout(layout: Expected) -> str:
    return f"TP={layout.tp}" + (f" x PP={layout.pp}" if layout.pp > 1 else "")


def _values(shares: tuple[Share, ...] | list[Share]) -> str:
    return " or ".join(dict.fromkeys(f"{s.gib:.2f}" for s in shares))


def _stages(layout: Expected) -> str:
    return " or ".join(dict.fromkeys(f"{g:.2f}" for g in layout.stages))


def _cites(shares: tuple[Share, ...] | list[Share], plan: WeightsPlan) -> tuple[Cite, ...]:
    return (*(s.cite for s in shares), *plan.cites)
