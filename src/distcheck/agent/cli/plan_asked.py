"""What `distcheck plan` is asked, from its options."""

from msgspec.structs import replace

from distcheck.agent.cli import plan_values as read
from distcheck.agent.cli.exit import usage
from distcheck.agent.cli.options import one_of
from distcheck.agent.cli.plan_options import NEWEST
from distcheck.checks.knowledge.layer_split import version_of
from distcheck.checks.knowledge.plan import Ask
from distcheck.checks.knowledge.plan_methods import METHODS
from distcheck.checks.knowledge.spelling import alike
from distcheck.checks.knowledge.weights import Engine

_MOST_RANKS, _MOST_SEQS = 4096, 1 << 20
_NODE = 8
_DTYPES = ("auto", "half", "float16", "bfloat16", "float", "float32")
_CACHES = ("auto", "bfloat16", "fp8", "fp8_e4m3", "fp8_e5m2", "fp8_inc", "fp8_ds_mla")
_HALF = {"half": "float16", "float": "float32", "auto": None}


def sizes(
    tp: str | None, pp: str | None, dp: str | None, ep: str | None, gpus: str | None,
    gpus_per_node: str | None, *, whole_experts: bool,
) -> Ask:  # fmt: skip
    """How the model is cut, and over how many GPUs.

    Raises:
        Stop: a word is no number, or two contradict each other (code 2).
    """
    ask = Ask(
        config={},
        tp=read.number("--tp", tp, _MOST_RANKS),
        pp=read.number("--pp", pp, _MOST_RANKS),
        dp=read.number("--dp", dp, _MOST_RANKS),
        expert_parallel=True if whole_experts else None,
        gpus=read.number("--gpus", gpus, _MOST_RANKS),
        gpus_per_node=read.number("--gpus-per-node", gpus_per_node, 1024) or _NODE,
    )
    return _checked(ask, read.number("--ep", ep, _MOST_RANKS))


def load(ask: Ask, length: str | None, seqs: str, batch: str | None, cache: str) -> Ask:
    """With the requests that it has to hold; raises as `sizes` does."""
    return replace(
        ask,
        max_model_len=read.length(length),
        max_num_seqs=read.number("--max-num-seqs", seqs, _MOST_SEQS) or 1,
        max_num_batched_tokens=read.number("--max-num-batched-tokens", batch, _MOST_SEQS),
        kv_cache_dtype=one_of("--kv-cache-dtype", cache, _CACHES) or "auto",
    )


def engine(dtype: str | None, quantization: str | None, version: str | None) -> Engine:
    """How the engine holds weights; raises as `sizes` does."""
    one_of("--dtype", dtype, _DTYPES)
    if version is not None and (version_of(version) is None or len(version) > 40):
        raise usage(f"--vllm-version: {version!r} is not a version such as {NEWEST}")
    if quantization is not None and quantization not in ("none", *METHODS):
        raise usage(
            f"--quantization: {quantization!r} is no method of vLLM {NEWEST} or before;"
            f" near it: {_near(quantization)}"
        )
    return Engine(
        version=version or NEWEST,
        dtype=_HALF.get(dtype, dtype) if dtype else None,
        quantisation=None if quantization in (None, "none") else quantization,
    )


def _near(method: str) -> str:
    found = alike(method, sorted(METHODS), most=3)
    return ", ".join(found) if found else "none; awq, fp8 and gptq are some"


def _checked(ask: Ask, ep: int | None) -> Ask:
    """Sizes that contradict each other, before any file is read."""
    tp, pp, dp = ask.tp or 1, ask.pp or 1, ask.dp or 1
    if tp * pp * dp > _MOST_RANKS:
        raise usage(f"plan: TP x PP x DP = {tp * pp * dp} ranks; the most is {_MOST_RANKS}")
    if ask.gpus is not None and ask.gpus > ask.gpus_per_node and ask.gpus % ask.gpus_per_node:
        raise usage(
            f"--gpus: {ask.gpus} GPUs are not whole nodes of {ask.gpus_per_node};"
            " give --gpus-per-node"
        )
    if ep is None:
        return ask
    if ep == 1 and not ask.expert_parallel:
        return replace(ask, expert_parallel=False)
    if ask.gpus == ep and not (ask.tp and ask.dp) and pp == 1:
        return replace(ask, expert_parallel=True)
    if ep != tp * dp:
        raise usage(
            f"--ep: {ep} is not TP x DP = {tp} x {dp} = {tp * dp}, which vLLM's expert"
            " parallel size always is, and not 1 for none"
        )
    return replace(ask, expert_parallel=True)
