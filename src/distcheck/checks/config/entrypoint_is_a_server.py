"""CONF077: args that the image's entrypoint cannot take."""

from collections.abc import Iterator
from itertools import pairwise

from distcheck.checks.knowledge.spelling import within
from distcheck.checks.manifest.container import Command, Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

_BARE = pattern(
    r"(?:\A|/)(?:lmsysorg/sglang|nvidia/tritonserver|nvidia/pytorch|nvidia/cuda|pytorch/pytorch"
    r"|rayproject/ray(?:-ml|-llm)?|ubuntu|python)(?::|@|\Z)",
    near=("sglang", "nvidia/", "pytorch", "rayproject/", "ubuntu", "python"),
)
_SERVER = pattern(r"(?:\A|/)vllm/vllm-openai(?::|@|\Z)")
_PROGRAMS = frozenset({"vllm", "python", "python3", "bash", "sh", "ray", "/bin/bash", "/bin/sh"})


@rule("CONF077", level="error")
def entrypoint_is_a_server(template: Template) -> Iterator[Finding]:
    """Args without a command fit the program that the image starts.

    What:
        `args` begin with a flag, and the image starts no server (SGLang, Triton, Ray, CUDA); or
        they begin with a program, or with `serve` and a model, and the image starts one already
        (vllm/vllm-openai). Or `command` is no program: a module of Python, the image's own name,
        `vllm` without `serve`.

    Why:
        `args` go behind the image's entrypoint. Without a server there, the flag is run as a
        program; with one, the program's name is an argument that it does not know. What is no
        program ends with "executable file not found in $PATH", or "invalid choice".

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

    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: r.io/ours/sglang:1
            args: [--model, /m]

    Source:
        Kubernetes: Define a Command and Arguments for a Container; Dockerfiles of the images; vLLM
        vllm/entrypoints/cli/main.py, issue 15007.
    """
    for container in template.every:
        yield from _no_program(container)
        args = [a.text() for a in container.place.each("args")]
        if not args or container.place.at("command") or template.of_ray:
            continue
        if says := _wrong(container, *(a.strip() for a in (*args, "")[:2])):
            yield Finding(container.place.at("args", 0).spot, f"{container.name}: {says}")


def _no_program(container: Container) -> Iterator[Finding]:
    """A command that nothing can start; `vllm` may be started by a shell, too."""
    first = container.place.at("command", 0)
    if module := _MODULE.fullmatch(first.text()):
        says = f"{container.name}: {module[0]} is a module of Python, and no program"
        yield Finding(first.spot, says, f"Write `[python3, -m, {module[0]}]`.")
    elif first.text() == "vllm-openai" and _SERVER.search(container.image):
        says = f"{container.name}: vllm-openai is the image's name, and no program in it"
        yield Finding(first.spot, says, "Leave `command` out, or write `[vllm, serve]`.")
    for command in container.commands:
        words = command.words[:2] if "serve" not in command.words else ()
        yield from _misspelt(container, command)
        if len(words) > 1 and words[0].rpartition("/")[2] == "vllm" and _is_no_part(words[1]):
            says = f"{container.name}: vllm is told of {words[1]}, and takes `serve` first"
            at = container.spot_of(" ".join(words), words[1])
            yield Finding(at, says, "Write `vllm serve` before the model and its flags.")


def _misspelt(container: Container, command: Command) -> Iterator[Finding]:
    """A server's module with a letter or two wrong."""
    for flag, module in pairwise(command.words[:8]):
        near = within(module, _MODULES)
        if flag == "-m" and near and module not in _MODULES:
            says = f"{container.name}: Python has no module {module}"
            yield Finding(container.spot_of(module), says, f"Write {near[0]}.")


_MODULES = (
    "vllm.entrypoints.openai.api_server", "vllm.entrypoints.api_server", "sglang.launch_server",
)  # fmt: skip


def _is_no_part(word: str) -> bool:
    """Whether it is none of vLLM's commands: a flag of its server, or a word for serving."""
    return word in _MEANT or (word.startswith("--") and word not in ("--help", "--version"))


_MEANT = frozenset(
    {"start", "run", "server", "api_server", "api-server", "openai", "launch_server"}
)
_MODULE = pattern(r"(?:vllm\.entrypoints|sglang|tensorrt_llm)\.[a-z_.]+")


def _wrong(container: Container, first: str, second: str) -> str:
    if first.startswith("-") and _BARE.search(container.image):
        return (
            f"the image starts no server, and would run {first.split(maxsplit=1)[0]} as a program"
        )
    again = first == "serve" and second and not second.startswith("-")
    if (again or first in _PROGRAMS) and _SERVER.search(container.image):
        return f"the image starts vLLM's server, and {first} would be an argument of it"
    return ""
