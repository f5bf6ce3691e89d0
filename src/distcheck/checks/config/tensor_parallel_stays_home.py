"""CONF120: tensor parallelism over nodes on a network that is too slow for it."""

from collections.abc import Iterator

from distcheck.checks.config.rdma_has_a_device import has_rdma, may_be_given_rdma
from distcheck.checks.config.world_has_gpus import FLAGS
from distcheck.checks.knowledge.counted import counted
from distcheck.checks.knowledge.plan_fabric import carries
from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.kserve_gpus import pods_of_one_gpu
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template


@rule("CONF120", level="warning")
def tensor_parallel_stays_home(bundle: Bundle) -> Iterator[Finding]:
    """Tensor parallelism crosses nodes only where the network carries it.

    What:
        The tensor-parallel size is larger than the GPUs of a pod, and the manifest forces
        sockets (NCCL_NET=Socket, NCCL_IB_DISABLE=1), or `--interconnect` says a slow network. A
        hint where pods have no RDMA resource, device, host network or annotation for one, and where
        an InferenceService over several nodes requests no GPUs, so that KServe gives each pod one.
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
                    --pp, "2", --nnodes, "2", --node-rank, $(LWS_WORKER_INDEX),
                    --dist-init-addr, $(LWS_LEADER_ADDRESS):20000]
                  env: [{name: NCCL_IB_DISABLE, value: "1"}]
                  resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]
    Unsure:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: vllm}
        spec:
          leaderWorkerTemplate:
            size: 2
            workerTemplate:
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  command: [sh, -c, "vllm serve /m -tp 16 --nnodes 2 --node-rank $LWS_WORKER_INDEX
                    --master-addr $LWS_LEADER_ADDRESS"]
                  resources: {limits: {nvidia.com/gpu: 8}}
    Source:
        vLLM docs/serving/parallelism_scaling.md. NET004 judges the live links.
        KServe components/predictor.go (computeRayNodeAndGPUs, 0.15.1 to 0.20).
    """
    for group in bundle.groups:
        each = {m.template.gpus for m in group.members if m.template.gpus}
        tp = group.intent.tp or 0
        if len(each) != 1 or tp <= max(each) or (group.nodes or 1) < _SEVERAL:
            continue
        if any("dp-attention" in w.replace("_", "-") for _, c in group.engines for w in c.words):
            continue  # TP of SGLang counts its attention's replicas, which exchange tokens only
        way, unseen = _way(bundle, group)
        if way:
            says = f"TP={tp} crosses nodes of {counted(max(each), 'GPU')} over {way}"
            spot = group.spot_of(*FLAGS)
            yield Finding(spot, says, unseen=unseen)
    yield from pods_of_one_gpu(bundle)


_SEVERAL = 2
_WEBHOOK = "whether the cluster gives such pods an adapter"


def _way(bundle: Bundle, group: Group) -> tuple[str, str]:
    """What carries it, where that is slow, and what of it was not seen."""
    for name in ("NCCL_NET", "NCCL_IB_DISABLE"):
        if forced := _sockets(group, name):
            return f"sockets ({forced})", ""
    if bundle.interconnect is not None:
        slow = carries(bundle.interconnect) in ("pp", "pp_only")
        return (bundle.interconnect.words if slow else ""), ""
    bare = all(_without_rdma(m.template, c) for m, c in group.engines if c.gpus)
    return ("sockets: its pods are given no RDMA device", _WEBHOOK) if bare else ("", "")


def _without_rdma(template: Template, engine: Container) -> bool:
    odd = engine.value("NCCL_NET") or engine.value("NCCL_NET_PLUGIN") or engine.may_have_more
    plugins = any(t.text("hostPath", "path") for t in template.volumes.values())
    if odd or plugins or engine.nim_chart or template.host_network:
        return False
    return not has_rdma(template, engine) and not may_be_given_rdma(template)


def _sockets(group: Group, name: str) -> str:
    for _member, engine in group.engines:
        value = engine.value(name) or ""
        if (name == "NCCL_NET" and value.lower() == "socket") or (
            name != "NCCL_NET" and value == "1"
        ):
            return f"{name}={value}"
    return ""
