"""Command lines of the lab: what the specs declare, and what the processes really run."""

from distcheck.lab.layout import MODEL_PATH, Layout, Member
from distcheck.lab.scenario import Engine


def declared(layout: Layout, member: Member) -> tuple[list[str], list[str]]:
    """`command` and `args` of the pod's container."""
    world, port = layout.world, layout.gcs_port
    if not member.leader:
        return ["ray"], ["start", f"--address={_head(port)}", "--num-gpus=8", "--block"]
    serve = _serve(world.declared_tp, world.declared_pp)
    if _as_declared(layout):
        script = f"ray start --head --port={port} --num-gpus=8 && exec {' '.join(serve)}"
        return ["/bin/bash", "-c"], [script]
    return ["/opt/serve/start.sh"], serve


def engine_argv(engine: Engine) -> list[str]:
    """The real command line of one engine's API server."""
    return ["/usr/bin/python3", "/usr/local/bin/vllm", *_serve(engine.tp, engine.pp)[1:]]


def ray_start_argv(layout: Layout) -> list[str]:
    """The `ray start` that stays in the foreground of a worker."""
    where = f"--address={_head(layout.gcs_port)}"
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


def _as_declared(layout: Layout) -> bool:
    degrees = [(e.tp, e.pp) for e in layout.world.engines]
    return degrees == [(layout.world.declared_tp, layout.world.declared_pp)]


def _head(port: int) -> str:
    return f"vllm-head-0.vllm-head:{port}"


def _serve(tp: int, pp: int) -> list[str]:
    return [
        "vllm",
        "serve",
        MODEL_PATH,
        "--tensor-parallel-size",
        str(tp),
        "--pipeline-parallel-size",
        str(pp),
        "--distributed-executor-backend",
        "ray",
        "--max-model-len",
        "32768",
        "--gpu-memory-utilization",
        "0.92",
    ]
