"""CONF012: a tensor-parallel size that cuts the blocks of quantised weights."""

from collections.abc import Iterator

from distcheck.checks.config.world_has_gpus import FLAGS
from distcheck.checks.knowledge.publishers import may_differ
from distcheck.checks.knowledge.quantised_blocks import BLOCK, Cut, cut_of
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.flags import flag_of
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.listening import is_loose
from distcheck.checks.manifest.rule import rule

_SPREAD = frozenset(
    {"--enable-expert-parallel", "--ep", "--ep-size", "--expert-parallel-size", "--moe-a2a-backend",
     "--enable-ep-moe", "--enable-deepep-moe", "--moe-dense-tp-size", "--moe-dp-size"}
)  # fmt: skip
"""Flags that leave experts whole."""


@rule("CONF012", level="error")
def blocks_divide(group: Group) -> Iterator[Finding]:
    """The tensor-parallel size leaves the blocks of quantised weights whole.

    What:
        TP cuts the experts of a well-known FP8 model, or the layers of an AWQ or GPTQ one, into
        parts that are no multiple of 128, the block that has one scale.

    Why:
        Each rank needs whole blocks. vLLM and SGLang end with "is not divisible by weight
        quantization block_n = 128", or "The input size is not aligned with the quantized weight
        shape".

    Fix:
        Choose a smaller TP, with more pipeline stages; experts stay whole with
        `--enable-expert-parallel` (SGLang: `--ep-size`).

    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, Qwen/Qwen3-235B-A22B-FP8, --tensor-parallel-size, "8"]
            resources: {limits: {nvidia.com/gpu: 8}}

    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, Qwen/Qwen3-235B-A22B-FP8, -tp, "8", --enable-expert-parallel]
            resources: {limits: {nvidia.com/gpu: 8}}

    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /models/ours-fp8, --tensor-parallel-size, "8"]
            resources: {limits: {nvidia.com/gpu: 8}}

    Source:
        vLLM vllm/model_executor/layers/quantization/fp8.py and awq.py (create_weights), SGLang
        python/sglang/srt/layers/quantization/fp8.py; config.json of the models.
    """
    tp, asked = group.intent.tp, group.asked()
    if asked is None or not tp or asked[1].asks is None:
        return
    cut = cut_of(group.intent.model or "")
    if asked[1].asks.engine not in ("vllm", "sglang") or cut is None or _is_whole(cut, tp):
        return
    if not asked[1].gpus and any("/" in name for name in asked[1].limits):
        return  # accelerators of others (google.com/tpu) have kernels of their own
    told = set(map(flag_of, asked[1].words))
    if "--config" in told or any(is_loose(c.words) for c in asked[1].commands):
        return  # what is not seen may leave experts whole
    if cut.experts and (told & _SPREAD or asked[1].asks.ep or asked[1].asks.quantization):
        return
    part = f"{cut.width} / {tp}"
    says = f"TP={tp} cuts {cut.what} of {group.intent.model}, {cut.width} wide, into {part}"
    unseen = may_differ(group.intent.model or "")
    yield Finding(group.spot_of(*FLAGS), f"{says}, no multiple of {BLOCK}", unseen=unseen)


def _is_whole(cut: Cut, tp: int) -> bool:
    return cut.width % (tp * BLOCK) == 0
