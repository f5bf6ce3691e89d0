"""A layout in words: one piece of advice, the reasons, and the flags that ask vLLM for it."""

from collections.abc import Iterator

from distcheck.checks.knowledge.layer_split import layer_split
from distcheck.checks.knowledge.plan import Ask, PlannedLayout
from distcheck.checks.knowledge.plan_fabric import carries, pp_across, tp_across
from distcheck.checks.knowledge.plan_room import text_sizes
from distcheck.checks.knowledge.weights import GIB

_AVOID = ("pp", "pp_only")


def spans_nodes(ask: Ask, tp: int) -> bool:
    """Whether one TP group has ranks on more than one node."""
    return tp > ask.gpus_per_node or ask.gpus_per_node % tp > 0


def cut_words(one: PlannedLayout) -> str:
    """`TP=8 x PP=2`, with DP where there are copies."""
    parts = [f"TP={one.tp}", f"PP={one.pp}" if one.pp > 1 else ""]
    return " x ".join(p for p in (*parts, f"DP={one.dp}" if one.dp > 1 else "") if p)


def advice(ask: Ask, plan: PlannedLayout) -> str:
    """What to do with this layout, in one sentence."""
    if plan.refused:
        return _refused(ask, plan)
    if _across(ask, plan) and carries(ask.fabric) in _AVOID:
        return f"Avoid this: {tp_across(ask.fabric)}."
    if _scattered(plan) and carries(ask.fabric) == "pp_only":
        words = ask.fabric.words if ask.fabric else "the interconnect"
        return f"Avoid this: {words} carries pipeline stages only, never experts across nodes."
    if plan.fits is None:
        return _open(plan) if plan.memory else _unsized(plan)
    return _deploy(ask, plan)


def _across(ask: Ask, plan: PlannedLayout) -> bool:
    return plan.nodes > 1 and spans_nodes(ask, plan.tp)


def _scattered(plan: PlannedLayout) -> bool:
    """Experts on several nodes: each layer sends tokens to them and waits."""
    return plan.nodes > 1 and plan.ep > 1


def _refused(ask: Ask, plan: PlannedLayout) -> str:
    if plan.shortened:
        own = text_sizes(ask.config)("max_position_embeddings") or 0
        return f"Not for {own:,} tokens; it may fit with --max-model-len {plan.max_model_len}."
    why = "it needs more memory" if plan.memory else "vLLM would not start"
    return f"Do not deploy this: {why}."


def _deploy(ask: Ask, plan: PlannedLayout) -> str:
    if (_across(ask, plan) or _scattered(plan)) and ask.fabric is None:
        return "Fits. Deploy only if the interconnect carries RDMA of 400 Gb/s a GPU."
    if plan.shortened:
        return f"Deploy it with --max-model-len {plan.max_model_len}; more may fit, try it."
    if plan.nodes == 1 and plan.pp > 1 and plan.dp == 1 and not uneven(ask, plan):
        return f"It fits; {place(ask, plan)}."
    return f"Deploy it: {place(ask, plan)}."


def _unsized(plan: PlannedLayout) -> str:
    """Without weights no memory of a GPU says whether it fits."""
    if plan.ranks[0].weights_bytes_low is None:
        return "Whether it fits is not known: neither are its weights. " + BOUNDED_BY
    return "Give --gpu-memory to know whether it fits."


BOUNDED_BY = "Give the folder with the checkpoint or its index: its size bounds them."


def _open(plan: PlannedLayout) -> str:
    if plan.kv_tokens is None:
        return "Try it: what is known leaves open whether it fits."
    return "It may fit, with nothing to spare: try it, or lower --max-model-len."


def place(ask: Ask, plan: PlannedLayout) -> str:
    """Where TP, PP and experts go, and why that suits the interconnect."""
    if plan.ep > 1:
        return _experts(ask, plan)
    if plan.nodes == 1:
        return _on_one_node(ask, plan)
    if spans_nodes(ask, plan.tp):
        return tp_across(ask.fabric)
    if plan.pp > plan.nodes:
        return f"PP={plan.pp} on {plan.nodes} nodes: stages inside a node, where TP is quicker"
    if plan.pp > 1:
        return pp_across(plan.tp, ask.fabric)
    return f"{plan.dp} copies, each inside a node: only requests cross the network"


def _on_one_node(ask: Ask, plan: PlannedLayout) -> str:
    if plan.dp > 1:
        return f"{plan.dp} copies answer more requests at once than one that is cut further"
    if plan.pp > 1:
        whole = plan.tp * plan.pp
        if heads := uneven(ask, plan):
            return f"PP inside the node, because TP={whole} does not divide {heads} heads"
        return f"PP inside a node; TP={whole} over NVLink would answer sooner"
    return "TP inside the node over NVLink" if plan.tp > 1 else "one GPU, nothing between GPUs"


def uneven(ask: Ask, plan: PlannedLayout) -> int:
    """Attention heads, where TP over all of one copy's GPUs would not divide them; else 0."""
    heads = text_sizes(ask.config)("num_attention_heads") or 0
    return heads if heads % (plan.tp * plan.pp) else 0


def _experts(ask: Ask, plan: PlannedLayout) -> str:
    where = f"{ask.fabric.words if ask.fabric else 'the interconnect'}" if plan.nodes > 1 else ""
    over = f" over {where}" if where else ""
    if plan.dp == 1:
        return f"whole experts, {plan.ep} ways{over}: for many requests at once"
    return f"attention in {plan.dp} copies, experts {plan.ep} ways{over}: for many requests at once"


def refusal(reason: str) -> str:
    """Whose words these are: vLLM's refusal, or the end of a start that ran out of memory."""
    return f"it ends in {reason}" if reason.startswith("CUDA") else f"vLLM refuses: {reason}"


def reasons(ask: Ask, plan: PlannedLayout) -> tuple[str, ...]:
    """Why this verdict: refusal or weights, KV room, place, heads, layers, `/dev/shm`."""
    refused = (refusal(plan.refused),) if plan.refused else ()
    if refused and not plan.memory:
        return refused
    return (
        *refused,
        weights_words(plan),
        *_even(ask, plan),
        *_room(ask, plan),
        place(ask, plan),
        *_heads(ask, plan),
        *_layers(ask, plan),
        f"/dev/shm of a pod: {plan.shm_says}",
    )


def weights_words(plan: PlannedLayout) -> str:
    """`28.90 GiB of weights on each GPU, exact (fp8)`, or bounds said to be an estimate."""
    says = plan.weights_are.removeprefix(_ESTIMATE)
    lows = [r.weights_bytes_low for r in plan.ranks if r.weights_bytes_low is not None]
    highs = [r.weights_bytes_high for r in plan.ranks if r.weights_bytes_high is not None]
    if not lows or not highs:
        return f"weights unknown: {says}"
    span = gib_range(min(lows), max(highs))
    if plan.exact:
        return f"{span} GiB of weights on each GPU, exact ({says})"
    return f"{span} GiB of weights on each GPU, an estimate: {says}"


def _even(ask: Ask, plan: PlannedLayout) -> Iterator[str]:
    """What bounds this wide stand around."""
    if not plan.exact and ask.checkpoint and plan.weights_are.startswith(_ESTIMATE):
        share = ask.checkpoint.total_bytes / (plan.tp * plan.pp) / GIB
        yield f"an even share of the checkpoint would be {share:.1f} GiB; not all is cut evenly"


_ESTIMATE = "an estimate from the checkpoint's size: "


def gib_range(low: int, high: int) -> str:
    """`16.07`, or `15.10 to 16.07`, in GiB."""
    first, last = f"{low / GIB:.2f}", f"{high / GIB:.2f}"
    return first if first == last else f"{first} to {last}"


def _room(ask: Ask, plan: PlannedLayout) -> Iterator[str]:
    room = plan.kv_tokens
    if plan.memory and room is None:
        yield "the KV cache of this model is not modelled: how many tokens fit is not known"
    if room is None or not room.high:
        return
    length = plan.max_model_len
    many = f", {room.likely / length:.1f} requests of {length:,} tokens" if length else ""
    copies = " in each copy" if plan.dp > 1 else ""
    yield f"KV cache for {room.low:,} to {room.high:,} tokens{copies}, likely {room.likely:,}{many}"
    if (plan.shortened or plan.fits is None) and ask.kv_cache_dtype == "auto":
        yield "--kv-cache-dtype fp8 would hold about twice as many tokens"


def _heads(ask: Ask, plan: PlannedLayout) -> Iterator[str]:
    sizes = text_sizes(ask.config)
    heads, keys = sizes("num_attention_heads"), sizes("num_key_value_heads")
    if heads and plan.tp > 1 and heads % plan.tp == 0:
        yield f"{heads} attention heads / {plan.tp} = {heads // plan.tp} on each rank"
    if sizes("kv_lora_rank"):
        if plan.tp > 1:
            yield "MLA's KV cache is whole on every TP rank: TP frees weights, not KV cache"
    elif keys and plan.tp > keys:
        yield f"{keys} KV heads on {plan.tp} ranks: each is held {plan.tp // keys} times"


def _layers(ask: Ask, plan: PlannedLayout) -> Iterator[str]:
    layers = text_sizes(ask.config)("num_hidden_layers")
    if plan.pp > 1 and layers:
        split = layer_split(layers, plan.pp, ask.engine.version, ask.engine.layer_partition)
        if isinstance(split, tuple):
            yield f"{layers} layers in stages of {_counted(split)}"


def _counted(split: tuple[int, ...]) -> str:
    if len(set(split)) == 1:
        return str(split[0])
    return ", ".join(map(str, split)) if len(split) <= 16 else f"{min(split)} to {max(split)}"
