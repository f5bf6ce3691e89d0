"""Groups as they really run, told in the evidence that they would leave; parts can be hidden."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from tests.checks import weights_models

from distcheck.checks.evidence import (
    Evidence,
    GpuDevice,
    GpuProcess,
    Gpus,
    Intent,
    Missing,
    ModelConfig,
    NcclLog,
    NodeLook,
    Pod,
    PodLook,
    Process,
    Processes,
    Target,
    VllmLog,
)
from distcheck.checks.evidence.nccl import Communicator, SeenRank
from distcheck.checks.evidence.serving import EngineArguments, EngineCache, EngineHttp
from distcheck.checks.evidence.vllm import KvCache, RankLine, WeightsLine
from distcheck.checks.knowledge.weights import (
    GIB,
    Engine,
    Exact,
    Layout,
    Weights,
    kv_bytes_per_token,
    rank_weights,
)

VERSION, AT, STARTED = "0.10.2", "2025-09-18T12:30:00Z", "2025-09-18T12:00:00Z"
PER_NODE, OTHERS, SHARE = 8, 2.3, 0.92
GONE = Missing("nobody looked")


@cache
def config(name: str) -> dict[str, Any]:
    """The shape of a public model; one object for all evidence."""
    return weights_models.config(name)


class Running(Struct, frozen=True, kw_only=True):
    """One engine: how it cuts the model, from which GPU of the group on, and what else it does."""

    layout: Layout
    first: int = 0
    offload: float = 0.0
    quantisation: str | None = None
    extra: float = 0.0
    partition: str | None = None


class Truth(Struct, frozen=True, kw_only=True):
    """A whole group: what is asked for, and what runs on `nodes` x 8 GPUs."""

    model: str
    asked: Layout
    engines: tuple[Running, ...]
    nodes: int = 2
    gpu_gib: float = 80.0


class Rank(Struct, frozen=True, kw_only=True):
    """One rank as it is: its place, its GPU, and GiB of its weights and its cache."""

    engine: int
    rank: int
    tp: int
    pp: int
    dp: int
    node: int
    gpu: int
    weights: float
    used: float
    tokens: int

    @property
    def inner_pid(self) -> int:
        """Its number in its container."""
        return 300 + self.gpu

    @property
    def pid(self) -> int:
        """Its number on the node."""
        return 9000 + 100 * self.node + self.gpu

    @property
    def uuid(self) -> str:
        """Its GPU."""
        return f"GPU-{self.node}{self.gpu}"


@cache
def ranks_of(truth: Truth) -> tuple[Rank, ...]:
    """Every rank; none where the model cannot be cut so, or does not fit."""
    found: list[Rank] = []
    for number, one in enumerate(truth.engines):
        made = list(_ranks(truth, number, one))
        if not made:
            return ()
        found += made
    return tuple(found)


@cache
def weigh(model: str, layout: Layout, quantisation: str | None, partition: str | None) -> Weights:
    """As `rank_weights`, and only once."""
    engine = Engine(version=VERSION, quantisation=quantisation, layer_partition=partition)
    return rank_weights(config(model), layout, engine)


def _ranks(truth: Truth, number: int, one: Running) -> Iterator[Rank]:
    found = weigh(truth.model, one.layout, one.quantisation, one.partition)
    if not isinstance(found, Exact) or one.first + len(found.ranks) > truth.nodes * PER_NODE:
        return
    held = [max(0.1, r.weights_bytes / GIB - one.offload) + one.extra for r in found.ranks]
    tokens = []
    for rank, gib in zip(found.ranks, held, strict=True):
        engine = Engine(version=VERSION, layer_partition=one.partition)
        each = kv_bytes_per_token(config(truth.model), one.layout, rank.place.pp_rank, engine)
        left = (SHARE * truth.gpu_gib - gib - OTHERS) * GIB
        if isinstance(each, Missing) or left < GIB:
            return
        tokens.append((int(left / each.total) // 16 * 16, each.total))
    fewest = min(t for t, _ in tokens)
    for rank, gib, (_, each_bytes) in zip(found.ranks, held, tokens, strict=True):
        node, gpu = divmod(one.first + rank.place.rank, PER_NODE)
        yield Rank(
            engine=number,
            rank=rank.place.rank,
            tp=rank.place.tp_rank,
            pp=rank.place.pp_rank,
            dp=rank.place.dp_rank,
            node=node,
            gpu=gpu,
            weights=gib,
            used=gib + OTHERS + fewest * each_bytes / GIB,
            tokens=fewest,
        )


def evidence_of(truth: Truth, hidden: Sequence[str] = (), **changes: Any) -> Evidence:
    """What a group leaves when all is seen but `hidden`.

    Parts: weights, ranks, config-line, cache-line, http, arguments, nvml, numbers, nccl, model,
    last-node. `changes` are fields of the arguments.
    """
    ranks = ranks_of(truth)
    pods = tuple(_pod(n) for n in range(truth.nodes))
    asked = truth.asked
    intent = Intent(
        "vllm",
        tp=asked.tp,
        pp=asked.pp,
        dp=asked.dp,
        ep=asked.expert_parallel or None,
        gpus=truth.nodes * PER_NODE,
        sources={"tp": "args of vllm-0"},
    )
    nodes = [
        _node(truth, n, [r for r in ranks if r.node == n], hidden, changes)
        for n in range(truth.nodes)
    ]
    if "last-node" in hidden:
        nodes[-1] = NodeLook.unseen(nodes[-1].node, AT, f"no agent answered on {nodes[-1].node}")
    return Evidence("0", AT, Target("llm", "pod", "vllm-0"), intent, pods, tuple(nodes))


def _pod(node: int) -> Pod:
    return Pod(
        "llm",
        f"vllm-{node}",
        node=f"node-{node}",
        ip=f"10.0.0.{node}",
        role="leader" if node == 0 else "worker",
        gpus=PER_NODE,
        phase="Running",
    )


def _node(
    truth: Truth, node: int, ranks: list[Rank], hidden: Sequence[str], changes: dict[str, Any]
) -> NodeLook:
    leads = [i for i, e in enumerate(truth.engines) if e.first // PER_NODE == node]
    look = PodLook(
        f"llm/vllm-{node}",
        GONE if "numbers" in hidden else _processes(truth, ranks, leads),
        GONE if "nccl" in hidden else _nccl(truth, ranks),
        _log(truth, ranks, leads, hidden),
        GONE,
        GONE,
        GONE if "model" in hidden else ModelConfig("/m/config.json", config(truth.model)),
    )
    if leads:
        http = GONE if "http" in hidden else _http(truth, leads)
        told = GONE if "arguments" in hidden else _arguments(truth, leads[0], changes)
        look = replace(look, engine_http=http, arguments=told)
    gpus = GONE if "nvml" in hidden else _gpus(truth, node, ranks)
    return NodeLook(f"node-{node}", AT, "0", gpus, GONE, (look,))


def _processes(truth: Truth, ranks: list[Rank], leads: list[int]) -> Processes:
    workers = [
        Process(r.pid, "ray::RayWorkerWrapper", started_at=STARTED, ns_pids=(r.pid, r.inner_pid))
        for r in ranks
    ]
    cores = [Process(8000 + i, "VLLM::EngineCore", ns_pids=(8000 + i, 60 + i)) for i in leads]
    told = next((truth.engines[i].partition for i in leads), None)
    return Processes((*workers, *cores), {"VLLM_PP_LAYER_PARTITION": told} if told else {})


def _gpus(truth: Truth, node: int, ranks: list[Rank]) -> Gpus:
    used = {r.gpu: r for r in ranks}
    devices = tuple(
        GpuDevice(
            f"GPU-{node}{g}",
            g,
            memory_total=int(truth.gpu_gib * GIB),
            memory_used=int((used[g].used if g in used else 0.3) * GIB),
        )
        for g in range(PER_NODE)
    )
    processes = tuple(
        GpuProcess(
            r.uuid, r.pid, int(r.used * GIB), f"llm/vllm-{node}", "ray::RayWorkerWrapper", "pod"
        )
        for r in ranks
    )
    return Gpus(devices, processes, seen_at=AT)


def _log(truth: Truth, ranks: list[Rank], leads: list[int], hidden: Sequence[str]) -> VllmLog:
    log = VllmLog(lines=9, version=VERSION)
    if "ranks" not in hidden:
        log = replace(log, ranks=tuple(_rank_line(truth, r) for r in ranks))
    if "weights" not in hidden:
        log = replace(log, weights=tuple(_weights_line(truth, r, hidden) for r in ranks))
    if not leads:
        return log
    one = truth.engines[leads[0]]
    if "cache-line" not in hidden:
        tokens = next(r.tokens for r in ranks_of(truth) if r.engine == leads[0])
        log = replace(log, kv_cache=KvCache("0.log:86", (tokens,)))
    if "config-line" not in hidden:
        log = replace(
            log,
            tp=one.layout.tp,
            pp=one.layout.pp,
            quantization=one.quantisation,
            config_source="0.log:20",
        )
    return log


def _world(truth: Truth, rank: Rank) -> tuple[int, int, str]:
    """Its rank in its world, the world's size, and where the world meets."""
    one = truth.engines[rank.engine].layout
    counts = ("num_experts", "num_local_experts", "n_routed_experts")
    mixture = any(name in config(truth.model) for name in counts)
    size = one.tp * one.pp * (one.dp if mixture else 1)
    port = 29000 + rank.engine + (0 if size == one.world else 50 * rank.dp)
    head = truth.engines[rank.engine].first // PER_NODE
    return rank.rank % size, size, f"tcp://10.0.0.{head}:{port}"


def _rank_line(truth: Truth, r: Rank) -> RankLine:
    number, size, meets = _world(truth, r)
    return RankLine(
        number,
        size,
        f"w{r.pid}.out:2",
        dp=r.dp,
        pp=r.pp,
        tp=r.tp,
        pid=r.inner_pid,
        init_method=meets,
        clock="09-18 12:00:30",
    )


def _weights_line(truth: Truth, r: Rank, hidden: Sequence[str]) -> WeightsLine:
    line = WeightsLine(
        round(r.weights, 4), f"w{r.pid}.out:3", pid=r.inner_pid, clock="09-18 12:01:10"
    )
    if "ranks" in hidden:
        return line
    return replace(line, rank=_world(truth, r)[0], tp=r.tp, pp=r.pp)


def _nccl(truth: Truth, ranks: list[Rank]) -> NcclLog:
    """Every engine's ranks in one communicator; with stages, bound by a pair for each rank."""
    found: dict[str, Communicator] = {}
    for r in ranks:
        number, size, meets = _world(truth, r)
        if size == 1:
            continue
        seen = SeenRank(
            number, f"vllm-{r.node}", r.inner_pid, "complete", f"n{r.pid}:1", device=r.gpu
        )
        have = found.get(meets) or Communicator(f"0x{abs(hash(meets)):x}", size, (), lines=9)
        found[meets] = replace(have, ranks=(*have.ranks, seen))
    return NcclLog(lines=99, start_seen=True, communicators=tuple(found.values()))


def _http(truth: Truth, leads: list[int]) -> EngineHttp:
    tokens = next(r.tokens for r in ranks_of(truth) if r.engine == leads[0])
    caches = (EngineCache("0", num_gpu_blocks=tokens // 16, block_size=16, sleep="awake"),)
    return EngineHttp(7000, "http://10.0.0.1:8000", VERSION, caches=caches, seen_at=AT)


def _arguments(truth: Truth, lead: int, changes: dict[str, Any]) -> EngineArguments:
    one = truth.engines[lead]
    words = ["vllm", "serve", "/m", "-tp", str(one.layout.tp), "-pp", str(one.layout.pp)]
    words += ["--quantization", one.quantisation] if one.quantisation else []
    told = EngineArguments(7000, tuple(words), cpu_offload_gib=one.offload or None)
    return replace(told, **changes)


NO_LOGS = ("weights", "ranks", "config-line", "cache-line", "nccl")
"""Parts that are gone when the logs are rotated away."""


def with_node(evidence: Evidence, number: int, **changes: Any) -> Evidence:
    """The same, with fields of one node changed."""
    nodes = list(evidence.nodes)
    nodes[number] = replace(nodes[number], **changes)
    return replace(evidence, nodes=tuple(nodes))


def with_look(evidence: Evidence, number: int, **changes: Any) -> Evidence:
    """The same, with fields of the look at one node's pod changed."""
    look = replace(evidence.nodes[number].pods[0], **changes)
    return with_node(evidence, number, pods=(look,))


def gpus_of(evidence: Evidence, number: int) -> Gpus:
    """NVML's view of one node."""
    gpus = evidence.nodes[number].gpus
    assert isinstance(gpus, Gpus)
    return gpus


def with_processes(evidence: Evidence, number: int, *processes: GpuProcess) -> Evidence:
    """The same, with other processes on one node's GPUs."""
    gpus = replace(gpus_of(evidence, number), processes=tuple(processes))
    return with_node(evidence, number, gpus=gpus)
