"""CONF041: NCCL_SOCKET_IFNAME with the name of an RDMA adapter."""

from collections.abc import Iterator
from itertools import pairwise

from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.mpi_words import exported, mpi_words
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

_HCA = pattern(
    r"=?(?:mlx[45](?:_(?:bond_)?\d*)?|rocep\d\w*|rdmap\d\w*|bnxt_re\d*|irdma\d*|efa_\d+)"
)
_VARIABLES = ("NCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME", "TP_SOCKET_IFNAME")


@rule("CONF041", level="error")
def interface_is_no_hca(template: Template) -> Iterator[Finding]:
    """NCCL_SOCKET_IFNAME names a network interface, not an RDMA adapter.

    What:
        NCCL_SOCKET_IFNAME (or GLOO_SOCKET_IFNAME) holds a name such as `mlx5_0`, in `env` or
        behind `-x` of mpirun; or its own btl_tcp_if_include does.
    Why:
        That is an RDMA device (`ibdev2netdev`), not an interface (`ip link`): NCCL finds no
        interface that begins so, and ends with "Bootstrap : no socket interface found".
    Fix:
        Name the interface, such as `eth0` or `ib0`, or leave it out; RDMA adapters go into
        NCCL_IB_HCA.
    Fails:
        name: vllm
        image: vllm/vllm-openai:v0.11.0
        env:
        - {name: NCCL_SOCKET_IFNAME, value: mlx5_0}
    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            env:
            - {name: NCCL_SOCKET_IFNAME, value: eth0}
            - {name: NCCL_IB_HCA, value: mlx5}
    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            env: [{name: NCCL_SOCKET_IFNAME, valueFrom: {configMapKeyRef: {name: c, key: if}}}]
    Source:
        https://docs.nvidia.com/deeplearning/nccl/user-guide/docs/env.html; NCCL src/bootstrap.cc
        (bootstrapNetInit), src/misc/socket.cc (ncclFindInterfaces: find or fail; ^ excludes).
    """
    for container in template.containers:
        yield from _no_adapter(container)
        yield from _of_mpirun(container)
        for name in _VARIABLES:
            value = container.value(name) or ""
            names = value.split(",")
            bad = next((v for v in names if v and _HCA.fullmatch(v.strip())), None)
            if bad is None:
                continue
            some = name == "NCCL_SOCKET_IFNAME" and not all(
                _HCA.fullmatch(v.strip()) for v in names
            )
            spot = container.spot_of_value(name)
            says = f"{name}={value}: {bad} is an RDMA adapter, not an interface"
            unseen = "whether the nodes have an interface of another name in the list"
            yield Finding(spot, says, unseen=unseen if some else "")


def _of_mpirun(container: Container) -> Iterator[Finding]:
    """What mpirun is told of interfaces: its own, and NCCL's behind `-x`."""
    told = [(n, v) for n, v in exported(container).items() if n in _VARIABLES]
    for command in container.commands:
        told += [p for p in pairwise(mpi_words(command.words)) if p[0] in _OF_MPI]
    for name, value in told:
        bad = next((v for v in (value or "").split(",") if _HCA.fullmatch(v.strip())), None)
        if bad and not any("," in (v or "") for _, v in told):
            says = f"{name} is {value}, an RDMA adapter, not an interface"
            yield Finding(container.spot_of(f"{name} {value}", f"{name}={value}", name), says)


_OF_MPI = ("btl_tcp_if_include", "oob_tcp_if_include")


_INTERFACE = pattern(r"=?(?:eth\d+|en[ops]\d\w*|bond\d+|ib\d+)")


def _no_adapter(container: Container) -> Iterator[Finding]:
    """The other way round: NCCL_IB_HCA with an interface."""
    value = container.value("NCCL_IB_HCA") or ""
    names = [v.strip().partition(":")[0] for v in value.split(",")]
    if all(n and _INTERFACE.fullmatch(n) for n in names):
        spot = container.spot_of_value("NCCL_IB_HCA")
        says = f"NCCL_IB_HCA={value}: {names[0]} is a network interface, not an RDMA adapter"
        yield Finding(spot, says, _ADAPTER)


_ADAPTER = (
    "Name the adapter, such as `mlx5_0` (`ibdev2netdev` lists them), or leave it out; interfaces"
    " go into NCCL_SOCKET_IFNAME."
)
