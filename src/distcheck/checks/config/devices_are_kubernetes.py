"""CONF093: CUDA_VISIBLE_DEVICES by hand."""

from collections.abc import Iterator

from distcheck.checks.knowledge.counted import counted
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template

_VARIABLES = ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES")


@rule("CONF093", level="warning", others=("hint",))
def devices_are_kubernetes(template: Template) -> Iterator[Finding]:
    """GPUs are chosen by the device plugin, not by a variable.

    What:
        A container with a GPU limit sets CUDA_VISIBLE_DEVICES to fixed numbers, or
        NVIDIA_VISIBLE_DEVICES at all.
    Why:
        The device plugin gives the container its GPUs, numbered from 0. A list that is shorter
        leaves some idle, a longer one names GPUs that are not there; NVIDIA_VISIBLE_DEVICES=all
        gives the pod the GPUs of others.
    Fix:
        Take the variable out.
    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            env: [{name: CUDA_VISIBLE_DEVICES, value: "0,1,2,3"}]
            resources: {limits: {nvidia.com/gpu: 8}}
    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            resources: {limits: {nvidia.com/gpu: 8}}
    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            env: [{name: CUDA_VISIBLE_DEVICES, valueFrom: {configMapKeyRef: {name: c, key: gpus}}}]
            resources: {limits: {nvidia.com/gpu: 8}}
    Source:
        k8s-device-plugin README.md; CUDA C programming guide, environment variables.
    """
    for container in template.containers:
        for name in _VARIABLES:
            found, value = container.variable(name), container.value(name)
            given = found is not None and found.given
            if not container.gpus or given or value is None or "$" in value:
                continue
            if name == _VARIABLES[0] and container.servers > 1:
                continue  # each server has its own
            devices = [d for d in value.split(",") if d.strip()]
            plain = all(d.strip().isdigit() for d in devices)
            if name == _VARIABLES[0] and not plain:
                continue
            if name == _VARIABLES[1] and value in ("void", "none", ""):
                continue
            same = name == _VARIABLES[0] and len(devices) == container.gpus
            says = f"{name}={value}, and the device plugin gives {counted(container.gpus, 'GPU')}"
            if same:
                says = f"{name}={value} is what the device plugin gives without it"
            own = found is not None and found.value == value
            spot = found.place.at("value").spot if found and own else container.spot_of(name)
            every = [d.strip() for d in devices[: container.gpus]]
            harmless = same or every == [str(n) for n in range(container.gpus)]
            hint = name == _VARIABLES[0] and harmless
            yield Finding(spot, says, level="hint" if hint else None)
