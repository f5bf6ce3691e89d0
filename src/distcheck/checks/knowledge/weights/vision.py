"""Vision towers: on every pipeline stage, cut by TP unless the engine keeps them whole.

vllm/model_executor/models/qwen2_vl.py, qwen2_5_vl.py, siglip.py, gemma3_mm.py, mllama4.py.
"""

from distcheck.checks.knowledge.weights.sizes import Sizes
from distcheck.checks.knowledge.weights.tensors import Axis, Cut, Linear, Rows, Vector, Vocabulary


def qwen2_vl(c: Sizes, hidden: int) -> Rows:
    """Qwen2-VL: a plain MLP, norms with a bias."""
    v = c.inner("vision_config")
    width = v.number("embed_dim", 1280)
    wide = width * v.number("mlp_ratio", 4)
    block = (
        *_norm("norm1", width),
        *_norm("norm2", width),
        *_attention("attn", width, v.number("num_heads", 16)),
        *_mlp("mlp", width, wide),
    )
    merger = _merger(v, width, hidden, bias=True)
    return (*_patches(v, width), *block * v.number("depth", 32), *merger, *_turns(v, width))


def qwen2_5_vl(c: Sizes, hidden: int) -> Rows:
    """Qwen2.5-VL: a gated MLP, norms without a bias."""
    v = c.inner("vision_config")
    width, wide = v.number("hidden_size", 1280), Axis(v.number("intermediate_size", 3420))
    block = (
        Vector("vision", "norm1", width),
        Vector("vision", "norm2", width),
        *_attention("attn", width, v.number("num_heads", 16)),
        _linear("mlp.gate_up_proj", (wide, wide), Axis(width), "column"),
        _linear("mlp.down_proj", (Axis(width),), wide, "row"),
    )
    merger = _merger(v, width, v.number("out_hidden_size", hidden), bias=False)
    return (*_patches(v, width), *block * v.number("depth", 32), *merger, *_turns(v, width))


def siglip_of_gemma3(c: Sizes) -> Rows:
    """Gemma-3: SigLIP without its pooling head, and a projection that is not cut."""
    v, hidden = c.inner("vision_config"), c.inner("text_config").number("hidden_size")
    width, patch = v.number("hidden_size", 1152), v.number("patch_size", 14)
    positions = (v.number("image_size", 896) // patch) ** 2
    block = (
        *_attention("self_attn", width, v.number("num_attention_heads", 16), out="out_proj"),
        *_norm("layer_norm1", width),
        *_mlp("mlp", width, v.number("intermediate_size", 4304)),
        *_norm("layer_norm2", width),
    )
    return (
        Vector("vision", "patch_embedding", 3 * patch * patch * width),
        Vector("vision", "patch_embedding.bias", width),
        Vocabulary("vision", positions, width),
        Vector("buffers", "position_ids", positions, element_bytes=8),
        *block * v.number("num_hidden_layers", 27),
        *_norm("post_layernorm", width),
        Vector("vision", "mm_input_projection", width * hidden),
        Vector("vision", "mm_soft_emb_norm", width),
    )


def llama4(c: Sizes) -> Rows:
    """Llama-4: an adapter after the tower, and a projector without biases."""
    v, hidden = c.inner("vision_config"), c.inner("text_config").number("hidden_size")
    width, heads = v.number("hidden_size", 1408), v.number("num_attention_heads", 16)
    patch = v.number("patch_size", 14)
    places = (v.number("image_size", 336) // patch) ** 2 + 1
    inner, out = v.number("intermediate_size", 5632), v.number("projector_output_dim", 4096)
    middle = v.number("projector_input_dim", 4096)
    block = (
        *_attention("self_attn", width, heads, out="o_proj"),
        *_mlp("mlp", width, inner),
        *_norm("input_layernorm", width),
        *_norm("post_attention_layernorm", width),
    )
    return (
        Vector("vision", "class_embedding", width),
        Vector("vision", "positional_embedding_vlm", places * width),
        _plain("patch_embedding", width, 3 * patch * patch, "column"),
        *_norm("layernorm_pre", width),
        *_norm("layernorm_post", width),
        *block * v.number("num_hidden_layers", 34),
        Vector("buffers", "rotary_emb", places * (width // heads // 2), element_bytes=8),
        _plain("vision_adapter.mlp.fc1", middle, inner, "column"),
        _plain("vision_adapter.mlp.fc2", out, middle, "row"),
        _plain("multi_modal_projector", hidden, v.number("vision_output_dim", 4096), "column"),
    )


def _attention(name: str, width: int, heads: int, *, out: str = "proj") -> Rows:
    side = Axis(heads, width // heads)
    return (
        _linear(f"{name}.qkv", (side, side, side), Axis(width), "column"),
        _linear(f"{name}.{out}", (Axis(width),), side, "row"),
    )


def _mlp(name: str, width: int, wide: int) -> Rows:
    return (
        _linear(f"{name}.fc1", (Axis(wide),), Axis(width), "column"),
        _linear(f"{name}.fc2", (Axis(width),), Axis(wide), "row"),
    )


def _linear(name: str, outputs: tuple[Axis, ...], inputs: Axis, cut: Cut) -> Linear:
    return Linear("vision", name, outputs, inputs, cut, bias=True, quantised=False)


def _plain(name: str, outputs: int, inputs: int, cut: Cut) -> Linear:
    return Linear("vision", name, (Axis(outputs),), Axis(inputs), cut, quantised=False)


def _norm(name: str, width: int) -> Rows:
    return (Vector("vision", name, width), Vector("vision", f"{name}.bias", width))


def _patches(v: Sizes, width: int) -> Rows:
    patch = v.number("patch_size", 14)
    pixels = v.number("in_channels", 3) * v.number("temporal_patch_size", 2) * patch * patch
    return (Vector("vision", "patch_embed.proj", pixels * width),)


def _merger(v: Sizes, width: int, out: int, *, bias: bool) -> Rows:
    merged = Axis(width * v.number("spatial_merge_size", 2) ** 2)
    return (
        *(_norm("merger.ln_q", width) if bias else (Vector("vision", "merger.ln_q", width),)),
        _linear("merger.mlp.0", (merged,), merged, "column"),
        _linear("merger.mlp.2", (Axis(out),), merged, "row"),
    )


def _turns(v: Sizes, width: int) -> Rows:
    return (
        Vector("buffers", "inv_freq", width // v.number("num_heads", 16) // 4, element_bytes=4),
    )
