"""CONF026: the port at which ranks meet differs between the pods of a group."""

from collections.abc import Iterator

from distcheck.checks.manifest.container import Asks
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.standing_alone import stage_of
from distcheck.pattern import pattern

_FLAGS = ("--dist-init-addr", "--nccl-init-addr", "--master-port", "--master_port")
_USUAL = {"vllm": 29501}


@rule("CONF026", level="error")
def ranks_meet_at_one_port(group: Group) -> Iterator[Finding]:
    """All pods of a group meet at the same port.

    What:
        `--dist-init-addr` of SGLang, or `--master-port` or `--data-parallel-rpc-port` of vLLM,
        has another port in the leader than in the workers.

    Why:
        The leader listens on its own; the workers wait for the other until they give up.

    Fix:
        Use one port in all pods.

    Fails:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: sglang}
        spec:
          leaderWorkerTemplate:
            size: 2
            leaderTemplate:
              spec:
                containers:
                - name: sglang
                  image: lmsysorg/sglang:v0.5.0
                  command: [python3, -m, sglang.launch_server, --model-path, /m, --tp, "16",
                    --dist-init-addr, $(LWS_LEADER_ADDRESS):20000, --nnodes, "2", --node-rank, "0"]
                  resources: {limits: {nvidia.com/gpu: 8}}
            workerTemplate:
              spec:
                containers:
                - name: sglang
                  image: lmsysorg/sglang:v0.5.0
                  command: [python3, -m, sglang.launch_server, --model-path, /m, --tp, "16",
                    --dist-init-addr, $(LWS_LEADER_ADDRESS):5000, --nnodes, "2", --node-rank, "1"]
                  resources: {limits: {nvidia.com/gpu: 8}}

    Passes:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: sglang}
        spec:
          leaderWorkerTemplate:
            size: 2
            workerTemplate:
              spec:
                containers:
                - name: sglang
                  image: lmsysorg/sglang:v0.5.0
                  command: [python3, -m, sglang.launch_server, --model-path, /m, --tp, "16",
                    --dist-init-addr, $(LWS_LEADER_ADDRESS):20000, --nnodes, "2",
                    --node-rank, $(LWS_WORKER_INDEX)]
                  resources: {limits: {nvidia.com/gpu: 8, memory: 900Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 32Gi}}]

    Unsure:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: vllm}
        spec:
          leaderWorkerTemplate:
            size: 2
            leaderTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  command: [sh, -c, "vllm serve /m -tp 8 -pp 2 --nnodes 2 --node-rank 0
                    --master-addr $LWS_LEADER_ADDRESS --master-port 29600"]
                  resources: {limits: {nvidia.com/gpu: 8}}
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  command: [sh, -c, "vllm serve /m -tp 8 -pp 2 --nnodes 2 --node-rank 1 --headless
                    --master-addr $LWS_LEADER_ADDRESS --master-port $PORT"]
                  resources: {limits: {nvidia.com/gpu: 8}}

    Source:
        SGLang server_args.py; vLLM docs/serving/parallelism_scaling.md (29501 by default).
    """
    yield from _data_parallel(group)
    held = [(m, c, c.asks) for m, c in group.engines if c.asks and (c.asks.nnodes or 1) > 1]
    ports = [(m, c, port) for m, c, asks in held if (port := _port(asks)) is not None]
    of_stage = {stage_of(c): (m, c, port) for m, c, port in reversed(ports)}
    for member, container, port in ports:
        lead, first, own = of_stage[stage_of(container)]
        if port != own:
            says = f"{member.template.what} meets at port {port}, and {lead.template.what} at {own}"
            also = (first.spot_of(*_FLAGS),)
            yield Finding(container.spot_of(*_FLAGS), says, f"Write port {own} here.", also=also)


def _data_parallel(group: Group) -> Iterator[Finding]:
    """The same of the port at which data-parallel ranks of vLLM meet."""
    held = [(m, c, _RPC.findall(c.script)) for m, c in group.engines]
    known = [(m, c, ports) for m, c, ports in held if len(set(ports)) == 1]
    for member, container, ports in known[1:]:
        lead, first, own = known[0]
        if ports[0] != own[0]:
            says = f"{member.template.what} meets at data-parallel port {ports[0]}, and"
            also = (first.spot_of("--data-parallel-rpc-port"),)
            says += f" {lead.template.what} at {own[0]}"
            spot, fix = container.spot_of("--data-parallel-rpc-port"), f"Write {own[0]} here."
            yield Finding(spot, says, fix, also=also)


_RPC = pattern(r"--data[-_]parallel[-_]rpc[-_]port[=\s]+[\"']?(\d+)\b", near=("rpc",))


def _port(asks: Asks) -> int | None:
    """The port, where it can be read; SGLang has none by default that others could know."""
    if asks.unread:
        return None
    port = (asks.master_addr or "").rpartition(":")[2]
    return int(port) if port.isdigit() else asks.master_port or _USUAL.get(asks.engine)
