"""CONF040: RDMA is asked for, and the pod is given no device."""

from collections.abc import Iterator, Mapping

from distcheck.checks.knowledge.mounts import mounted_at
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.mpi_words import exported
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

_NETWORKS = ("k8s.v1.cni.cncf.io/networks", "networking.gke.io/interfaces")
_GIVES = ("devices.nvidia.com", "rdma", "roce", "infiniband")


@rule("CONF040", level="error", others=("warning",))
def rdma_has_a_device(group: Group) -> Iterator[Finding]:
    """Pods that are told to use RDMA are given an RDMA device.

    What:
        `NCCL_NET=IB`, NCCL_IB_* settings, adapters of UCX or NVSHMEM, DeepEP as the
        backend of experts, or EFA's variables (`FI_PROVIDER=efa`), stand in a group
        of several nodes, and its pods have no RDMA resource, no host network with privileges, and
        no /dev/infiniband. A hint where a pod with `vpc.amazonaws.com/efa` mounts the node's
        /dev/infiniband besides.
    Why:
        Without /dev/infiniband in the container NCCL finds no adapter: with NCCL_NET=IB it
        ends with an error, else it falls back to sockets, several times slower. The whole
        folder of a node that has adapters of other makers, too (P6-B200), holds devices that the
        pod may not open: libfabric then finds no EFA at all.
    Fix:
        Request the resource of the cluster's RDMA device plugin, such as
        `rdma/rdma_shared_device_a: 1` or `vpc.amazonaws.com/efa: 32`, and add the capability
        IPC_LOCK.
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
    Unsure:
        apiVersion: leaderworkerset.x-k8s.io/v1
        kind: LeaderWorkerSet
        metadata: {name: vllm}
        spec:
          leaderWorkerTemplate:
            size: 2
            workerTemplate:
              metadata: {annotations: {k8s.v1.cni.cncf.io/networks: ib0}}
              spec:
                containers:
                - name: vllm
                  image: vllm/vllm-openai:v0.11.0
                  env: [{name: NCCL_NET, value: IB}]
                  resources: {limits: {nvidia.com/gpu: 8}}
    Source:
        k8s-rdma-shared-dev-plugin README; NCCL src/transport/net_ib; EFA device plugin;
        libfabric prov/efa (efa_device_list_initialize), aws-samples/aws-do-eks#63.
        RDMA001 looks in the pod.
    """
    for template in {id(m.template): m.template for m in group.members}.values():
        yield from _all_of_the_nodes(template)
    if (group.nodes or 1) < 2 and group.is_whole:
        return
    first = next((c for c in group.leader.template.containers if exported(c)), None)
    told = exported(first) if first else {}
    for member, engine in group.engines:
        wants = _wanted(engine, told)
        if wants is None or not engine.gpus or engine.nim_chart:
            continue
        name, value = wants
        if has_rdma(member.template, engine):
            continue
        hidden = may_be_given_rdma(member.template)
        variable = engine.variable(name)
        source = first if first and told.get(name) == value else engine
        spot = variable.place.spot if variable and not variable.given else source.spot_of(name)
        forced = name == "NCCL_NET"
        says = f"{name}={value}, and {member.template.what} is given no RDMA device"
        unseen = hidden or group.open
        yield Finding(spot, says, level=None if forced else "warning", unseen=unseen)


def _all_of_the_nodes(template: Template) -> Iterator[Finding]:
    """The node's /dev/infiniband beside the EFA devices that the plugin gives the pod."""
    for container in template.containers:
        mount = container.mount_of("/dev/infiniband")
        volume = template.volumes.get(mount.text("name")) if mount else None
        if mount is None or volume is None or container.privileged or not volume.at("hostPath"):
            continue
        if any(name.endswith("/efa") for name in container.rdma):
            says = f"{container.name} has EFA devices, and mounts all of the node's /dev/infiniband"
            fix = "Take the volume and its mount out: the device plugin gives what the pod needs."
            unseen = "whether the nodes have adapters of other makers, as P6-B200 has"
            yield Finding(mount.at("mountPath").spot, says, fix, unseen=unseen)


_EFA = {"FI_PROVIDER": "efa", "FI_EFA_USE_DEVICE_RDMA": "1"}
"""What libfabric, and with it NCCL's plugin for EFA, reads."""
_DEEPEP = "--moe-a2a-backend"
"""DeepEP writes into GPUs of other nodes by RDMA alone."""
_NAMES_ADAPTERS = ("UCX_NET_DEVICES", "NVSHMEM_HCA_LIST")
_FORCING = ("IB", "AWS LIBFABRIC")
_SIGNS = (
    "NCCL_NET", "NCCL_IB_HCA", "NCCL_IB_GID_INDEX", "NCCL_NET_GDR_LEVEL", "FI_PROVIDER",
    "FI_EFA_USE_DEVICE_RDMA", "UCX_NET_DEVICES", "NVSHMEM_HCA_LIST",
    "VLLM_ALL2ALL_BACKEND", _DEEPEP,
)  # fmt: skip


def _wanted(engine: Container, told: Mapping[str, str | None]) -> tuple[str, str] | None:
    """The first sign, in its own variables or in those that mpirun gives its ranks."""
    values = {n: engine.value(n) or told.get(n) or "" for n in (*_SIGNS, "NCCL_IB_DISABLE")}
    values[_DEEPEP] = next((v for c in engine.commands for v in c.values(_DEEPEP)), "")
    if values["NCCL_IB_DISABLE"] == "1" or values["NCCL_NET"] == "Socket":
        return None
    return next(((n, v) for n, v in values.items() if n in _SIGNS and _wants(n, v)), None)


def _wants(name: str, value: str) -> bool:
    if name in _EFA:
        return value.lower() == _EFA[name]
    if name in _NAMES_ADAPTERS:
        return "mlx" in value
    if name in (_DEEPEP, "VLLM_ALL2ALL_BACKEND"):
        return value.startswith("deepep")
    if name == "NCCL_IB_HCA" and all(_ETHERNET.match(w) for w in value.split(",")):
        return False
    return bool(value) and (name != "NCCL_NET" or value.upper() in _FORCING)


_ETHERNET = pattern(r"\s*=?(?:eth\d|lo\Z|none\Z)")
"""No adapter is called so: told of these alone NCCL takes sockets, as it is meant to."""


def has_rdma(template: Template, engine: Container) -> bool:
    """Whether the manifest gives the container RDMA devices, or all of the node's."""
    host = template.host_network and engine.privileged
    mounted = any(
        mounted_at(m.text("mountPath")).startswith("/dev/infiniband")
        or mounted_at(m.text("mountPath")) == "/dev"
        for m in engine.place.each("volumeMounts")
    )
    claims = bool(engine.place.at("resources", "claims"))
    return bool(engine.rdma) or host or engine.privileged or mounted or claims


def may_be_given_rdma(template: Template) -> str:
    """What else may put a device into the pod."""
    for name, place in template.place.fields("metadata", "annotations"):
        if name in _NETWORKS or any(g in f"{name} {place.value}".lower() for g in _GIVES):
            return f"what the annotation {name} adds"
    if template.spec.at("resourceClaims"):
        return "what the pod's resourceClaims give"
    names = {n for c in template.containers for n in c.limits}
    odd = sorted(
        n for n in names if "/" in n and not n.startswith(("nvidia.com/gpu", "nvidia.com/mig"))
    )
    return f"whether {odd[0]} is an RDMA device" if odd else ""
