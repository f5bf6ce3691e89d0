"""`distcheck plan`: weights per rank, layouts that fit, and what the network can carry."""

import msgspec

from distcheck.agent.cli import exit as codes
from distcheck.agent.cli import options as opt
from distcheck.agent.cli import plan_asked as asked
from distcheck.agent.cli import plan_options as asks
from distcheck.agent.cli import plan_values as read
from distcheck.agent.cli.command import Program
from distcheck.agent.cli.output import ink, outputs, show_on
from distcheck.agent.cli.plan_model import ModelFiles, read_plan_model
from distcheck.checks.knowledge.plan import Ask, Plan
from distcheck.checks.knowledge.plan_layouts import plan as planned
from distcheck.exporters.formats import Page
from distcheck.exporters.json_text import json_text
from distcheck.exporters.plan_text import render_text


def plan(
    *,
    model: asks.Model,
    tp: asks.Tp = None,
    pp: asks.Pp = None,
    dp: asks.Dp = None,
    ep: asks.Ep = None,
    enable_expert_parallel: asks.Spread = False,
    gpus: asks.Gpus = None,
    gpu_memory: asks.Memory = None,
    gpus_per_node: asks.PerNode = None,
    interconnect: asks.Interconnect = None,
    max_model_len: asks.Length = None,
    max_num_seqs: asks.Seqs = "256",
    max_num_batched_tokens: asks.Batch = None,
    dtype: asks.Dtype = None,
    quantization: asks.Quantization = None,
    kv_cache_dtype: asks.CacheDtype = "auto",
    gpu_memory_utilization: asks.Utilization = "0.9",
    vllm_version: asks.Version = None,
    output: opt.Output = None,
) -> int:
    """Weights per rank, TP and PP layouts that fit, /dev/shm need, what the network can carry.

    With --tp or --pp that one layout; with --gpus the layouts of so many, best first; with
    neither, how many GPUs it takes. Nothing is looked up: a model is a file or a folder.

    Best first means: what fits; then the fewest GPUs, where no number is given; then the time to
    answer one request, as the interconnect allows; throughput last. A model that one GPU holds is
    copied, for throughput.

    Exit 0 where the best layout fits, or no --gpu-memory was given; 1 where none fits, vLLM
    would refuse the layout, or the interconnect does not carry it; 3 where bounds leave it
    open, or nothing is known of the weights.
    """
    wanted = outputs(output)
    ask = asked.sizes(tp, pp, dp, ep, gpus, gpus_per_node, whole_experts=enable_expert_parallel)
    ask = msgspec.structs.replace(
        ask,
        engine=asked.engine(dtype, quantization, vllm_version),
        gpu_bytes=read.gpu_memory(gpu_memory),
        fabric=read.interconnect(interconnect),
        utilization=read.share(gpu_memory_utilization),
    )
    ask = asked.load(ask, max_model_len, max_num_seqs, max_num_batched_tokens, kv_cache_dtype)
    files = read_plan_model(model)
    ask = msgspec.structs.replace(ask, config=files.config, checkpoint=files.checkpoint)
    told = _noted(planned(ask, files.name, files.source), ask, files, gpu_memory, vllm_version)
    show_on(wanted, lambda name, page: _show(told, name, page))
    return _CODES[told.verdict]


def _noted(
    told: Plan, ask: Ask, files: ModelFiles, memory: str | None, version: str | None
) -> Plan:
    """With what was asked for in words, and what was assumed."""
    notes = list(told.notes) + list(files.notes)
    if told.layouts[0].tp > 1 and told.layouts[0].flags:
        notes.append("NVLink between the GPUs of a node is assumed; over PCIe alone prefer PP.")
    if version is None:
        notes.append(f"vLLM {asks.NEWEST} is assumed; --vllm-version says another.")
    if memory and memory.endswith("GB"):
        notes.append(
            f"{memory} is {(ask.gpu_bytes or 0) / (1 << 30):.1f} GiB; a GPU sold as such often has"
            " more: give what nvidia-smi says, in MiB."
        )
    return msgspec.structs.replace(told, asked=_in_words(ask), notes=tuple(notes))


def _in_words(ask: Ask) -> str:
    memory = f" of {ask.gpu_bytes / (1 << 30):.1f} GiB" if ask.gpu_bytes else ""
    gpus = "1 GPU" if ask.gpus == 1 else f"{ask.gpus or ''} GPUs".strip()
    words = [f"{gpus}{memory}" if ask.gpus or memory else ""]
    words += [f"{ask.gpus_per_node} a node", ask.fabric.words if ask.fabric else ""]
    words.append(f"requests of {ask.max_model_len:,} tokens" if ask.max_model_len else "")
    return ", ".join(w for w in words if w)


def _show(told: Plan, name: str, page: Page) -> str:
    if name == "json":
        return json_text(told)
    return render_text(told, page.width, ink(page))


_CODES = {
    "fits": codes.PASS,
    "weights_only": codes.PASS,
    "may_fit": codes.UNKNOWN,
    "unknown": codes.UNKNOWN,
    "avoid": codes.FAIL,
    "does_not_fit": codes.FAIL,
    "refused": codes.FAIL,
}

PROGRAM = Program(plan)
