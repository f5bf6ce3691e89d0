"""CONF066: sizes of memory in thousandths of a byte."""

from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

_THOUSANDTHS = pattern(r"(\d{1,18})(?:\.\d+)?m")
_LEAST = 2**20
"""Bytes: controllers that count in `m` write sizes above it."""


@rule("CONF066", level="error")
def memory_is_in_bytes(template: Template) -> Iterator[Finding]:
    """Sizes of memory are not written in thousandths of a byte.

    What:
        A memory request, a memory limit, or the sizeLimit of a volume ends in `m`.

    Why:
        Kubernetes reads `m` as thousandths, as in `500m` of a CPU: `400m` of memory is one byte.
        The container cannot start, or the volume has no room.

    Fix:
        Write `Mi` (or `Gi`).

    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            resources: {limits: {nvidia.com/gpu: 1, memory: 4000m}}

    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            resources: {limits: {nvidia.com/gpu: 1, cpu: 4000m, memory: 4000Mi}}

    Certain:
        The letter stands in the manifest.

    Source:
        Kubernetes: Resource Management for Pods and Containers, meaning of memory.
    """
    for place in _sizes(template):
        text = place.text()
        found = _THOUSANDTHS.fullmatch(text)
        if found and int(found[1]) < 1000 * _LEAST:
            says = f"{text} is {text.removesuffix('m')} thousandths of a byte"
            yield Finding(place.spot, says, f"Write {text.removesuffix('m')}Mi.")


def _sizes(template: Template) -> Iterator[Place]:
    for container in template.every:
        for kind in ("requests", "limits"):
            yield container.place.at("resources", kind, "memory")
    for volume in template.volumes.values():
        yield volume.at("emptyDir", "sizeLimit")
