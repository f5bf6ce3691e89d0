"""CONF075: `:latest`, or no tag at all."""

from collections.abc import Iterator

from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding, Level
from distcheck.checks.manifest.place import Spot
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

_IN_NAME = pattern(r"\d[.-]\d")
_GLUED = pattern(r"/(?:vllm-openai|sglang|tritonserver)[-_]?(v?\d+\.\d+(?:\.\d+)?[\w.-]*)\Z")
_MOVING = frozenset({"latest", "nightly", "main", "master", "dev"})


@rule("CONF075", level="warning", others=("hint", "error"))
def image_has_a_version(template: Template) -> Iterator[Finding]:
    """The engine's image has a version.

    What:
        The image of a container with GPUs, Ray or an engine has the tag `latest`, one that moves
        like it, or none; or the colon before the version of a well-known image was lost.
        A hint where vLLM's or SGLang's tag lacks its `v`, or its last number, and where KubeRay's
        head has Ray 2.11 to 2.37, of which Ray's guide says not to use them there.
    Why:
        Nodes that pull on different days run different versions of the engine and of NCCL in one
        group: ranks do not understand each other, and no one can go back. Once a Ray job is
        created, the dashboard agent of those Rays gets stuck, and KubeRay's probes of it fail.
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
    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: ${IMAGE}
            args: [--model, /m]
            resources: {limits: {nvidia.com/gpu: 1}}
    Source:
        Kubernetes: Images, "avoid using the :latest tag"; release notes of vLLM and
        SGLang (v0.11.0); KubeRay upgrade guide, Ray issue 47637, KubeRay pull request 2413 (the
        mend is in Ray 2.38).
    """
    yield from _stuck(template)
    for container in template.containers:
        mine = container.gpus or container.asks or container.ray or container.engine_image
        ray = template.of_ray and container is template.containers[0]
        if not (mine or ray) or not container.image or "@" in container.image:
            continue
        tag = container.image.rpartition("/")[2].partition(":")[2]
        if not tag and (container.nim_chart or _PLACE.search(container.image)):
            continue
        if "$" in container.image or (tag and tag not in _MOVING):
            yield from _without_v(container)
            continue
        if found := None if tag else _GLUED.search(container.image):
            says = f"{container.image} has no tag: the version is a part of its name"
            fix = f"Write {container.image[: found.start(1)]}:{found[1]}, with a colon."
            yield Finding(_spot(container), says, fix, level="error")
            continue
        what = f"the tag {tag}" if tag else "no tag, which means latest"
        says = f"the image of {container.name} has {what}"
        unseen = "" if tag else _unseen(container.image)
        serves = container.asks or container.ray or container.engine_image or container.nim or ray
        level: Level | None = None if serves else "hint"
        yield Finding(_spot(container), says, level=level, unseen=unseen)


def _stuck(template: Template) -> Iterator[Finding]:
    """A head of KubeRay's with a Ray whose agent stops answering; own probes may ask otherwise."""
    if not (template.of_ray and template.part == "leader"):
        return
    for head in template.containers[:1]:
        probed = head.place.at("livenessProbe") or head.place.at("readinessProbe")
        if (found := _STUCK.search(head.image)) and not probed:
            says = f"Ray's guide says not to use Ray {found[1]} with KubeRay: once a job is created"
            says = f"{says}, the agent that its probes ask gets stuck"
            job = template.kind == "RayJob"
            unseen = "how long the job runs" if job else "whether a Ray job is created"
            yield Finding(_spot(head), says, "Take Ray 2.38 or newer.", unseen=unseen)


_STUCK = pattern(r"(?:\A|/)rayproject/ray(?:-ml|-llm)?:(2\.(?:1[1-9]|2\d|3[0-7])\.\d{1,2})\b")
_PLACE = pattern(r"<|(?:\A|/)(?=[A-Z_])[A-Z0-9_]+\Z")
"""No registry takes it: what is filled in there has its tag, or is told of then."""


def _without_v(container: Container) -> Iterator[Finding]:
    """A tag of vLLM's or SGLang's own images as they never call one: 0.11.0, or v0.11."""
    if found := _TAGGED.fullmatch(container.image):
        says = f"{found[1]} tags its releases as v0.11.0, and this image is {found[2]}"
        fix = f"Write {found[1]}:v{found[2].lstrip('v')}{'' if found[2][0] != 'v' else '.0'}."
        yield Finding(_spot(container), says, fix, unseen="what tags the registry has")


_TAGGED = pattern(
    r"(?:docker\.io/)?(vllm/vllm-openai|lmsysorg/sglang):(\d+\.\d+\.\d[\w.-]*|v\d+\.\d+)"
)


def _spot(container: Container) -> Spot:
    """The image; of NIM's own resources its tag."""
    image = container.place.at("image")
    return image.at("tag").spot if image.at("tag") else image.spot


def _unseen(image: str) -> str:
    name = image.rpartition("/")[2]
    if "/" not in image:
        return "the image that is filled in here"
    return "whether its name is its version" if _IN_NAME.search(name) else ""
