"""Mixtures of experts (vllm/model_executor/models/mixtral.py, qwen3_moe.py, deepseek_v2.py, ...).

The router is whole on every rank; shared experts are cut by TP like a dense MLP.
"""

from msgspec import structs

from distcheck.checks.knowledge.weights.dense import model
from distcheck.checks.knowledge.weights.model import (
    CacheShape,
    Model,
    attention,
    heads_of,
    mlp,
    norms,
    qk_norms,
    rope,
)
from distcheck.checks.knowledge.weights.sizes import Sizes
from distcheck.checks.knowledge.weights.tensors import (
    Axis,
    Derived,
    Experts,
    Linear,
    Rope,
    Rows,
    Scalars,
    Vector,
)

_NORMS = ("input_layernorm", "post_attention_layernorm")


def mixtral(c: Sizes) -> Model:
    """Mixtral: every layer is a mixture; both ends are on every stage."""
    count, wide = c.number("num_local_experts"), c.number("intermediate_size")
    rows = (
        *attention(c),
        Scalars("attn"),
        *_routed(c, "block_sparse_moe", count, wide),
        *_norms(c),
    )
    return model(c, lambda _: rows, CacheShape(heads=heads_of(c)[1]), everywhere=True)


def qwen3_moe(c: Sizes) -> Model:
    """Qwen3-MoE: mixtures except in the layers that the file names.

    Its router is quantised with the rest, unless the checkpoint names it: from 0.10.1 on
    (vllm/model_executor/models/qwen3_moe.py); the routers of the others never are.
    """
    dense, step = c.numbers("mlp_only_layers"), c.number("decoder_sparse_step", 1)
    count, wide = c.number("num_experts"), c.number("moe_intermediate_size")
    heads = attention(c, qkv_bias=c.flag("attention_bias"))
    gate, experts = _routed(c, "mlp", count, wide)
    routed = (structs.replace(gate, quantised_since=(0, 10, 1)), experts)

    def layer(index: int) -> Rows:
        sparse = index not in dense and (index + 1) % step == 0
        body = routed if sparse else mlp(c, c.number("intermediate_size"))
        return (*heads, Scalars("attn"), *qk_norms(c), *body, *_norms(c))

    found = model(c, layer, CacheShape(heads=heads_of(c)[1]), everywhere=True)
    return structs.replace(found, tp_within_experts=True)


def deepseek(c: Sizes) -> Model:
    """DeepSeek-V2, V3, R1: latent attention; the first layers are dense."""
    dense, step = c.count("first_k_dense_replace"), c.number("moe_layer_freq", 1)
    heads = _latent(c)

    def layer(index: int) -> Rows:
        sparse = index >= dense and index % step == 0
        body = _deepseek_moe(c) if sparse else mlp(c, c.number("intermediate_size"))
        return (*heads, *body, *_norms(c))

    latent = Axis(1, c.number("kv_lora_rank") + c.number("qk_rope_head_dim"))
    return model(c, layer, CacheShape(heads=latent, values=1))


def _latent(c: Sizes) -> Rows:
    """MLA: the compressions are whole on every rank; kv_b is kept twice after loading."""
    hidden, heads = Axis(c.number("hidden_size")), c.number("num_attention_heads")
    low, turn = c.number("kv_lora_rank"), c.number("qk_rope_head_dim")
    plain, value = c.number("qk_nope_head_dim"), c.number("v_head_dim")
    queries, latent = Axis(heads, plain + turn), Axis(low)
    pairs, name = Axis(heads, plain + value), "self_attn"
    down = (Axis(low + turn),)
    source = c.count("q_lora_rank") or hidden.units
    return (
        *_compressed_queries(c, queries, hidden),
        Linear("attention", f"{name}.kv_a_proj_with_mqa", down, hidden, "whole"),
        Vector("attention", f"{name}.kv_a_layernorm", low),
        Linear("attention", f"{name}.kv_b_proj", (pairs,), latent, "column"),
        Linear("attention", f"{name}.o_proj", (hidden,), Axis(heads, value), "row"),
        _latent_rope(c, turn),
        Scalars("attn"),
        Derived(
            name=f"{name}.kv_b_proj",
            heads=heads,
            copies=(low * value, low * plain),
            early_copies=(low * (plain + value), source * turn),
            absorbed=((low, source), (low, hidden.units)),
        ),
    )


def _compressed_queries(c: Sizes, queries: Axis, hidden: Axis) -> Rows:
    rank = c.count("q_lora_rank")
    if not rank:
        return (Linear("attention", "self_attn.q_proj", (queries,), hidden, "column"),)
    return (
        Linear("attention", "self_attn.q_a_proj", (Axis(rank),), hidden, "whole"),
        Vector("attention", "self_attn.q_a_layernorm", rank),
        Linear("attention", "self_attn.q_b_proj", (queries,), Axis(rank), "column"),
    )


def _latent_rope(c: Sizes, width: int) -> Rope:
    return Rope("rotary_emb", rope(c).positions, width)


def _deepseek_moe(c: Sizes) -> Rows:
    count, wide = c.number("n_routed_experts"), c.number("moe_intermediate_size")
    shared = c.count("n_shared_experts") * wide
    bias = Vector("experts", "e_score_correction_bias", count, element_bytes=4)
    return (
        *_routed(c, "mlp", count, wide),
        *((bias,) if c.word("topk_method") == "noaux_tc" else ()),
        *(mlp(c, shared, name="mlp.shared_experts") if shared else ()),
    )


def gpt_oss(c: Sizes) -> Model:
    """gpt-oss: a sink for each head, biases everywhere, a rope table in float32."""
    heads = attention(c, qkv_bias=True, o_bias=True)
    table = Rope("rotary_emb", heads[2].positions, heads[2].width, 4)  # type: ignore[union-attr]
    count, hidden = c.number("num_local_experts"), c.number("hidden_size")
    sinks = Vector("attention", "sinks", c.number("num_attention_heads"), heads=1)
    router = Linear(
        "experts", "mlp.router", (Axis(count),), Axis(hidden), "whole", bias=True, quantised=False
    )
    experts = Experts("mlp.experts", count, hidden, c.number("intermediate_size"), bias=True)
    rows = (table, sinks, *heads[:2], Scalars("attn"), router, experts, *_norms(c))
    cache = CacheShape(
        heads=heads_of(c)[1],
        window=c.count("sliding_window"),
        windowed=lambda index: index % 2 == 0,
    )
    return model(c, lambda _: rows, cache, everywhere=True)


def llama4(c: Sizes) -> Model:
    """Llama-4: one shared expert beside the routed ones; dense layers between, by step."""
    step = c.count("interleave_moe_layer_step", 1)
    count, wide = c.number("num_local_experts"), c.number("intermediate_size")
    bias = c.flag("attention_bias")
    heads = (*attention(c, qkv_bias=bias, o_bias=bias), Scalars("attn"))
    shared = mlp(c, wide, name="feed_forward.shared_expert")
    sparse = (*_routed(c, "feed_forward", count, wide), *shared)

    # Its weights are all ones, yet there; each fourth layer does not rotate and has none.
    unit = Vector("attention", "qk_norm", heads_of(c)[0].size, element_bytes=4)
    normed = c.flag("use_qk_norm", default=True)

    def layer(index: int) -> Rows:
        front = (*heads, unit) if normed and (index + 1) % 4 else heads
        if step and (index + 1) % step == 0:
            return (*front, *sparse, *_norms(c))
        dense = mlp(c, c.number("intermediate_size_mlp"), name="feed_forward")
        return (*front, *dense, *_norms(c))

    return model(c, layer, CacheShape(heads=heads_of(c)[1]))


def _routed(c: Sizes, name: str, count: int, intermediate: int) -> tuple[Linear, Experts]:
    hidden = c.number("hidden_size")
    gate = Linear("experts", f"{name}.gate", (Axis(count),), Axis(hidden), "whole", quantised=False)
    return (gate, Experts(f"{name}.experts", count, hidden, intermediate))


def _norms(c: Sizes) -> Rows:
    return norms("norms", c.number("hidden_size"), *_NORMS)
