"""CONF033: a container that ends as soon as Ray has started."""

from collections.abc import Iterator

from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

_KINDS = ("LeaderWorkerSet", "StatefulSet", "Deployment", "DaemonSet", "Rollout", "Pod",
    "InferenceService")  # fmt: skip


@rule("CONF033", level="error")
def ray_worker_stays(template: Template) -> Iterator[Finding]:
    """A container that only starts Ray waits for it.

    What:
        The last command of a container is `ray start` without `--block`, or the last line of
        its script puts Ray or the server into the background.

    Why:
        The command goes into the background and returns: the container ends, Ray with it, and
        the pod is started again and again.

    Fix:
        Add `--block`.

    Fails:
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: worker}
        spec:
          selector: {matchLabels: {app: w}}
          template:
            metadata: {labels: {app: w}}
            spec:
              containers:
              - name: vllm
                image: vllm/vllm-openai:v0.11.0
                command: [sh, -c, "ray start --address=head:6379"]
                resources: {limits: {nvidia.com/gpu: 8}}

    Passes:
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: worker}
        spec:
          selector: {matchLabels: {app: w}}
          template:
            metadata: {labels: {app: w}}
            spec:
              containers:
              - name: vllm
                image: vllm/vllm-openai:v0.11.0
                command: [sh, -c, "ray start --address=head:6379 --block"]
                resources: {limits: {nvidia.com/gpu: 8}}

    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            command: [sh, -c, "ray start --address=head:6379 $RAY_ARGS"]
            resources: {limits: {nvidia.com/gpu: 8}}

    Source:
        Ray `ray start --help`: --block; vLLM examples/online_serving/run_cluster.sh.
    """
    if template.kind not in _KINDS:
        return
    for container in template.containers:
        if container.ray is not None and not container.ray.block and _is_last(container):
            says = f"container {container.name} ends when `ray start` returns"
            yield Finding(container.spot_of("ray start", "ray"), says)
        yield from _in_the_background(container)


def _in_the_background(container: Container) -> Iterator[Finding]:
    """A script whose last line is a server with `&` behind it, which nothing waits for."""
    for text in container.texts:
        found = _BEHIND.search(text.text.replace("\\\n", "  "))
        if found and not any(w in text.text for w in _WAITS):
            says = f"container {container.name} ends with its script: its last line puts {found[1]}"
            spot = text.spot.within(found[1])
            yield Finding(spot, f"{says} into the background", "Take the last `&` away.")


def _is_last(container: Container) -> bool:
    """Whether nothing follows it, and no word may hold --block."""
    words = _bare(container.commands[-1].words if container.commands else ())
    plain = not any("$" in w and "=" not in w and "{" not in w for w in words[2:])
    told = container.script
    return words[:2] == ("ray", "start") and plain and not _STAYS.search(told)


def _bare(words: tuple[str, ...]) -> tuple[str, ...]:
    """Without `exec`, and variables that are set for this command."""
    at = next((n for n, w in enumerate(words) if w not in _AROUND and not _SET.match(w)), 0)
    return words[at:]


_AROUND = ("exec", "env", "nohup")
_SET = pattern(r"[A-Za-z_]\w{0,127}=")
_BEHIND = pattern(
    r"(vllm serve|vllm\.entrypoints[\w.]*|sglang\.launch_server|ray start|multi-node-serving\.sh"
    r"|trtllm-serve)[^\n;&|#]*(?:[12]?>&?[\w/.\-]*\s*(?:2>&1)?\s*)?(?<!&)&\s*\Z",
    near=("&",),
)
_WAITS = ("sleep inf", "tail -f", "wait", "while true")
_STAYS = pattern(r"sleep inf|tail -f|\bwait\b(?! for)|while true|--block")
