"""Command lines of the lab: what the specs declare, and what the processes really run."""

import shlex

from distcheck.lab.layout import Layout, Member
from distcheck.lab.model import model_of
from distcheck.lab.scenario import Engine, Scene

HEAD = "vllm-head-0.vllm-head"
LEADER = f"{HEAD}.llm"
"""What LeaderWorkerSet puts into LWS_LEADER_ADDRESS."""
_RPC_PORT = "13345"


def declared(layout: Layout, member: Member) -> tuple[list[str], list[str]]:
    """`command` and `args` of the pod's container."""
    world, port = layout.world, layout.gcs_port
    wanted = Engine(world.declared_tp, world.declared_pp, world.declared_dp, world.nodes)
    joins = world.leader_worker_set and not member.leader
    serve = _serve(world, wanted, "$(LWS_LEADER_ADDRESS)")
    if not world.ray:
        return ["vllm"], [*serve[1:], *(_headless(wanted, "$(LWS_WORKER_INDEX)") if joins else [])]
    if not member.leader:
        return ["ray"], ["start", f"--address={world.names.join}:{port}", "--num-gpus=8", "--block"]
    if _as_declared(layout):
        script = f"ray start --head --port={port} --num-gpus=8 && exec {shlex.join(serve)}"
        return ["/bin/bash", "-c"], [script]
    return ["/opt/serve/start.sh"], serve


def engine_argv(scene: Scene, engine: Engine, *, headless: bool = False) -> list[str]:
    """The real command line of one engine's API server, or of its part on a further node."""
    serve = _serve(scene, engine, LEADER)
    more = _headless(engine) if headless else []
    return ["/usr/bin/python3", "/usr/local/bin/vllm", *serve[1:], *more]


def ray_start_argv(layout: Layout) -> list[str]:
    """The `ray start` that stays in the foreground of a worker."""
    where = f"--address={layout.world.names.join}:{layout.gcs_port}"
    return ["/usr/bin/python3", "/usr/local/bin/ray", "start", where, "--num-gpus=8", "--block"]


def raylet_argv(layout: Layout, member: Member) -> list[str]:
    """A raylet's command line, as Ray 2.4x and later start it."""
    resources = f"node:{member.ip},1.0,CPU,64,GPU,8,memory,858993459200"
    return [
        "/usr/local/lib/python3.12/dist-packages/ray/core/src/ray/raylet/raylet",
        f"--node_ip_address={member.ip}",
        f"--gcs-address={layout.head.ip}:{layout.gcs_port}",
        f"--static_resource_list={resources}",
        "--session-name=session_lab",
    ]


def gcs_argv(layout: Layout) -> list[str]:
    """The GCS server's command line on the head."""
    return [
        "/usr/local/lib/python3.12/dist-packages/ray/core/src/ray/gcs/gcs_server",
        f"--gcs_server_port={layout.gcs_port}",
        f"--node-ip-address={layout.head.ip}",
        "--session-name=session_lab",
    ]


def environ(scene: Scene) -> list[dict[str, str]]:
    """The variables that the pod's spec sets to a value of its own."""
    values = {"VLLM_LOGGING_LEVEL": "DEBUG"}
    if scene.nccl_debug == "INFO":
        values["NCCL_DEBUG"] = "INFO"
    values |= {"TP_SIZE": str(scene.declared_tp)}
    if scene.layer_partition:
        values["VLLM_PP_LAYER_PARTITION"] = scene.layer_partition
    if scene.visible:
        values["CUDA_VISIBLE_DEVICES"] = scene.visible
    return [{"name": name, "value": value} for name, value in values.items()]


def _as_declared(layout: Layout) -> bool:
    world = layout.world
    degrees = [(e.tp, e.pp, e.dp) for e in world.engines]
    return degrees == [(world.declared_tp, world.declared_pp, world.declared_dp)]


def _serve(scene: Scene, engine: Engine, leader: str) -> list[str]:
    options: dict[str, object] = {
        "--tensor-parallel-size": engine.tp,
        "--pipeline-parallel-size": engine.pp,
        "--distributed-executor-backend": scene.executor,
        "--max-model-len": 32768,
        "--gpu-memory-utilization": 0.92,
    }
    if engine.dp > 1:
        options |= {
            "--data-parallel-size": engine.dp,
            "--data-parallel-size-local": engine.dp // len(engine.nodes),
            "--data-parallel-address": leader,
            "--data-parallel-rpc-port": _RPC_PORT,
        }
    elif scene.leader_worker_set:
        options |= {"--nnodes": len(engine.nodes), "--master-addr": leader}
    words = [str(word) for option in options.items() for word in option]
    return ["vllm", "serve", model_of(scene).path, *words, *scene.flags]


def _headless(engine: Engine, rank: str = "1") -> list[str]:
    """What a pod adds that only runs engines: copies are counted on from the leader's."""
    if engine.dp == 1:
        return ["--headless", "--node-rank", rank]
    return ["--headless", "--data-parallel-start-rank", str(engine.dp // len(engine.nodes))]
