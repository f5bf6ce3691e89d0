"""CONF093: CUDA_VISIBLE_DEVICES by hand."""

from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template

_VARIABLES = ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES")


@rule("CONF093", level="warning")
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
    Source:
        k8s-device-plugin README; CUDA C programming guide, environment variables.
    """
    for container in template.containers:
        for name in _VARIABLES:
            found = container.variable(name)
            if not container.gpus or found is None or found.given or found.value is None:
                continue
            devices = [d for d in found.value.split(",") if d.strip()]
            plain = all(d.strip().isdigit() for d in devices)
            if name == _VARIABLES[0] and not plain:
                continue
            if name == _VARIABLES[1] and found.value in ("void", "none", ""):
                continue
            says = f"{name}={found.value}, and the device plugin gives {container.gpus} GPUs"
            same = name == _VARIABLES[0] and len(devices) == container.gpus
            yield Finding(found.place.at("value").spot, says, level="hint" if same else None)
