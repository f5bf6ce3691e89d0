"""CONF043: RDMA needs locked memory."""

from collections.abc import Iterator

from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template


@rule("CONF043", level="warning")
def rdma_may_lock_memory(template: Template) -> Iterator[Finding]:
    """A container with RDMA devices may lock memory.

    What:
        A container requests an RDMA resource, and neither has the capability IPC_LOCK nor is
        privileged. A hint for `rdma/ib`, as CoreWeave's nodes call it, which have no such limit;
        and where it has the capability and runs as another user than root.
    Why:
        Registering memory with the adapter locks it. Where the node's memlock limit is the
        usual 64 KiB or 8 MiB, `ibv_reg_mr` fails, and NCCL ends with an error. Processes of
        other users than root do not get what `add` names: Kubernetes sets no ambient capabilities.
    Fix:
        Add `securityContext: {capabilities: {add: [IPC_LOCK]}}` to the container, and let it run
        as root, or raise the memlock limit of the container runtime (LimitMEMLOCK).
    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
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
    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m]
            resources: {limits: {nvidia.com/gpu: 8, vpc.amazonaws.com/efa: 4}}
    Source:
        k8s-rdma-shared-dev-plugin example/test-hca-pod.yaml; vLLM parallelism_scaling.md;
        kubernetes/kubernetes#56374 (ambient capabilities), capabilities(7); coreweave/nccl-tests
        mpi-operator (`rdma/ib` without the capability). The memlock limit of the runtime is not in
        the manifest: RDMA001 reads it on the node.
    """
    for container in template.containers:
        devices = [r for r in container.rdma if "efa" not in r]
        free = container.privileged or {"IPC_LOCK", "ALL"} & set(container.capabilities)
        if devices and container.gpus and not free:
            spot = container.place.at("resources", "limits", devices[0]).key
            says = f"container {container.name} has {devices[0]} and may not lock memory"
            unseen = "what NIM's operator or chart adds to it" if container.nim_chart else ""
            if devices[0] == _UNLIMITED:
                unseen = unseen or "whether the nodes limit locked memory: CoreWeave's do not"
            yield Finding(spot, f"{says} (no IPC_LOCK)", unseen=unseen)
        elif devices and container.gpus and not container.privileged:
            yield from _without_effect(template, container)


def _without_effect(template: Template, container: Container) -> Iterator[Finding]:
    """A capability that processes of this user do not get."""
    held = [p.at("securityContext") for p in (container.place, template.spec)]
    user = next((u for h in held if (u := h.at("runAsUser")).number() is not None), None)
    other = next((n for h in held if (n := h.at("runAsNonRoot")).value is not None), None)
    who = "as another user than root" if user is None else f"as user {user.value}"
    spot = user if user is not None else other
    if spot is not None and (user.number() if user is not None else spot.value is True):
        says = f"container {container.name} runs {who}, which has no use of IPC_LOCK"
        unseen = "the node's memlock limit, and files of the image that have the capability"
        yield Finding(spot.spot, says, "Run it as root, or raise LimitMEMLOCK.", unseen=unseen)


_UNLIMITED = "rdma/ib"
"""CoreWeave's name for its adapters, which others use, too."""
