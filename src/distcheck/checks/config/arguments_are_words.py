"""CONF074: a command line that is one word."""

import re
from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template

_FLAGS = re.compile(r"\s--?[a-z][\w-]*[\s=]")
_LINE = re.compile(r"\A(?:vllm serve|python3? -m|ray start|sglang |mpirun |torchrun )")
_SHELLS = frozenset({"sh", "bash", "ash", "dash", "zsh"})


@rule("CONF074", level="error")
def arguments_are_words(template: Template) -> Iterator[Finding]:
    """Each word of a command line is an item of its own, or a shell is told to cut it.

    What:
        A whole command line stands in one item of `command` or `args`, and no shell with `-c`
        reads it.
    Why:
        Nothing cuts it: the kernel looks for a program of that whole name, and an engine gets
        one argument with blanks in it.
    Fix:
        Write one item a word, or `command: [bash, -c]` with the line as the only item of `args`.
    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: ["--model /models/m --tensor-parallel-size 8"]
            resources: {limits: {nvidia.com/gpu: 8}}
    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /models/m, --tensor-parallel-size, "8"]
            resources: {limits: {nvidia.com/gpu: 8}}
    Source:
        Kubernetes: Define a Command and Arguments for a Container.
    """
    for container in template.every:
        items = [*container.place.each("command"), *container.place.each("args")]
        has_command = any(True for _ in container.place.each("command"))
        if any(_shell(item) for item in items) or (not has_command and not container.engine_image):
            continue
        for number, item in enumerate(items):
            text = item.text()
            before = items[number - 1].text() if number else ""
            folded = _FLAGS.search(f"{text} ") and (text.startswith("-") or _LINE.match(text))
            first = number == 0 and _LINE.match(text)
            if (folded or first) and not before.endswith("-c") and "\n" not in text.strip():
                says = f"container {container.name}: nothing cuts this line into words"
                yield Finding(item.spot, says)


def _shell(item: Place) -> bool:
    return item.text().rpartition("/")[2] in _SHELLS
