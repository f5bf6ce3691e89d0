"""CONF077: args that the image's entrypoint cannot take."""

import re
from collections.abc import Iterator

from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template

_BARE = re.compile(
    r"(?:\A|/)(?:lmsysorg/sglang|nvidia/tritonserver|nvidia/pytorch|nvidia/cuda|pytorch/pytorch"
    r"|rayproject/ray(?:-ml|-llm)?|ubuntu|python)(?::|@|\Z)"
)
_SERVER = re.compile(r"(?:\A|/)vllm/vllm-openai(?::|@|\Z)")
_PROGRAMS = frozenset({"vllm", "python", "python3", "bash", "sh", "ray", "/bin/bash", "/bin/sh"})
_BY_RAY = ("RayCluster", "RayService", "RayJob")


@rule("CONF077", level="error")
def entrypoint_is_a_server(template: Template) -> Iterator[Finding]:
    """Args without a command fit the program that the image starts.

    What:
        `args` begin with a flag, and the image starts no server (SGLang, Triton, Ray, CUDA); or
        they begin with a program, and the image starts one already (vllm/vllm-openai).

    Why:
        `args` go behind the image's entrypoint. Without a server there, the flag is run as a
        program; with one, the program's name is an argument that it does not know.

    Fix:
        Name the program in `command`, and leave in `args` what it is given.

    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: sglang}
        spec:
          containers:
          - name: sglang
            image: lmsysorg/sglang:v0.5.0
            args: [--model-path, /m, --tp, "8"]
            resources: {limits: {nvidia.com/gpu: 8}}

    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: sglang}
        spec:
          containers:
          - name: sglang
            image: lmsysorg/sglang:v0.5.0
            command: [python3, -m, sglang.launch_server]
            args: [--model-path, /m, --tp, "8"]
            resources: {limits: {nvidia.com/gpu: 8}}

    Source:
        Kubernetes: Define a Command and Arguments for a Container; Dockerfiles of the images.
    """
    for container in template.every:
        args = [a.text() for a in container.place.each("args")]
        if not args or container.place.at("command") or template.kind in _BY_RAY:
            continue
        if says := _wrong(container, args[0].strip()):
            yield Finding(container.place.at("args", 0).spot, f"{container.name}: {says}")


def _wrong(container: Container, first: str) -> str:
    if first.startswith("-") and _BARE.search(container.image):
        return (
            f"the image starts no server, and would run {first.split(maxsplit=1)[0]} as a program"
        )
    if first in _PROGRAMS and _SERVER.search(container.image):
        return f"the image starts vLLM's server, and {first} would be an argument of it"
    return ""
