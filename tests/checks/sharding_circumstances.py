"""What else is in a group, right or wrong: drafts, adapters, offload, tenants, slices, old logs."""

from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace
from tests.checks.sharding_groups import (
    Truth,
    config,
    evidence_of,
    gpus_of,
    weigh,
    with_look,
    with_node,
    with_processes,
)

from distcheck.checks.evidence import Evidence, GpuProcess, Gpus, ModelConfig, NcclLog, VllmLog
from distcheck.checks.evidence.gpu import MigSlice
from distcheck.checks.evidence.serving import EngineHttp
from distcheck.checks.knowledge.weights import GIB, Exact, Layout

Circumstance = Callable[[Truth, Sequence[str]], Evidence]
LAST_WEEK, OTHER = "2025-09-11T12:00:40Z", 70


def _each(truth: Truth, **more: float) -> Truth:
    return replace(truth, engines=tuple(replace(e, **more) for e in truth.engines))


def _drafted(layout: Layout) -> float:
    found = weigh("llama-3.1-8b", Layout(layout.tp), None, None)
    assert isinstance(found, Exact)
    return found.ranks[0].weights_bytes / GIB if layout.pp == 1 else 0.0


def draft(truth: Truth, hidden: Sequence[str]) -> Evidence:
    """A draft model beside it, cut as the model is; here without it in the last stage too."""
    engines = (replace(e, extra=_drafted(e.layout)) for e in truth.engines)
    truth = replace(truth, engines=tuple(engines))
    told = {"draft_model": "/draft", "draft_method": "draft_model"}
    evidence = evidence_of(truth, hidden, **({} if "arguments" in hidden else told))
    small = ModelConfig("/draft/config.json", config("llama-3.1-8b"))
    return with_look(evidence, 0, draft=small)


def unseen_draft(truth: Truth, hidden: Sequence[str]) -> Evidence:
    """A draft model of which only the arguments tell."""
    return evidence_of(_each(truth, extra=0.9989), hidden, draft_method="eagle3")


def lora(truth: Truth, hidden: Sequence[str]) -> Evidence:
    """Adapters' buffers."""
    return evidence_of(_each(truth, extra=0.3), hidden, lora=True)


def offload(truth: Truth, hidden: Sequence[str]) -> Evidence:
    """Two GiB of each rank's weights are in the CPU's memory."""
    return evidence_of(_each(truth, offload=2.0), hidden)


def asleep(truth: Truth, hidden: Sequence[str]) -> Evidence:
    """The engine may sleep, and does."""
    evidence = evidence_of(truth, hidden, sleep_mode=True)
    for number, node in enumerate(evidence.nodes):
        if not node.pods:
            continue
        http = node.pods[0].engine_http
        if isinstance(http, EngineHttp):
            off = tuple(replace(c, sleep="weights_offloaded") for c in http.caches)
            evidence = with_look(evidence, number, engine_http=replace(http, caches=off))
        if isinstance(node.gpus, Gpus):
            evidence = with_node(evidence, number, gpus=_emptied(gpus_of(evidence, number)))
    return evidence


def _emptied(gpus: Gpus) -> Gpus:
    little = tuple(replace(p, memory_used=2 * GIB) for p in gpus.processes)
    used = tuple(replace(d, memory_used=2 * GIB) for d in gpus.devices)
    return replace(gpus, processes=little, devices=used)


def tenants(truth: Truth, hidden: Sequence[str]) -> Evidence:
    """A second tenant on one GPU of each node, and many small ones on another."""
    evidence = evidence_of(truth, hidden)
    for number, node in enumerate(evidence.nodes):
        if isinstance(node.gpus, Gpus):
            large = GpuProcess(f"GPU-{number}0", 77, 6 * GIB, "lab/notebook-0", "python3", "pod")
            small = (
                GpuProcess(f"GPU-{number}1", 80 + i, GIB // 3, f"lab/small-{i}", "python3", "pod")
                for i in range(9)
            )
            evidence = with_processes(evidence, number, *node.gpus.processes, large, *small)
    return evidence


def slices(truth: Truth, hidden: Sequence[str]) -> Evidence:
    """Every GPU is the larger of two slices of one, whose processes' memory nobody tells."""
    evidence = evidence_of(truth, hidden)
    for number, node in enumerate(evidence.nodes):
        if isinstance(node.gpus, Gpus):
            evidence = with_node(evidence, number, gpus=_cut(gpus_of(evidence, number)))
    return evidence


def _cut(gpus: Gpus) -> Gpus:
    used = {p.uuid: p.memory_used for p in gpus.processes}
    mine = tuple(
        MigSlice(f"MIG-{d.uuid}", d.uuid, 1, 0, d.memory_total, used.get(d.uuid, 0))
        for d in gpus.devices
    )
    other = tuple(MigSlice(f"MIG-x{d.uuid}", d.uuid, 2, 0, 10 * GIB, GIB) for d in gpus.devices)
    processes = tuple(
        replace(p, uuid=f"MIG-{p.uuid}", memory_used=None, untold="MIG") for p in gpus.processes
    )
    return replace(gpus, slices=(*mine, *other), processes=processes)


def reordered(truth: Truth, hidden: Sequence[str]) -> Evidence:
    """CUDA_VISIBLE_DEVICES turns the order of the GPUs."""
    evidence = evidence_of(truth, hidden)
    for number, node in enumerate(evidence.nodes):
        if isinstance(node.gpus, Gpus):
            every = node.gpus.processes
            turned = [replace(p, uuid=q.uuid) for p, q in zip(every, every[::-1], strict=True)]
            held = {p.uuid: p.memory_used or 0 for p in turned}
            devices = (replace(d, memory_used=held.get(d.uuid, 0)) for d in node.gpus.devices)
            gpus = replace(node.gpus, processes=tuple(turned), devices=tuple(devices))
            evidence = with_node(evidence, number, gpus=gpus)
    return evidence


def contexts(truth: Truth, hidden: Sequence[str]) -> Evidence:
    """Every rank leaves a context on the first GPU of its node."""
    evidence = evidence_of(truth, hidden)
    for number, node in enumerate(evidence.nodes):
        if isinstance(node.gpus, Gpus):
            every = node.gpus.processes
            left = (replace(p, uuid=every[0].uuid, memory_used=GIB // 2) for p in every[1:])
            evidence = with_processes(evidence, number, *every, *left)
    return evidence


def right(truth: Truth) -> Truth:
    """The same group as it should be."""
    return replace(truth, engines=(replace(truth.engines[0], layout=truth.asked, first=0),))


def stale(pids: int, stamp: str | None) -> Circumstance:
    """The logs that are there are those of a right start of last week."""

    def made(truth: Truth, hidden: Sequence[str]) -> Evidence:
        evidence = evidence_of(truth, hidden)
        old = evidence_of(right(truth), hidden)
        for number, node in enumerate(old.nodes):
            if node.pods and evidence.nodes[number].pods:
                evidence = with_look(evidence, number, **logs_of(node.pods[0], pids, stamp))
        return evidence

    return made


def logs_of(look: Any, pids: int, stamp: str | None) -> dict[str, Any]:
    """The logs of `look` by processes whose numbers are larger by `pids`, written at `stamp`."""
    found: dict[str, Any] = {}
    if isinstance(look.vllm, VllmLog):
        log = look.vllm
        ranks = (replace(r, pid=(r.pid or 0) + pids, seen_at=stamp) for r in log.ranks)
        weights = (replace(w, pid=(w.pid or 0) + pids, seen_at=stamp) for w in log.weights)
        found["vllm"] = replace(log, ranks=tuple(ranks), weights=tuple(weights))
    if isinstance(look.nccl, NcclLog):
        comms = (
            replace(c, ranks=tuple(replace(r, pid=r.pid + pids, stamp=stamp) for r in c.ranks))
            for c in look.nccl.communicators
        )
        found["nccl"] = replace(look.nccl, communicators=tuple(comms))
    return found
