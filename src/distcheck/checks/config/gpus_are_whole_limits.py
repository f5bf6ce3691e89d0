"""CONF098: GPUs that are requested and not limited, or in parts."""

from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template

_DEVICES = ("nvidia.com/", "amd.com/gpu", "rdma/", "vpc.amazonaws.com/efa")


@rule("CONF098", level="error")
def gpus_are_whole_limits(template: Template) -> Iterator[Finding]:
    """GPUs and RDMA devices are limits, in whole numbers.

    What:
        A device such as nvidia.com/gpu stands in `requests` and not in `limits`, in both with
        different numbers, or with a fraction.

    Why:
        The API server refuses it: devices cannot be overcommitted, and there is no half of one.

    Fix:
        Write the number in `limits`; `requests` may be left out.

    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m]
            resources: {requests: {nvidia.com/gpu: 1}}

    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m]
            resources: {limits: {nvidia.com/gpu: 1}}

    Source:
        Kubernetes: Schedule GPUs; validation of extended resources.
    """
    for container in template.every:
        limits, requests = container.place.at("resources", "limits"), container.requests
        for name, place in limits.fields():
            if name.startswith(_DEVICES) and _is_part(place.value):
                yield Finding(place.spot, f"{name} is {place.value}, and must be a whole number")
        for name, place in container.place.fields("resources", "requests"):
            if not name.startswith(_DEVICES) or container.nim_chart or requests[name] is None:
                continue
            if name not in container.limits:
                yield Finding(place.key, f"{name} is requested, and {container.name} has no limit")
            elif container.limits[name] not in (None, requests[name]):
                says = f"{name} is {place.value} here, and {limits.at(name).value} in limits"
                yield Finding(place.spot, says, also=(limits.at(name).spot,))


def _is_part(value: object) -> bool:
    text = str(value).strip()
    return text.endswith("m") or ("." in text and not text.endswith(".0"))
