"""What one rank holds: a plain sum of its tensors, apart from the arithmetic that judges it.

vLLM's own rounding of allocations is left out: less than 0.1 % of what its logs print.
"""

from itertools import accumulate, pairwise

from distcheck.lab.model import Model, model_of
from distcheck.lab.scenario import GIB, Engine, Scene

_HALF = 2
"""Bytes of a 16-bit number."""


def weights_gib(scene: Scene, engine: Engine, stage: int) -> float:
    """GiB that a rank of this pipeline stage loads, with what else the engine was asked for."""
    model = model_of(scene)
    layer = _deepseek_layer if "kv_lora_rank" in model.config else _llama_layer
    held = sum(layer(model, scene, engine, n) for n in stage_layers(scene, engine)[stage])
    table = model.size("vocab_size") // engine.tp * model.size("hidden_size") * _HALF
    held += table * ((stage == 0) + (stage == engine.pp - 1)) + _angles(model)
    return held / GIB + scene.adds_gib


def cache_bytes(scene: Scene, engine: Engine, stage: int) -> int:
    """Bytes of one token's keys and values on a rank of this stage."""
    model, layers = model_of(scene), len(stage_layers(scene, engine)[stage])
    if "kv_lora_rank" in model.config:
        return layers * _HALF * (model.size("kv_lora_rank") + model.size("qk_rope_head_dim"))
    return layers * _HALF * 2 * _cache_heads(model, engine) * model.size("head_dim")


def stage_layers(scene: Scene, engine: Engine) -> list[range]:
    """The layers of each stage: as `layer_partition` says, else alike."""
    count = model_of(scene).size("num_hidden_layers")
    given = [int(n) for n in scene.layer_partition.split(",") if n]
    ends = accumulate(given or [count // engine.pp] * engine.pp, initial=0)
    return [range(first, end) for first, end in pairwise(ends)]


def _cache_heads(model: Model, engine: Engine) -> int:
    """Heads of the cache are cut down to one, and from there on every rank has one."""
    return max(1, model.size("num_key_value_heads") // engine.tp)


def _angles(model: Model) -> int:
    """The rotary table, once on every rank."""
    name = "qk_rope_head_dim" if "qk_rope_head_dim" in model.config else "head_dim"
    return model.size("max_position_embeddings") * model.size(name) * _HALF


def _llama_layer(model: Model, _scene: Scene, engine: Engine, number: int) -> int:
    hidden, head = model.size("hidden_size"), model.size("head_dim")
    heads = model.size("num_attention_heads") // engine.tp
    attention = hidden * head * (2 * heads + 2 * _cache_heads(model, engine)) * _HALF
    between = model.size("intermediate_size") // engine.tp
    ends = (0, model.size("num_hidden_layers") - 1)
    if "quantization_config" in model.config and number not in ends:
        scales = 4 * (2 * between + hidden)
        return attention + 3 * hidden * between + scales + 2 * hidden * _HALF
    return attention + 3 * hidden * between * _HALF + 2 * hidden * _HALF


def _deepseek_layer(model: Model, scene: Scene, engine: Engine, number: int) -> int:
    """In 8 bits, with a 32-bit scale for each block of 128 x 128."""
    hidden = model.size("hidden_size")
    if number < model.size("first_k_dense_replace"):
        eight = 3 * hidden * model.size("intermediate_size") // engine.tp
        sixteen = 0
    else:
        expert = 3 * hidden * model.size("moe_intermediate_size")
        experts = model.size("n_routed_experts")
        apart = engine.ranks if scene.expert_parallel else engine.tp
        eight = expert * experts // apart + expert // engine.tp
        sixteen = experts * hidden
    eight += _latent_attention(model, engine)
    absorbed = _unfolded(model, engine)
    return eight + 4 * eight // (128 * 128) + _HALF * (sixteen + absorbed + 2 * hidden)


def _latent_attention(model: Model, engine: Engine) -> int:
    """Numbers of multi-head latent attention: the two narrow projections are on every rank."""
    hidden, heads = model.size("hidden_size"), model.size("num_attention_heads") // engine.tp
    narrow, wide = model.size("q_lora_rank"), model.size("kv_lora_rank")
    plain, turned = model.size("qk_nope_head_dim"), model.size("qk_rope_head_dim")
    values = model.size("v_head_dim")
    everywhere = hidden * (narrow + wide + turned)
    return (
        everywhere
        + heads * (narrow * (plain + turned) + values * hidden)
        + _unfolded(model, engine)
    )


def _unfolded(model: Model, engine: Engine) -> int:
    """Numbers of the projection out of the latent space; vLLM adds a 16-bit copy of it."""
    heads = model.size("num_attention_heads") // engine.tp
    each = model.size("qk_nope_head_dim") + model.size("v_head_dim")
    return heads * model.size("kv_lora_rank") * each
