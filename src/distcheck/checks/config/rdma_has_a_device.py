"""CONF040: RDMA is asked for, and the pod is given no device."""

from collections.abc import Iterator

from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template

_NETWORKS = ("k8s.v1.cni.cncf.io/networks", "networking.gke.io/interfaces")
_GIVES = ("devices.nvidia.com", "rdma", "roce", "infiniband")


@rule("CONF040", level="error")
def rdma_has_a_device(group: Group) -> Iterator[Finding]:
    """Pods that are told to use RDMA are given an RDMA device.

    What:
        `NCCL_NET=IB`, or NCCL_IB_* settings, stand in a group of several nodes, and its pods
        have no RDMA resource, no host network with privileges, and no /dev/infiniband.
    Why:
        Without /dev/infiniband in the container NCCL finds no adapter: with NCCL_NET=IB it
        ends with an error, else it falls back to sockets, several times slower.
    Fix:
        Request the resource of the cluster's RDMA device plugin, such as
        `rdma/rdma_shared_device_a: 1`, and add the capability IPC_LOCK.
    Fails:
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
                  env:
                  - {name: NCCL_NET, value: IB}
                  - {name: NCCL_IB_HCA, value: mlx5}
                  resources: {limits: {nvidia.com/gpu: 8}}
    Passes:
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
                  env:
                  - {name: NCCL_NET, value: IB}
                  - {name: NCCL_IB_HCA, value: mlx5}
                  securityContext: {capabilities: {add: [IPC_LOCK]}}
                  resources:
                    limits: {nvidia.com/gpu: 8, rdma/rdma_shared_device_a: 1, memory: 400Gi}
                  volumeMounts: [{name: dshm, mountPath: /dev/shm}]
                volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]
    Source:
        k8s-rdma-shared-dev-plugin README; NCCL src/transport/net_ib. RDMA001 looks in the pod.
    """
    if (group.nodes or 1) < 2 and group.is_whole:
        return
    for member, engine in group.engines:
        wants = next(filter(None, (_wants(engine, n) for n in _SIGNS)), None)
        if wants is None or not engine.gpus or engine.nim_chart:
            continue
        name, value = wants
        if _given(member.template, engine):
            continue
        hidden = _hidden(member.template)
        variable = engine.variable(name)
        spot = variable.place.spot if variable and not variable.given else engine.spot_of(name)
        forced = name == "NCCL_NET"
        says = f"{name}={value}, and {member.template.what} is given no RDMA device"
        unseen = hidden or group.open
        yield Finding(spot, says, level=None if forced else "warning", unseen=unseen)


_SIGNS = ("NCCL_NET", "NCCL_IB_HCA", "NCCL_IB_GID_INDEX", "NCCL_NET_GDR_LEVEL")


def _wants(engine: Container, name: str) -> tuple[str, str] | None:
    value = engine.value(name)
    if not value or engine.value("NCCL_IB_DISABLE") == "1" or engine.value("NCCL_NET") == "Socket":
        return None
    return (name, value) if name != "NCCL_NET" or value.upper() == "IB" else None


def _given(template: Template, engine: Container) -> bool:
    host = template.host_network and engine.privileged
    mounted = any(
        m.text("mountPath").startswith("/dev/infiniband")
        or m.text("mountPath").rstrip("/") == "/dev"
        for m in engine.place.each("volumeMounts")
    )
    claims = bool(engine.place.at("resources", "claims"))
    return bool(engine.rdma) or host or engine.privileged or mounted or claims


def _hidden(template: Template) -> str:
    """What else may put a device into the pod."""
    for name, place in template.place.fields("metadata", "annotations"):
        if name in _NETWORKS or any(g in f"{name} {place.value}".lower() for g in _GIVES):
            return f"what the annotation {name} adds"
    names = {n for c in template.containers for n in c.limits}
    odd = sorted(
        n for n in names if "/" in n and not n.startswith(("nvidia.com/gpu", "nvidia.com/mig"))
    )
    return f"whether {odd[0]} is an RDMA device" if odd else ""
