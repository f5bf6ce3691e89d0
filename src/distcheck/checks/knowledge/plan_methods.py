"""Values of `--quantization`: which vLLM knows, and which agree with a checkpoint's own.

vllm/model_executor/layers/quantization/__init__.py of 0.8.5, 0.10.2, 0.14.1 and 0.33.0, and
`override_quantization_method` of its classes.
"""

Version = tuple[int, int, int]

_AT_8 = """aqlm awq awq_marlin bitblas bitsandbytes compressed-tensors deepspeedfp experts_int8
fbgemm_fp8 fp8 gguf gptq gptq_bitblas gptq_marlin gptq_marlin_24 hqq ipex marlin modelopt
moe_wna16 neuron_quant nvfp4 ptpc_fp8 qqq quark torchao tpu_int8"""
_AT_10 = """auto-round awq awq_marlin bitblas bitsandbytes compressed-tensors deepspeedfp
experts_int8 fbgemm_fp8 fp8 gguf gptq gptq_bitblas gptq_marlin gptq_marlin_24 hqq inc ipex
modelopt modelopt_fp4 moe_wna16 mxfp4 petit_nvfp4 ptpc_fp8 quark rtn torchao tpu_int8"""
_AT_14 = """auto-round awq awq_marlin bitblas bitsandbytes compressed-tensors cpu_awq deepspeedfp
experts_int8 fbgemm_fp8 fp8 fp_quant gguf gptq gptq_bitblas gptq_marlin gptq_marlin_24 hqq inc ipex
modelopt modelopt_fp4 moe_wna16 mxfp4 petit_nvfp4 ptpc_fp8 quark rtn torchao"""
_AT_33 = """auto_awq auto_gptq awq awq_marlin compressed-tensors deepseek_v4_fp8 experts_int8
fbgemm_fp8 fp8 fp8_per_block fp8_per_channel fp8_per_tensor fp_quant gpt_oss_mxfp4 gptq gptq_marlin
humming inc int8_per_channel_weight_only modelopt modelopt_fp4 modelopt_mixed modelopt_mxfp8
moe_wna16 mxfp4 mxfp8 nvfp4_per_token online quark torchao"""

_KNOWN: tuple[tuple[Version, frozenset[str]], ...] = (
    ((0, 8, 5), frozenset(_AT_8.split())),
    ((0, 10, 2), frozenset(_AT_10.split())),
    ((0, 14, 1), frozenset(_AT_14.split())),
    ((0, 33, 0), frozenset(_AT_33.split())),
)
METHODS = frozenset().union(*(names for _, names in _KNOWN))
"""Every name of any of these versions."""
PLUGINS = frozenset(("bitsandbytes", "gguf"))
"""Gone from 0.33.0, where a plugin may bring them back."""

_ANY = frozenset(("humming", "inc", "auto-round", "ipex"))
"""They take checkpoints of several others, in ways that are not followed here."""
_OVERRIDES = ("modelopt", "inc", "auto-round")
"""Whose checkpoints go by what they say themselves, whatever is named; gpt-oss by 0.33 too."""
_FORCED = (0, 14, 1)
_INTEGERS = frozenset(("marlin", "moe_wna16"))
_AGREE = {
    "awq": frozenset(("awq", "awq_marlin", "auto_awq", "cpu_awq")) | _INTEGERS,
    "gptq": frozenset(("gptq", "gptq_marlin", "gptq_marlin_24", "auto_gptq", "bitblas"))
    | frozenset(("gptq_bitblas",))
    | _INTEGERS,
    "mxfp4": frozenset(("mxfp4", "gpt_oss_mxfp4")),
    "fp8": frozenset(("fp8", "deepseek_v4_fp8")),
}


def known_to(version: Version | None) -> frozenset[str]:
    """Names that this version knows, or may know: those of the versions on either side of it."""
    if version is None:
        return METHODS
    before = [names for at, names in _KNOWN if at <= version][-1:]
    after = [names for at, names in _KNOWN if at >= version][:1]
    return frozenset().union(*before, *after)


def deprecated(method: str, version: Version | None) -> bool:
    """Whether vLLM takes a method only with `--allow-deprecated-quantization`, from 0.14 on."""
    return method == "fbgemm_fp8" and (version is None or version >= (0, 14, 0))


def agrees(stored: str, named: str, version: Version | None) -> bool:
    """Whether vLLM may take `--quantization` for a checkpoint that says `stored` of itself."""
    if not stored or stored.startswith(_OVERRIDES) or named in _ANY:
        return True
    if stored == "mxfp4" and (version is None or version > _FORCED):
        return True
    return named in _AGREE.get(stored, frozenset((stored,)))


_16_BIT = ("fp8", "fbgemm_fp8", "modelopt", "awq", "gptq")


def dtypes_of(method: str, version: Version | None) -> tuple[str, ...]:
    """Activation types that a method takes; empty where that is not known to be limited.

    Up to 0.14.1 "awq" and "gptq" are those kernels and no other: the checkpoint's own method
    is one that takes both types.
    """
    if method in ("mxfp4", "gpt_oss_mxfp4"):
        return ("bfloat16",)
    if method in ("awq", "gptq") and version is not None and version <= (0, 14, 1):
        return ("float16",)
    return ("bfloat16", "float16") if method.startswith(_16_BIT) else ()
