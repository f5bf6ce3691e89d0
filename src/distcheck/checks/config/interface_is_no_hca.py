"""CONF041: NCCL_SOCKET_IFNAME with the name of an RDMA adapter."""

import re
from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template

_HCA = re.compile(
    r"[\^=]?(?:mlx[45]_(?:bond_)?\d*|rocep\d\w*|bnxt_re\d*|irdma\d*|efa_\d+|ibp\d+s\d+f?\d*_hca)"
)
_VARIABLES = ("NCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME", "TP_SOCKET_IFNAME")


@rule("CONF041", level="error")
def interface_is_no_hca(template: Template) -> Iterator[Finding]:
    """NCCL_SOCKET_IFNAME names a network interface, not an RDMA adapter.

    What:
        NCCL_SOCKET_IFNAME (or GLOO_SOCKET_IFNAME) holds a name such as `mlx5_0`.
    Why:
        That is an RDMA device (`ibdev2netdev`), not an interface (`ip link`): NCCL finds no
        interface of that name and ends with "no socket interface found".
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
    Source:
        NCCL environment variables; src/misc/socket.cc.
    """
    for container in template.containers:
        for name in _VARIABLES:
            value = container.value(name) or ""
            bad = next((v for v in value.split(",") if _HCA.fullmatch(v.strip())), None)
            if bad is None:
                continue
            variable = container.variable(name)
            held = variable.place.at("value") if variable and not variable.given else None
            spot = held.spot if held else container.spot_of(name)
            yield Finding(spot, f"{name}={value}: {bad} is an RDMA adapter, not an interface")
