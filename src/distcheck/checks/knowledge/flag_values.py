"""Values that flags of vLLM and SGLang take, and what was meant by one that they do not."""

from distcheck.checks.knowledge.spelling import nearest, within
from distcheck.pattern import pattern

_BOTH = ("--tensor-parallel-size", "--pipeline-parallel-size", "--data-parallel-size", "--nnodes",
         "--node-rank", "--port")  # fmt: skip
NUMBERS = {
    "vllm": (*_BOTH, "-tp", "-pp", "-dp", "--data-parallel-size-local", "--master-port",
             "--data-parallel-rpc-port", "--data-parallel-start-rank", "--max-num-seqs"),
    "sglang": (*_BOTH, "--tp", "--tp-size", "--pp-size", "--dp", "--dp-size", "--ep", "--ep-size",
               "--max-running-requests", "--disaggregation-bootstrap-port"),
}  # fmt: skip
LISTS = {
    "vllm": frozenset({"--cudagraph-capture-sizes", "--cuda-graph-sizes"}),
    "sglang": frozenset({"--cuda-graph-bs"}),
}
"""Whole numbers, each a word: `nargs="+"`, which splits nothing at commas."""
_EACH = "whole numbers, each a word of its own"
SHARES = {"vllm": "--gpu-memory-utilization", "sglang": "--mem-fraction-static"}
_DTYPES = frozenset({"auto", "half", "float16", "bfloat16", "float", "float32"})
_BACKENDS = frozenset({"ray", "mp", "uni", "external_launcher"})
WORDS = {
    "vllm": ("--model", "--served-model-name", "--master-addr", "--data-parallel-address",
             "--max-model-len", "--dtype", "--distributed-executor-backend", "--quantization",
             "--kv-cache-dtype", "--load-format"),
    "sglang": ("--model-path", "--served-model-name", "--dist-init-addr", "--dtype",
               "--quantization", "--kv-cache-dtype", "--load-format", "--context-length"),
}  # fmt: skip
_WHOLE = pattern(r"[+-]?\d{1,40}(?:_\d{1,9}){0,3}")
_LENGTH, _TOKENS = "--max-model-len", pattern(r"auto|\d{1,9}(?:\.\d{1,9})?[kKmMgGtT]")
"""vLLM's arg_utils.py (human_readable_int): `32k` and `32K`; older releases take digits alone."""
_SHARE = pattern(r"[+-]?(?:\d{1,9}\.?\d{0,9}|\.\d{1,9})(?:[eE][+-]?\d{1,3})?")


def refused(engine: str, flag: str, text: str) -> str:
    """Why the engine does not take this value; empty where it does."""
    listed = flag in LISTS[engine]
    if (listed or flag in NUMBERS[engine]) and not _WHOLE.fullmatch(text):
        return f"{engine} takes " + (_EACH if listed else "a whole number")
    if flag == SHARES[engine] and not (_SHARE.fullmatch(text) and 0 < float(text) <= 1):
        return f"{engine} takes a share of the GPU's memory, above 0 and at most 1"
    if flag == _LENGTH and not (_WHOLE.fullmatch(text) or _TOKENS.fullmatch(text)):
        return f"{engine} takes a whole number, as 32768 or 32K"
    if flag == "--dtype" and text not in _DTYPES:
        return f"{engine} knows {', '.join(sorted(_DTYPES))}"
    if flag == "--distributed-executor-backend" and "." not in text and text not in _BACKENDS:
        return f"{engine} knows {', '.join(sorted(_BACKENDS))}, and classes by their full name"
    return _refused_word(engine, flag, text)


def _refused_word(engine: str, flag: str, text: str) -> str:
    """The same for what is one of several words, or a name."""
    if flag in ("--model", "--model-path") and text.startswith(_SITE):
        return f"a model is called as behind {_SITE}"
    if flag == "--kv-cache-dtype" and engine == "vllm" and text in _KV:
        return "vllm knows auto, fp8 and names such as bfloat16"
    if flag == "--load-format" and text not in _FORMATS and (near := _format(text)):
        return f"did you mean {near}?"
    return ""


def value_to_write(engine: str, flag: str, text: str) -> str:
    """What to write for `text`: a share for what is in percent, `bfloat16` for `bf16`."""
    percent = text.rstrip("%")
    if flag in LISTS[engine]:
        return "Write each number as an item or word of its own, without commas and brackets."
    if flag == SHARES[engine]:
        whole = percent.isdigit() and 1 < int(percent) <= _WHOLE_PERCENT
        return f"Write {int(percent) / 100:g}." if whole else "Write a share, such as 0.9."
    if flag == _LENGTH:
        return "Write a whole number of tokens, such as 32768 or 32K."
    if flag in WORDS[engine] and flag not in ("--dtype", "--distributed-executor-backend"):
        return f"Write {_KV.get(text) or _format(text) or text.removeprefix(_SITE)}."
    if flag not in ("--dtype", "--distributed-executor-backend"):
        return "Write a whole number, in digits."
    known = _DTYPES if flag == "--dtype" else _BACKENDS
    near = _SHORT.get(text.lower(), "") if flag == "--dtype" else ""
    near = near or nearest(text, [k for k in known if _digits(k) == _digits(text)])
    return f"Write {near}." if near else f"Write one of {', '.join(sorted(known))}."


def _format(text: str) -> str:
    return next(iter(within(text, _FORMATS)), "")


def _digits(text: str) -> str:
    """A type of other bits is another type."""
    return "".join(c for c in text if c.isdigit())


_WHOLE_PERCENT = 100
_SHORT = {
    "bf16": "bfloat16", "fp16": "float16", "f16": "float16", "fp32": "float32", "f32": "float32",
    "torch.bfloat16": "bfloat16", "torch.float16": "float16", "torch.float32": "float32",
}  # fmt: skip
"""As people and other programs write types."""
_SITE = "https://huggingface.co/"
_FORMATS = (
    "safetensors", "runai_streamer", "tensorizer", "fastsafetensors", "bitsandbytes",
    "sharded_state",
)  # fmt: skip
"""vLLM model_executor/model_loader/__init__.py, 0.10.2, 0.13 and 0.33; SGLang server_args.py
(LOAD_FORMAT_CHOICES), 0.5.3 and 0.5.23: none of the others is within two letters of these."""
_KV = {"fp16": "auto", "bf16": "bfloat16"}
