"""CONF058: Ray in an image that has none."""

from collections.abc import Iterator

from distcheck.checks.knowledge.engine_release import vllm_release
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

_WITHOUT = (0, 18, 0)
_MOVES = pattern(r"(?:\A|/)vllm/vllm-openai(?::(?:latest|nightly)(?:-[\w.-]{1,80})?)?\Z")
_INSTALLS = pattern(
    r"(?:\binstall\b|\buv\s+(?:add|sync)\b|--with\b)[^\n;&|]{0,400}"
    r"(?:\bray\b|vllm\[|-r\s|requirements)|\buv\s+sync\b"
)
_OTHERS_BUILD = pattern(r":[^:/]*-(?!x86_64|aarch64|arm64|cu\d|ubuntu\d)[a-z]")
_SYSTEMS = ("ray", "/usr/local/bin/ray", "/usr/bin/ray")
_SOURCED = frozenset({"bash", "sh", "source", ".", "/bin/bash", "/bin/sh"})
_SCRIPT = "multi-node-serving.sh"


@rule("CONF058", level="error")
def ray_is_in_the_image(template: Template) -> Iterator[Finding]:
    """What is to run Ray has an image with Ray.

    What:
        A container with vLLM's own image of 0.18 or newer starts Ray: by `ray start`, by vLLM's
        multi-node-serving.sh, as a pod of a RayCluster, or by
        `--distributed-executor-backend ray`; and nothing in it installs Ray. A hint where the tag
        (`latest`) does not say which release it is.

    Why:
        Ray is no requirement of vLLM for CUDA any more, and its images are without it since 0.18:
        `ray: command not found`.

    Fix:
        Take an image with Ray: v0.17.1 is the last of vLLM's own; or install Ray in one of yours.
        Without Ray each pod runs `vllm serve` with `--nnodes`, `--node-rank` and `--master-addr`.

    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: head}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.19.0
            command: [bash, -c, "ray start --head --port=6379; vllm serve /m -tp 8"]
            resources: {limits: {nvidia.com/gpu: 8}}
        ---
        apiVersion: ray.io/v1
        kind: RayCluster
        metadata: {name: llm}
        spec:
          headGroupSpec:
            template:
              spec:
                containers:
                - name: ray-head
                  image: vllm/vllm-openai:v0.20.0
                  resources: {limits: {nvidia.com/gpu: 1}}

    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: head}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.17.1
            command: [bash, -c, "ray start --head --port=6379; vllm serve /m -tp 8"]
            resources: {limits: {nvidia.com/gpu: 8}}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: installed}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.19.0
            command:
            - bash
            - -c
            - |
              pip install "ray[default]==2.54.0"
              ray start --head --port=6379
              vllm serve /m -tp 8
            resources: {limits: {nvidia.com/gpu: 8}}

    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: head}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:latest
            command: [bash, -c, "ray start --head --port=6379; vllm serve /m -tp 8"]
            resources: {limits: {nvidia.com/gpu: 8}}

    Source:
        vLLM requirements/cuda.txt, docker/Dockerfile, 0.16, 0.17, 0.18 and 0.20; vLLM issue 33445,
        pull request 39400.
    """
    started = template.containers[:1] if template.of_ray else ()
    inits = [c for c in template.every if c.init]
    for container in template.containers:
        release = vllm_release(container.image)
        without = release is not None and release >= _WITHOUT
        if not without and not _MOVES.search(container.image):
            continue
        why = _why(container) or ("KubeRay starts Ray in it" if container in started else "")
        if why and not any(_installs(c) for c in (container, *inits)):
            told = f"vLLM's image of {'.'.join(map(str, release or _WITHOUT[:2]))}"
            says = f"{told}{'' if release else ' and later'} has no Ray, and {why}"
            unseen = _unseen(container, without=without)
            yield Finding(container.place.at("image").spot, says, unseen=unseen)


def _installs(container: Container) -> bool:
    return _INSTALLS.search(container.script.replace("\\\n", " ")) is not None


def _why(container: Container) -> str:
    """What starts Ray in it, in words; empty where nothing does."""
    for words in (c.words for c in container.commands):
        names = [w.rpartition("/")[2] for w in words]
        if "start" in names and any(w in _SYSTEMS for w in words):
            return "`ray start` runs in it"
        if _SCRIPT in names:
            return f"{_SCRIPT} runs `ray start` in it"
    asks = container.asks
    return "its executor is ray" if asks is not None and asks.executor == "ray" else ""


def _unseen(container: Container, *, without: bool) -> str:
    if not without:
        return "which release the tag is when the pods start"
    if _OTHERS_BUILD.search(container.image):
        return "what was built into an image of this tag, which is none of vLLM's own"
    for words in (c.words for c in container.commands):
        runs = any(w in _SOURCED or w.endswith(".sh") for w in words[:1])
        if runs and not any(w.endswith(_SCRIPT) for w in words):
            return f"what `{' '.join(words[:2])}` installs"
    return "" if container.is_read else "all that it runs"
