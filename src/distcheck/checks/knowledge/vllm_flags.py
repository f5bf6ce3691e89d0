"""Flags that vLLM's server had and has no more, with the first release that is without each.

vLLM vllm/engine/arg_utils.py and vllm/entrypoints/openai/cli_args.py of 22 releases, 0.6.6 to 0.33.
Where a release between two of them took it out, the later one stands here. `--swap-space` has a
reader of its own.
"""

from collections.abc import Iterable, Mapping

GONE: Mapping[str, tuple[tuple[int, ...], str]] = {
    "--worker-use-ray": ((0, 7, 3), "Write `--distributed-executor-backend ray`."),
    "--speculative-model": ((0, 8, 5), "Write `--speculative-config`."),
    "--num-speculative-tokens": ((0, 8, 5), "Write `--speculative-config`."),
    "--device": ((0, 10, 0), "Take it out: vLLM finds the device."),
    "--enable-reasoning": ((0, 10, 0), "Take it out: --reasoning-parser is enough."),
    "--use-v2-block-manager": ((0, 10, 0), "Take it out: there is no other."),
    "--tokenizer-pool-size": ((0, 10, 0), "Take it out."),
    "--num-scheduler-steps": ((0, 10, 1), "Take it out."),
    "--multi-step-stream-outputs": ((0, 10, 1), "Take it out."),
    "--enable-prompt-adapter": ((0, 10, 2), "Take it out."),
    "--preemption-mode": ((0, 11, 0), "Take it out."),
    "--scheduler-delay-factor": ((0, 11, 0), "Take it out."),
    "--max-seq-len-to-capture": ((0, 11, 0), "Take it out."),
    "--disable-async-output-proc": ((0, 11, 0), "Take it out."),
    "--rope-scaling": ((0, 11, 1), "Write it into `--hf-overrides`."),
    "--rope-theta": ((0, 11, 1), "Write it into `--hf-overrides`."),
    "--enable-lora-bias": ((0, 11, 1), "Take it out."),
    "--lora-extra-vocab-size": ((0, 12, 0), "Take it out."),
    "--num-lookahead-slots": ((0, 12, 0), "Take it out."),
    "--guided-decoding-backend": ((0, 12, 0), "Write `--structured-outputs-config.backend`."),
    "--override-pooler-config": ((0, 12, 0), "Write `--pooler-config`."),
    "--eplb-window-size": ((0, 12, 0), "Write it into `--eplb-config`."),
    "--eplb-step-interval": ((0, 12, 0), "Write it into `--eplb-config`."),
    "--num-redundant-experts": ((0, 12, 0), "Write it into `--eplb-config`."),
    "--task": ((0, 13, 0), "Write `--runner`, and `--convert` where it is meant."),
    "--cuda-graph-sizes": ((0, 13, 0), "Write `--cudagraph-capture-sizes`."),
    "--disable-mm-preprocessor-cache": ((0, 13, 0), "Write `--mm-processor-cache-gb 0`."),
    "--enable-multimodal-encoder-data-parallel": ((0, 13, 0), "Write `--mm-encoder-tp-mode data`."),
    "--disable-log-requests": ((0, 17, 0), "Take it out: only --enable-log-requests logs them."),
    "--logits-processor-pattern": ((0, 17, 0), "Take it out."),
    "--disable-frontend-multiprocessing": ((0, 19, 0), "Take it out."),
    "--max-num-partial-prefills": ((0, 28, 0), "Take it out."),
    "--calculate-kv-scales": ((0, 28, 0), "Take it out."),
}


def gone(words: Iterable[str]) -> list[str]:
    """Of these words the flags that some release took out, as they are called there, each once."""
    named = (word.partition("=")[0].replace("_", "-") for word in words)
    return list(dict.fromkeys(name for name in named if name in GONE))
