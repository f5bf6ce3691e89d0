"""`distcheck plan`: weights per rank, layouts that fit, and what the network can carry."""

from difflib import get_close_matches

import msgspec

from distcheck.agent.cli import exit as codes
from distcheck.agent.cli import options as opt
from distcheck.agent.cli import plan_options as asks
from distcheck.agent.cli import plan_values as read
from distcheck.agent.cli.command import Program
from distcheck.agent.cli.output import ink, outputs, show_on
from distcheck.agent.cli.plan_model import ModelFiles, read_plan_model
from distcheck.checks.knowledge.layer_split import version_of
from distcheck.checks.knowledge.plan import Ask, Plan
from distcheck.checks.knowledge.plan_layouts import plan as planned
from distcheck.checks.knowledge.plan_methods import METHODS
from distcheck.checks.knowledge.weights import Engine
from distcheck.exporters.formats import Page
from distcheck.exporters.plan_text import render_text

_MOST_RANKS, _MOST_SEQS = 4096, 1 << 20
_NODE, _BATCH = 8, "--max-num-batched-tokens"
_DTYPES = ("auto", "half", "float16", "bfloat16", "float", "float32")
_CACHES = ("auto", "bfloat16", "fp8", "fp8_e4m3", "fp8_e5m2", "fp8_inc", "fp8_ds_mla")
_HALF = {"half": "float16", "float": "float32", "auto": None}


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
    memory = read.gpu_memory(gpu_memory)
    nodes = read.number("--gpus-per-node", gpus_per_node, 1024)
    ask = Ask(
        config={},
        engine=_engine(dtype, quantization, vllm_version),
        tp=read.number("--tp", tp, _MOST_RANKS),
        pp=read.number("--pp", pp, _MOST_RANKS),
        dp=read.number("--dp", dp, _MOST_RANKS),
        expert_parallel=True if enable_expert_parallel else None,
        gpus=read.number("--gpus", gpus, _MOST_RANKS),
        gpu_bytes=memory,
        gpus_per_node=nodes or _NODE,
        fabric=read.interconnect(interconnect),
        max_model_len=read.length(max_model_len),
        max_num_seqs=read.number("--max-num-seqs", max_num_seqs, _MOST_SEQS) or 1,
        max_num_batched_tokens=read.number(_BATCH, max_num_batched_tokens, _MOST_SEQS),
        kv_cache_dtype=opt.one_of("--kv-cache-dtype", kv_cache_dtype, _CACHES) or "auto",
        utilization=read.share(gpu_memory_utilization),
    )
    ask = _checked(ask, read.number("--ep", ep, _MOST_RANKS))
    files = read_plan_model(model)
    ask = msgspec.structs.replace(ask, config=files.config, checkpoint=files.checkpoint)
    told = _noted(planned(ask, files.name, files.source), ask, files, gpu_memory, vllm_version)
    show_on(wanted, lambda name, page: _show(told, name, page))
    return _CODES[told.verdict]


def _engine(dtype: str | None, quantization: str | None, version: str | None) -> Engine:
    opt.one_of("--dtype", dtype, _DTYPES)
    if version is not None and (version_of(version) is None or len(version) > 40):
        raise codes.usage(f"--vllm-version: {version!r} is not a version such as {asks.NEWEST}")
    if quantization is not None and quantization not in ("none", *METHODS):
        raise codes.usage(
            f"--quantization: {quantization!r} is no method of vLLM {asks.NEWEST} or before;"
            f" near it: {_near(quantization)}"
        )
    return Engine(
        version=version or asks.NEWEST,
        dtype=_HALF.get(dtype, dtype) if dtype else None,
        quantisation=None if quantization in (None, "none") else quantization,
    )


def _near(method: str) -> str:
    found = get_close_matches(method[:40], sorted(METHODS))
    return ", ".join(found) if found else "none; awq, fp8 and gptq are some"


def _checked(ask: Ask, ep: int | None) -> Ask:
    """Sizes that contradict each other, before any file is read."""
    tp, pp, dp = ask.tp or 1, ask.pp or 1, ask.dp or 1
    if tp * pp * dp > _MOST_RANKS:
        raise codes.usage(f"plan: TP x PP x DP = {tp * pp * dp} ranks; the most is {_MOST_RANKS}")
    if ask.gpus is not None and ask.gpus > ask.gpus_per_node and ask.gpus % ask.gpus_per_node:
        raise codes.usage(
            f"--gpus: {ask.gpus} GPUs are not whole nodes of {ask.gpus_per_node};"
            " give --gpus-per-node"
        )
    if ep is None:
        return ask
    if ep == 1 and not ask.expert_parallel:
        return msgspec.structs.replace(ask, expert_parallel=False)
    if ask.gpus == ep and not (ask.tp and ask.dp) and pp == 1:
        return msgspec.structs.replace(ask, expert_parallel=True)
    if ep != tp * dp:
        raise codes.usage(
            f"--ep: {ep} is not TP x DP = {tp} x {dp} = {tp * dp}, which vLLM's expert"
            " parallel size always is, and not 1 for none"
        )
    return msgspec.structs.replace(ask, expert_parallel=True)


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
    return msgspec.structs.replace(told, asked=_asked(ask), notes=tuple(notes))


def _asked(ask: Ask) -> str:
    memory = f" of {ask.gpu_bytes / (1 << 30):.1f} GiB" if ask.gpu_bytes else ""
    gpus = "1 GPU" if ask.gpus == 1 else f"{ask.gpus or ''} GPUs".strip()
    words = [f"{gpus}{memory}" if ask.gpus or memory else ""]
    words += [f"{ask.gpus_per_node} a node", ask.fabric.words if ask.fabric else ""]
    words.append(f"requests of {ask.max_model_len:,} tokens" if ask.max_model_len else "")
    return ", ".join(w for w in words if w)


def _show(told: Plan, name: str, page: Page) -> str:
    if name == "json":
        return msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n"
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
