"""CONF097: pods that the namespace's Pod Security Standard refuses."""

from collections.abc import Iterator

from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.place import Spot
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template

_ENFORCE = "pod-security.kubernetes.io/enforce"
_MAY = frozenset(
    [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ]
)


@rule("CONF097", level="error")
def namespace_admits_pods(bundle: Bundle) -> Iterator[Finding]:
    """The namespace admits what its pods ask for.

    What:
        A Namespace in the input enforces the Pod Security Standard baseline or restricted, and
        pods in it add capabilities such as IPC_LOCK, are privileged, or use the host's network,
        ports, IPC or folders.

    Why:
        The API server refuses the pods: the workload is there, and makes none.

    Fix:
        Label the namespace `pod-security.kubernetes.io/enforce: privileged`, or do without.

    Fails:
        apiVersion: v1
        kind: Namespace
        metadata: {name: llm, labels: {pod-security.kubernetes.io/enforce: baseline}}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm, namespace: llm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m]
            ports: [{containerPort: 8000, hostPort: 8000}]
            securityContext: {capabilities: {add: [IPC_LOCK]}}

    Passes:
        apiVersion: v1
        kind: Namespace
        metadata: {name: llm, labels: {pod-security.kubernetes.io/enforce: privileged}}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm, namespace: llm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m]
            securityContext: {capabilities: {add: [IPC_LOCK]}}

    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm, namespace: llm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m]
            securityContext: {capabilities: {add: [IPC_LOCK]}}

    Source:
        Kubernetes: Pod Security Standards, of baseline host namespaces, privileged containers,
        capabilities, HostPath volumes and host ports.
    """
    levels = {
        t.name: t.place.at("metadata", "labels", _ENFORCE) for t in bundle.of_kind("Namespace")
    }
    for template in bundle.templates:
        level = levels.get(template.namespace)
        if level is None or level.value not in ("baseline", "restricted") or not template.serves:
            continue
        for what, spot in _beyond(template):
            says = f"namespace {template.namespace} enforces {level.value}, and refuses {what}"
            fix = f"Label the namespace `{_ENFORCE}: privileged`, or do without {what}."
            yield Finding(spot, says, fix, also=(level.spot,))


def _beyond(template: Template) -> Iterator[tuple[str, Spot]]:
    """What is outside of the baseline."""
    for name in ("hostNetwork", "hostIPC", "hostPID"):
        if template.spec.at(name).value is True:
            yield name, template.spec.at(name).spot
    for volume in template.spec.each("volumes"):
        if volume.at("hostPath"):
            yield "hostPath", volume.at("hostPath").key
    for container in template.every:
        yield from _container(container)


def _container(container: Container) -> Iterator[tuple[str, Spot]]:
    for one in container.place.each("securityContext", "capabilities", "add"):
        name = str(one.value).upper().removeprefix("CAP_")
        if name not in _MAY:
            yield f"the capability {name}", one.spot
    for port in container.place.each("ports"):
        if port.number("hostPort"):
            yield f"the hostPort {port.number('hostPort')}", port.at("hostPort").spot
    if container.privileged:
        yield "privileged containers", container.place.at("securityContext", "privileged").spot
