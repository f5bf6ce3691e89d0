"""CONF042: RDMA devices are requested and switched off."""

from collections.abc import Iterator

from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template


@rule("CONF042", level="warning")
def sockets_despite_rdma(template: Template) -> Iterator[Finding]:
    """A pod that is given RDMA devices does not switch RDMA off.

    What:
        The container has an RDMA resource, and NCCL_IB_DISABLE=1 or NCCL_NET=Socket.
    Why:
        NCCL then uses TCP sockets between nodes: the devices are reserved, and unused.
    Fix:
        Take the variable out, or the resource.
    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            env: [{name: NCCL_IB_DISABLE, value: "1"}]
            securityContext: {capabilities: {add: [IPC_LOCK]}}
            resources: {limits: {nvidia.com/gpu: 8, rdma/hca_shared_devices_a: 1}}
    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            securityContext: {capabilities: {add: [IPC_LOCK]}}
            resources: {limits: {nvidia.com/gpu: 8, rdma/hca_shared_devices_a: 1}}
    Source:
        NCCL environment variables. NCCL002 sees the sockets in the live log.
    """
    for container in template.containers:
        found = _off(container)
        if container.rdma and container.gpus and found:
            variable = container.variable(found)
            shown = variable and not variable.given
            spot = variable.place.spot if variable and shown else container.spot_of(found)
            says = f"{found}={container.value(found)}, and {container.rdma[0]} is requested"
            yield Finding(spot, says)


def _off(container: Container) -> str | None:
    if container.value("NCCL_IB_DISABLE") == "1":
        return "NCCL_IB_DISABLE"
    socket = (container.value("NCCL_NET") or "").lower() == "socket"
    return "NCCL_NET" if socket else None
