"""CONF042: RDMA devices are requested and switched off."""

from collections.abc import Iterator

from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

_EFA = pattern(r"/efa\Z")
"""NCCL reaches EFA by a plugin of its own, which NCCL_IB_DISABLE does not turn off."""


@rule("CONF042", level="warning")
def sockets_despite_rdma(template: Template) -> Iterator[Finding]:
    """A pod that is given RDMA devices does not switch RDMA off.

    What:
        The container has an RDMA resource, and NCCL_IB_DISABLE=1 or NCCL_NET=Socket; of
        EFA `FI_PROVIDER=tcp`.
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
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: on-efa}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            env: [{name: NCCL_IB_DISABLE, value: "1"}]
            resources: {limits: {nvidia.com/gpu: 8, vpc.amazonaws.com/efa: 32}}
    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            env: [{name: NCCL_NET, valueFrom: {configMapKeyRef: {name: c, key: net}}}]
            resources: {limits: {nvidia.com/gpu: 8, rdma/ib: 1}}
    Source:
        https://docs.nvidia.com/deeplearning/nccl/user-guide/docs/env.html; aws-ofi-nccl is a
        network plugin beside the verbs transport. NCCL002 sees the sockets in the live log.
    """
    for container in template.containers:
        found = _off(container)
        if found == "NCCL_IB_DISABLE" and all(map(_EFA.search, container.rdma)):
            continue
        if container.rdma and container.gpus and found:
            variable = container.variable(found)
            shown = variable and not variable.given
            spot = variable.place.spot if variable and shown else container.spot_of(found)
            says = f"{found}={container.value(found)}, and {container.rdma[0]} is requested"
            yield Finding(spot, says)


def _off(container: Container) -> str | None:
    if container.value("NCCL_IB_DISABLE") == "1":
        return "NCCL_IB_DISABLE"
    efa = any(map(_EFA.search, container.rdma))
    if efa and (container.value("FI_PROVIDER") or "").lower() in ("tcp", "sockets"):
        return "FI_PROVIDER"
    socket = (container.value("NCCL_NET") or "").lower() == "socket"
    return "NCCL_NET" if socket else None
