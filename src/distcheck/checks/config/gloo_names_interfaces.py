"""CONF049: NCCL's grammar in the interfaces that Gloo is told of."""

from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template

_NAME = "GLOO_SOCKET_IFNAME"
_GRAMMAR = ("^", "=")


@rule("CONF049", level="error")
def gloo_names_interfaces(template: Template) -> Iterator[Finding]:
    """GLOO_SOCKET_IFNAME has whole names of interfaces.

    What:
        GLOO_SOCKET_IFNAME begins with `^` or `=`, as NCCL_SOCKET_IFNAME may, or has a `*`.

    Why:
        Gloo, by which vLLM's and SGLang's ranks agree beside NCCL, looks for an interface of
        exactly that name: "Unable to find address for: ^lo". NCCL's exclusions and prefixes are
        not known to it.

    Fix:
        Name the interface (`eth0`), or set it in the start script from the default route.

    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            env: [{name: GLOO_SOCKET_IFNAME, value: "^lo,docker"}]
            resources: {limits: {nvidia.com/gpu: 8}}

    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            env:
            - {name: GLOO_SOCKET_IFNAME, value: eth0}
            - {name: NCCL_SOCKET_IFNAME, value: "^lo,docker"}
            resources: {limits: {nvidia.com/gpu: 8, memory: 400Gi}}
            volumeMounts: [{name: dshm, mountPath: /dev/shm}]
          volumes: [{name: dshm, emptyDir: {medium: Memory, sizeLimit: 8Gi}}]

    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            env: [{name: GLOO_SOCKET_IFNAME, valueFrom: {configMapKeyRef: {name: c, key: if}}}]
            resources: {limits: {nvidia.com/gpu: 8}}

    Source:
        PyTorch torch/csrc/distributed/c10d/init.cpp and ProcessGroupGloo.cpp (a list of names,
        cut at commas); gloo gloo/transport/tcp/device.cc.
    """
    for container in template.containers:
        value = container.value(_NAME) or ""
        bad = next((v for v in value.split(",") if v.startswith(_GRAMMAR) or "*" in v), "")
        if not bad:
            continue
        variable = container.variable(_NAME)
        held = variable.place.at("value") if variable and not variable.given else None
        at = held.spot if held and held.text() == value else container.spot_of(_NAME)
        yield Finding(at, f"{_NAME}={value}: Gloo looks for an interface called {bad}")
