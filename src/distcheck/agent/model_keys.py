"""Which keys of a model's files are evidence: its shape and its quantisation, nothing else.

A file may hold more than a model's shape. An object that is on no list is hidden, not
dropped as if it were not there: an audio tower weighs something.
"""

import re
from collections.abc import Mapping

from distcheck.agent.redact import HIDDEN, plain_text

_TEXT = (
    # attention
    "architectures model_type dtype torch_dtype hidden_size num_hidden_layers num_attention_heads "
    "num_key_value_heads head_dim vocab_size max_position_embeddings attention_bias "
    "attention_out_bias qkv_bias use_qkv_bias use_bias no_bias use_qk_norm qk_norm qk_layernorm "
    "tie_word_embeddings sliding_window sliding_window_pattern use_sliding_window layer_types "
    "max_window_layers partial_rotary_factor rotary_dim rope_theta rope_interleaved "
    "original_max_position_embeddings query_pre_attn_scalar no_rope_layers attention_chunk_size "
    "num_kv_shared_layers hidden_act hidden_activation "
    # mlp and experts
    "intermediate_size intermediate_size_mlp mlp_bias mlp_only_layers decoder_sparse_step "
    "first_k_dense_replace interleave_moe_layer_step moe_layers moe_intermediate_size "
    "moe_layer_freq n_routed_experts n_shared_experts n_group topk_group topk_method scoring_func "
    "num_experts num_experts_per_tok num_local_experts num_shared_experts norm_topk_prob "
    "shared_expert_intermediate_size shared_intermediate_size num_nextn_predict_layers "
    # MLA, sparse attention, linear attention
    "kv_lora_rank q_lora_rank qk_nope_head_dim qk_rope_head_dim v_head_dim index_head_dim "
    "index_n_heads index_topk full_attention_interval linear_conv_kernel_dim linear_key_head_dim "
    "linear_num_key_heads linear_num_value_heads linear_value_head_dim attn_output_gate "
    "mamba_d_conv mamba_d_state mamba_d_head mamba_expand mamba_n_groups mamba_n_heads "
    "hybrid_override_pattern ssm_state_size conv_kernel n_groups mamba_num_heads mamba_head_dim "
    # older names for the same
    "num_layers ffn_hidden_size padded_vocab_size kv_channels multi_query_attention "
    "multi_query_group_num add_bias_linear add_qkv_bias seq_length n_embd n_head n_layer n_inner "
    "n_positions num_kv_heads new_decoder_architecture parallel_attn multi_query d_model "
    # vision beside the text, drafts
    "mm_tokens_per_image image_token_index projector_hidden_act multimodal_projector_bias "
    "vision_feature_layer vision_feature_select_strategy spatial_merge_size draft_vocab_size "
    "target_hidden_size num_lookahead_tokens norm_before_residual"
)
_VISION = (
    "model_type depth embed_dim hidden_size mlp_ratio num_heads in_channels in_chans num_channels "
    "patch_size spatial_patch_size temporal_patch_size spatial_merge_size out_hidden_size "
    "intermediate_size num_hidden_layers num_attention_heads head_dim image_size window_size "
    "fullatt_block_indexes deepstack_visual_indexes num_position_embeddings pixel_shuffle_ratio "
    "projector_input_dim projector_output_dim projector_dropout vision_output_dim projection_dim "
    "vision_use_head vision_feature_layer attention_bias qkv_bias use_qk_norm hidden_act dtype "
    "torch_dtype rope_theta num_global_layers max_num_tiles multi_modal_projector_bias "
    "tokens_per_second use_cls_token width layers heads"
)
_QUANTISATION = (
    "quant_method quant_algo quant_type quantization_status kv_cache_quant_algo format fmt bits "
    "w_bit group_size q_group_size weight_block_size block_size activation_scheme zero_point sym "
    "desc_act is_marlin_format checkpoint_format lm_head version backend modules_to_not_convert "
    "ignored_layers ignore exclude_modules exclude modules_in_block_to_quantize "
    "load_in_4bit load_in_8bit bnb_4bit_compute_dtype bnb_4bit_quant_storage bnb_4bit_quant_type "
    "bnb_4bit_use_double_quant llm_int8_skip_modules llm_int8_threshold packed_modules_mapping "
    "weight_bits dynamic autoround_version activation_scale_ub"
)
_SCHEME = (
    "num_bits type strategy symmetric dynamic actorder group_size block_structure observer "
    "targets format scale_dtype zp_dtype"
)
_ROPE = (
    "type rope_type factor original_max_position_embeddings mrope_section partial_rotary_factor "
    "rope_theta"
)
_OBJECTS = {
    "": _TEXT,
    "text_config": _TEXT,
    "language_config": _TEXT,
    "llm_config": _TEXT,
    "thinker_config": _TEXT,
    "vision_config": _VISION,
    "rope_scaling": _ROPE,
    "rope_parameters": _ROPE,
    "quantization_config": _QUANTISATION,
    "compression_config": _QUANTISATION,
    "quantization": _QUANTISATION,
    "config_groups": "",
    "group": _SCHEME,
    "weights": _SCHEME,
    "input_activations": _SCHEME,
    "output_activations": _SCHEME,
    "kv_cache_scheme": _SCHEME,
}
_KEYS = {name: frozenset(words.split()) for name, words in _OBJECTS.items()}
_HIDDEN_WORDS = (
    "audio_config speech_config perceiver_config talker_config vision_tower_config "
    "sparsity_config attn_config ffn_config block_configs"
)
_HIDDEN_OBJECTS = frozenset(_HIDDEN_WORDS.split())
_GROUP = re.compile(r"[A-Za-z0-9_]{1,24}\Z", re.ASCII)
_MAX_DEPTH = 6
_MAX_LIST = 4096
_MAX_TEXT = 256
_MAX_NUMBER = 1 << 63
"""What evidence can hold in one number."""


def shown(config: Mapping[str, object], part: str = "", depth: int = 0) -> dict[str, object]:
    """What of a model's `config.json` is evidence; `part` names the nested object that it is."""
    kept: dict[str, object] = {}
    for key, value in config.items():
        name = _object_of(key, part)
        if name and isinstance(value, dict):
            kept[key] = shown(value, name, depth + 1) if depth < _MAX_DEPTH else HIDDEN
        elif name or key in _KEYS[part] or key in _HIDDEN_OBJECTS:
            kept[key] = _plain(value)
    return kept


def _object_of(key: str, part: str) -> str:
    """The list of keys that holds for an object below `key`; empty where there is none."""
    if part == "config_groups":
        return "group" if _GROUP.match(key) else ""
    return key if key in _KEYS and key not in ("", "group") else ""


def _plain(value: object) -> object:
    """A scalar or a list of scalars; anything deeper is hidden, not dropped as if not set."""
    if isinstance(value, str):
        return plain_text(value[:_MAX_TEXT])
    if isinstance(value, list):
        return [_plain(v) if not isinstance(v, list) else HIDDEN for v in value[:_MAX_LIST]]
    large = isinstance(value, int) and abs(value) >= _MAX_NUMBER
    return HIDDEN if large or isinstance(value, dict) else value
