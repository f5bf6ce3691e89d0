"""Words that two flags of vLLM take: in no release up to the newest that is known are others.

vLLM model_executor/layers/quantization/__init__.py and config/cache.py, 0.6 to 0.25. Plugins may
register more ways to quantise.
"""

from collections.abc import Mapping

from distcheck.checks.knowledge.spelling import nearest

CHOICES: Mapping[str, frozenset[str]] = {
    "--quantization": frozenset(
        {"none", "aqlm", "awq", "deepspeedfp", "tpu_int8", "fp8", "ptpc_fp8", "fbgemm_fp8",
         "deepgemm_fp8", "fp_quant", "modelopt", "modelopt_fp4", "modelopt_mxfp8", "modelopt_mixed",
         "nvfp4", "marlin", "bitblas", "gguf", "gptq_marlin_24", "gptq_marlin", "gptq_bitblas",
         "awq_marlin", "gptq", "compressed-tensors", "bitsandbytes", "qqq", "hqq", "experts_int8",
         "neuron_quant", "ipex", "quark", "moe_wna16", "torchao", "auto-round", "rtn", "inc",
         "mxfp4", "mxfp8", "petit_nvfp4", "squeezellm", "cpu_awq", "cpu_gptq", "humming", "online",
         "gpt_oss_mxfp4", "deepseek_v4_fp8", "fp8_per_tensor", "fp8_per_block", "fp8_per_channel",
         "int8_per_channel_weight_only", "nvfp4_per_token", "auto_awq", "auto_gptq", "ascend"}
    ),
    "--kv-cache-dtype": frozenset(
        {"auto", "fp8", "fp8_e4m3", "fp8_e5m2", "fp8_inc", "fp8_ds_mla", "float16", "bfloat16",
         "nvfp4", "fp8_per_token_head", "int8_per_token_head", "int4_per_token_head",
         "turboquant_k8v4", "turboquant_4bit_nc", "turboquant_3bit_nc", "int8", "int4"}
    ),
}  # fmt: skip
CLOSED = (0, 11)
"""Up to this release there are no others; of later ones others may come."""


def is_choice(flag: str, text: str) -> bool:
    """Whether some release takes it."""
    return text.lower() in CHOICES[flag]


def near_choice(flag: str, text: str) -> str:
    """The one that is meant: of other bits is another."""
    known = [k for k in CHOICES[flag] if len(k) != len(text) or _bits(k) == _bits(text)]
    return nearest(text, known)


def _bits(text: str) -> str:
    return "".join(c for c in text if c.isdigit())
