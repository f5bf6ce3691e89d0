"""A healthy group of two nodes with 8 GPUs each, as evidence; tests change one thing of it."""

from collections.abc import Callable

from msgspec import structs

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
    PortProbe,
    PortProbes,
    Process,
    Processes,
    RayCluster,
    ShmDeclared,
    ShmMount,
    Target,
    VllmLog,
)
from distcheck.checks.evidence.gpu_health import GpuHealth, GpuPair, GpuState, NvLinks
from distcheck.checks.evidence.nccl import Channels, Communicator, NcclProcess, SeenRank
from distcheck.checks.evidence.policy import (
    NameWanted,
    NetworkPolicies,
    PolicyPod,
    Services,
    ServiceSeen,
)
from distcheck.checks.evidence.ras import RasCommunicator, RasRank, RasStatus
from distcheck.checks.evidence.ray import Bundle, PlacementGroup, RayActor, RayletProbe, RayNode
from distcheck.checks.evidence.rdma import RdmaAccess, RdmaDevices, RdmaPort
from distcheck.checks.evidence.rendezvous import NameLookup, NameLookups
from distcheck.checks.evidence.vllm import KvCache, RankLine, WeightsLine
from distcheck.checks.evidence.xids import Xids

GIB = 1 << 30
AT = "2026-01-15T09:30:00Z"
STARTED = "2026-01-15T09:20:00Z"
PER_NODE = 8
MODEL = "meta-llama/Llama-3.1-70B-Instruct"
WEIGHTS_GIB = {16: 8.4034, 8: 16.4919}
CONFIG: dict[str, object] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 8192,
    "intermediate_size": 28672,
    "head_dim": 128,
    "max_position_embeddings": 131072,
    "num_attention_heads": 64,
    "num_hidden_layers": 80,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}


POLICIES = "GET /apis/networking.k8s.io/v1/namespaces/llm/networkpolicies"


RENDEZVOUS = "vllm-head-0.vllm-head"


def name_of(node: int) -> str:
    """The pod on node number `node`: the leader is on the first."""
    return "vllm-head-0" if node == 0 else f"vllm-worker-{node - 1}"


def healthy(nodes: int = 2) -> Evidence:
    """One model over `nodes` x 8 GPUs, TP over all of them, seen from every side."""
    pods = tuple(_pod(n) for n in range(nodes))
    world = nodes * PER_NODE
    return Evidence(
        distcheck_version="0.1.0",
        observed_at=AT,
        target=Target(
            "llm", "StatefulSet", "vllm-head", "pod/vllm-head-0", nodes, "spec of the sets"
        ),
        intent=_intent(world, nodes),
        pods=pods,
        nodes=tuple(_node(n, nodes) for n in range(nodes)),
        policies=NetworkPolicies({}, POLICIES, tuple(map(_policy_pod, range(nodes))), seen_at=AT),
        services=_services(nodes),
    )


def without_look(evidence: Evidence, pod: str) -> Evidence:
    """The same, but nobody looked at `pod`, nor at the node that it runs on."""
    node = next(p.node for p in evidence.pods if p.name == pod)
    return structs.replace(evidence, nodes=tuple(n for n in evidence.nodes if n.node != node))


def change_looks(evidence: Evidence, change: Callable[[PodLook], PodLook]) -> Evidence:
    """The same, with `change` made to every pod's look."""
    nodes = tuple(
        structs.replace(n, pods=tuple(change(look) for look in n.pods)) for n in evidence.nodes
    )
    return structs.replace(evidence, nodes=nodes)


def _pod(node: int) -> Pod:
    return Pod(
        namespace="llm",
        name=name_of(node),
        uid=f"00000000-0000-4000-8000-{node:012d}",
        node=f"gpu-{node}",
        ip=_ip(node),
        role="worker" if node else "leader",
        gpus=PER_NODE,
        container="vllm",
        phase="Running",
        ready=True,
        started_at=STARTED,
        shm=ShmDeclared(32 * GIB, "emptyDir (Memory) shm in the spec of vllm", "memory"),
        rdma=("rdma/hca_shared_devices_a",),
    )


def names(node: int) -> NameLookups | Missing:
    """The worker looked up the name by which it joins; the leader joins nobody."""
    if node == 0:
        return Missing(f"no command line or variable in {name_of(0)} names another pod to join")
    search = ("llm.svc.cluster.local", "svc.cluster.local", "cluster.local")
    one = NameLookup(
        RENDEZVOUS,
        "ray start --address",
        "resolved",
        (_ip(0),),
        (f"{RENDEZVOUS}.{search[0]}",),
        f"{RENDEZVOUS}.{search[0]}",
    )
    where = f"{name_of(node)}: network namespace of pid 101"
    return NameLookups((one,), where, AT, ("10.96.0.10",), search)


def _services(nodes: int) -> Services:
    head = ServiceSeen(
        "vllm-head",
        "llm",
        headless=True,
        publish_not_ready=True,
        addresses=(_ip(0),),
        hostnames={name_of(0): _ip(0)},
        ports=(6379,),
        selector={"app": "vllm", "role": "head"},
    )
    wanted = tuple(
        NameWanted(f"llm/{name_of(n)}", RENDEZVOUS, "ray start --address", 6379)
        for n in range(1, nodes)
    )
    return Services((head,), "GET /api/v1/namespaces/llm/services", AT, wanted)


def _policy_pod(node: int) -> PolicyPod:
    labels = {"app": "vllm", "role": "worker" if node else "head"}
    return PolicyPod(f"llm/{name_of(node)}", labels, {} if node else {"gcs": 6379}, (_ip(node),))


def _intent(world: int, nodes: int) -> Intent:
    source = f"command of {name_of(0)}"
    names = ("engine", "model", "tp", "pp", "gpus", "nodes", "executor")
    return Intent(
        engine="vllm",
        model=MODEL,
        tp=world,
        pp=1,
        dp=1,
        gpus=world,
        nodes=nodes,
        executor="ray",
        sources=dict.fromkeys(names, source),
        agreed=dict.fromkeys(names, (source, f"argv of {name_of(0)} (pid 1000)")),
    )


def _ip(node: int) -> str:
    return f"10.0.{node // 200}.{node % 200 + 2}"


def _node(node: int, nodes: int) -> NodeLook:
    return NodeLook(
        node=f"gpu-{node}",
        observed_at=AT,
        agent=f"distcheck-agent-gpu-{node}",
        gpus=_gpus(node),
        ray=Missing("no pod of this node runs Ray's GCS") if node else _ray(nodes),
        pods=(_look(node, nodes),),
        health=_health(node),
        xids=Xids("2026-01-15T08:00:00Z", AT),
        rdma=RdmaDevices(
            tuple(_hca(n) for n in range(PER_NODE)), "/sys/class/infiniband", AT, True
        ),
    )


def _health(node: int) -> GpuHealth:
    names = [_uuid(node, gpu) for gpu in range(PER_NODE)]
    pairs = ((a, b) for at, a in enumerate(names) for b in names[at + 1 :])
    return GpuHealth(
        gpus=tuple(_state(uuid, gpu) for gpu, uuid in enumerate(names)),
        pairs=tuple(GpuPair(a, b, "system", "ok", "ok") for a, b in pairs),
        driver="550.54.15",
        seen_at=AT,
    )


def _state(uuid: str, index: int) -> GpuState:
    return GpuState(
        uuid,
        index,
        "NVIDIA H100 80GB HBM3",
        ecc_uncorrected=0,
        remap_pending=False,
        remap_failed=False,
        slowed=(),
        recovery="none",
        pcie_width=16,
        pcie_width_max=16,
        nvlinks=NvLinks(18, 0, ("switch",)),
        fabric="completed",
    )


def _hca(number: int) -> RdmaPort:
    return RdmaPort(
        device=f"mlx5_{number}",
        port=1,
        state="ACTIVE",
        phys_state="LinkUp",
        rate_gbps=400.0,
        link_layer="InfiniBand",
        netdev=f"ib{number}",
        pci=f"0000:{number + 16:02x}:00.0",
        numa=number // 4,
        gids={"0": "IB/RoCE v1"},
        counters={"link_downed": 0},
        verbs=f"uverbs{number}",
        driver="mlx5_core",
    )


def _uuid(node: int, gpu: int) -> str:
    return f"GPU-{node:08x}-0000-4000-8000-{gpu:012x}"


def _gpus(node: int) -> Gpus:
    devices = tuple(
        GpuDevice(_uuid(node, g), g, "NVIDIA H100 80GB HBM3", 80 * GIB, 72 * GIB)
        for g in range(PER_NODE)
    )
    key = f"llm/{name_of(node)}"
    processes = tuple(
        GpuProcess(_uuid(node, g), 200 + g, 71 * GIB, key, "ray::RayWorkerWrapper")
        for g in range(PER_NODE)
    )
    return Gpus(devices, processes, "550.54.15", AT)


def shm_mount(size: int, source: str = "tmpfs", used: int | None = None) -> ShmMount:
    """A mount as an agent with all its rights sees it: 8 pools in use, and nothing leaked."""
    taken = min(size, 8 * 33_030_528) if used is None else used
    return ShmMount(
        size_bytes=size,
        source=source,
        cited="/proc/101/mountinfo",
        used_bytes=taken,
        seen_at=AT,
        segments=(),
        memory_limit=None,
        unheld_files=0,
        unheld_bytes=0,
    )


def starting(evidence: Evidence) -> Evidence:
    """Where no rank has completed a communicator yet."""

    def change(look: PodLook) -> PodLook:
        assert isinstance(look.nccl, NcclLog)
        comms = (
            structs.replace(c, ranks=tuple(structs.replace(r, state="started") for r in c.ranks))
            for c in look.nccl.communicators
        )
        nccl = structs.replace(look.nccl, communicators=tuple(comms), channels=())
        return structs.replace(look, nccl=nccl)

    return change_looks(evidence, change)


def _look(node: int, nodes: int) -> PodLook:
    return PodLook(
        pod=f"llm/{name_of(node)}",
        processes=_processes(node, nodes),
        nccl=_nccl(node, nodes),
        vllm=_vllm(node, nodes),
        shm=shm_mount(32 * GIB),
        ports=_ports(node, nodes),
        model=ModelConfig("/models/llama/config.json", CONFIG, 141_107_412_992),
        names=names(node),
        rdma=RdmaAccess(
            verbs=("rdma_cm", *(f"uverbs{n}" for n in range(PER_NODE))),
            source=f"{name_of(node)}: /dev/infiniband and limits of pid 200",
            seen_at=AT,
            devices=tuple(f"mlx5_{n}" for n in range(PER_NODE)),
            memlock_bytes=None,
            ipc_lock=True,
            pid=200,
        ),
        ras=Missing(f"RAS in {name_of(0)} answers for {name_of(node)}") if node else _ras(nodes),
    )


def _ras(nodes: int) -> RasStatus:
    """Asked in the leader's pod, it answers for all ranks of the job."""
    world = nodes * PER_NODE
    ranks = tuple(
        RasRank(r, _ip(r // 8), 200 + r % 8, 0, r % 8, {"AllReduce": 40, "AllGather": 7})
        for r in range(world)
    )
    one = RasCommunicator("0xfd2c1a7b5e6d3c01", world, ranks)
    return RasStatus((one,), "NCCL RAS at 127.0.0.1:28028", version="2.28.9", seen_at=AT)


def _processes(node: int, nodes: int) -> Processes:
    serve = ("vllm", "serve", MODEL, f"--tensor-parallel-size={nodes * PER_NODE}")
    first = Process(101, "vllm" if node == 0 else "ray", 1, serve if node == 0 else (), STARTED)
    ranks = tuple(
        Process(200 + g, "ray::RayWorkerWrapper", 101, (), STARTED) for g in range(PER_NODE)
    )
    return Processes((first, *ranks), {"NCCL_DEBUG": "INFO"}, AT)


def _nccl(node: int, nodes: int) -> NcclLog:
    ranks = range(node * PER_NODE, (node + 1) * PER_NODE)
    log = f"llm/{name_of(node)}/vllm"
    seen = tuple(
        SeenRank(r, name_of(node), 200 + r % 8, "complete", f"{log}:{900 + r}", "1b000", r % 8, AT)
        for r in ranks
    )
    world = nodes * PER_NODE
    return NcclLog(
        lines=4000,
        versions=("2.27.3",),
        info=True,
        start_seen=True,
        processes=tuple(
            NcclProcess(
                name_of(node), 200 + r % 8, f"{log}:{100 + r}", 500, "IB", None, True, True, True
            )
            for r in ranks
        ),
        communicators=(Communicator("0xfd2c1a7b5e6d3c01", world, seen, nodes),),
        channels=_channels(node, world, log),
    )


def _channels(node: int, world: int, log: str) -> tuple[Channels, ...]:
    first, host = node * PER_NODE, name_of(node)
    last, beyond = first + PER_NODE - 1, (first + PER_NODE) % world
    comm = "0xfd2c1a7b5e6d3c01"
    net = "NET/IB/GDRDMA"
    if world == PER_NODE:
        return ()
    return (
        Channels(host, 207, "send", net, "inter_node", 16, f"{log}:700", comm, ((last, beyond),)),
        Channels(
            host, 200, "receive", net, "inter_node", 16, f"{log}:701", comm, ((first, first - 1),)
        ),
        Channels(
            host,
            200,
            "send",
            "P2P/CUMEM",
            "intra_node",
            32,
            f"{log}:702",
            comm,
            ((first, first + 1),),
        ),
    )


def _vllm(node: int, nodes: int) -> VllmLog:
    """All of the engine's lines are in the leader's log: Ray brings the workers' there."""
    if node:
        return VllmLog(lines=12)
    world, log = nodes * PER_NODE, f"llm/{name_of(0)}/vllm"
    return VllmLog(
        lines=900,
        version="0.10.2",
        engine="V1",
        model=MODEL,
        tp=world,
        pp=1,
        dp=1,
        dtype="bfloat16",
        executor="ray",
        config_source=f"{log}:40",
        ranks=tuple(_rank_line(r, world, log) for r in range(world)),
        weights=tuple(_weights_line(r, world, log) for r in range(world)),
        kv_cache=KvCache(f"{log}:640", (1_000_000,), 62_500, 16, (55.0,)),
        started=True,
        started_source=f"{log}:800",
    )


def _rank_line(rank: int, world: int, log: str) -> RankLine:
    host = _ip(rank // PER_NODE)
    return RankLine(
        rank=rank,
        world_size=world,
        source=f"{log}:{300 + rank}",
        dp=0,
        pp=0,
        tp=rank,
        ep=rank,
        label="RayWorkerWrapper",
        pid=200 + rank % PER_NODE,
        host=host,
        init_method=f"tcp://{_ip(0)}:41000",
        seen_at=STARTED,
    )


def _weights_line(rank: int, world: int, log: str) -> WeightsLine:
    return WeightsLine(
        gib=WEIGHTS_GIB.get(world, 131.4 / world),
        source=f"{log}:{500 + rank}",
        rank=rank,
        tp=rank,
        pp=0,
        label="RayWorkerWrapper",
        pid=200 + rank % PER_NODE,
        host=_ip(rank // PER_NODE),
        seen_at=STARTED,
    )


def _ports(node: int, nodes: int) -> PortProbes:
    peers = [n for n in range(min(nodes, 4)) if n != node]
    probes = tuple(
        PortProbe(name_of(n), _ip(n), port, service, "open", "", 0.001)
        for n in peers
        for port, service in ((6379, "ray-gcs"), (41000, "rendezvous"))
        if n == 0 or service != "ray-gcs"
    )
    return PortProbes(probes, f"network namespace of llm/{name_of(node)}", AT)


def _ray(nodes: int) -> RayCluster:
    world = nodes * PER_NODE
    return RayCluster(
        address=f"{_ip(0)}:6379",
        version="2.60.0",
        cluster_id="c1" * 28,
        seen_at=AT,
        nodes=tuple(_ray_node(n) for n in range(nodes)),
        placement_groups=(
            PlacementGroup(
                "a1" * 18,
                "CREATED",
                bundles=tuple(Bundle(i, 1.0, _ray_id(i // PER_NODE)) for i in range(world)),
            ),
        ),
        actors=tuple(_actor(r) for r in range(world)),
    )


def _ray_id(node: int) -> str:
    return f"{node:056x}"


def _ray_node(node: int) -> RayNode:
    return RayNode(
        id=_ray_id(node),
        ip=_ip(node),
        state="ALIVE",
        hostname=name_of(node),
        gpus=8.0,
        gpus_available=0.0,
        is_head=node == 0,
        node_manager_port=40001,
        object_manager_port=40002,
        start_ms=1_768_468_800_000,
        raylet=RayletProbe("serving"),
    )


def _actor(rank: int) -> RayActor:
    return RayActor(
        id=f"{rank:032x}",
        class_name="RayWorkerWrapper",
        state="ALIVE",
        pid=200 + rank % PER_NODE,
        ip=_ip(rank // PER_NODE),
        node_id=_ray_id(rank // PER_NODE),
        gpu_indices=(rank % PER_NODE,),
        placement_group="a1" * 18,
        bundle=rank,
    )
