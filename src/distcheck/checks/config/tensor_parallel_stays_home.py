"""CONF120: tensor parallelism over nodes on a network that is too slow for it."""

from collections.abc import Iterator

from distcheck.checks.knowledge.plan_fabric import carries
from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.rule import rule


@rule("CONF120", level="warning")
def tensor_parallel_stays_home(bundle: Bundle) -> Iterator[Finding]:
    """Tensor parallelism crosses nodes only where the network carries it.

    What:
        The tensor-parallel size is larger than the GPUs of a pod, and the manifest forces
        sockets (NCCL_NET=Socket, NCCL_IB_DISABLE=1), or `--interconnect` says a slow network.
    Why:
        Tensor parallelism waits for two all-reduces a layer: over Ethernet a token takes many
        times longer. A pipeline stage sends one activation a step.
    Fix:
        Use TP = GPUs of a pod and PP = pods; `distcheck plan` shows what fits.
    Fails:
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
                    --nnodes, "2", --dist-init-addr, $(LWS_LEADER_ADDRESS):20000]
                  env: [{name: NCCL_IB_DISABLE, value: "1"}]
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
                  command: [python3, -m, sglang.launch_server, --model-path, /m, --tp, "8",
                    --pp, "2", --nnodes, "2", --dist-init-addr, $(LWS_LEADER_ADDRESS):20000]
                  env: [{name: NCCL_IB_DISABLE, value: "1"}]
                  resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]
    Source:
        vLLM docs/serving/parallelism_scaling.md. NET004 judges the live links.
    """
    slow = carries(bundle.interconnect) in ("pp", "pp_only")
    for group in bundle.groups:
        each = {m.template.gpus for m in group.members if m.template.gpus}
        tp = group.intent.tp or 0
        if len(each) != 1 or tp <= max(each) or (group.nodes or 1) < 2:
            continue
        forced = next(
            filter(None, (_sockets(group, n) for n in ("NCCL_NET", "NCCL_IB_DISABLE"))), ""
        )
        if forced or (slow and bundle.interconnect):
            why = (
                forced
                or f"--interconnect {bundle.interconnect.words if bundle.interconnect else ''}"
            )
            says = f"TP={tp} crosses nodes of {max(each)} GPUs over sockets ({why})"
            if not forced:
                says = f"TP={tp} crosses nodes of {max(each)} GPUs over {why.partition(' ')[2]}"
            yield Finding(group.spot_of("--tensor-parallel-size", "--tp", "-tp"), says)


def _sockets(group: Group, name: str) -> str:
    for _member, engine in group.engines:
        value = engine.value(name) or ""
        if (name == "NCCL_NET" and value.lower() == "socket") or (
            name != "NCCL_NET" and value == "1"
        ):
            return f"{name}={value}"
    return ""
