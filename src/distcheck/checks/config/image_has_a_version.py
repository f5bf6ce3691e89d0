"""CONF075: `:latest`, or no tag at all."""

import re
from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding, Level
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template

_IN_NAME = re.compile(r"\d+[.-]\d+")
_MOVING = frozenset({"latest", "nightly", "main", "master", "dev"})


@rule("CONF075", level="warning")
def image_has_a_version(template: Template) -> Iterator[Finding]:
    """The engine's image has a version.

    What:
        The image of a container with GPUs, Ray or an engine has the tag `latest`, one that moves
        like it, or none.
    Why:
        Nodes that pull on different days run different versions of the engine and of NCCL in one
        group: ranks do not understand each other, and no one can go back.
    Fix:
        Name a release, or a digest.
    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:latest
    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
    Source:
        Kubernetes: Images, "avoid using the :latest tag".
    """
    for container in template.containers:
        mine = container.gpus or container.asks or container.ray or container.engine_image
        if not mine or not container.image or "@" in container.image or container.nim_chart:
            continue
        tag = container.image.rpartition("/")[2].partition(":")[2]
        if "$" in container.image or (tag and tag not in _MOVING):
            continue
        what = f"the tag {tag}" if tag else "no tag, which means latest"
        says = f"the image of {container.name} has {what}"
        unseen = "" if tag else _unseen(container.image)
        serves = container.asks or container.ray or container.engine_image or container.nim
        level: Level | None = None if serves else "hint"
        yield Finding(container.place.at("image").spot, says, level=level, unseen=unseen)


def _unseen(image: str) -> str:
    name = image.rpartition("/")[2]
    if "<" in image or "/" not in image or name.upper() == name:
        return "the image that is filled in here"
    return "whether its name is its version" if _IN_NAME.search(name) else ""
