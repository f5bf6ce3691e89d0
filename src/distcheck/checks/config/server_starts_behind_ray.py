"""CONF032: `ray start --block` before the server in the same shell."""

from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.run_lines import run_lines
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

_BLOCKS = pattern(
    r"ray start(?=[^\n;&|]*\s--block\b)[^\n;&|]*(?:&&|;|\n)[^#]*?"
    r"(?:vllm serve|vllm\.entrypoints\.[\w.]*api_server|sglang\.launch_server|serve run)",
    near=("ray start",),
)
_MADE = pattern(
    r"\$\{?KUBERAY_GEN_RAY_START_CMD\}?\s*(?:&&|;|\n)[^#]*?"
    r"(?:vllm serve|vllm\.entrypoints\.[\w.]*)",
    near=("KUBERAY_GEN",),
)
_ENDS = pattern(r"\n[ \t]*(?:else|elif|fi|esac|;;)\b|;;|;\s*(?:else|elif|fi)\b|[\n;][ \t]*\}")
_HERE = pattern(r"(?<!<)<<-?(?!<)\s*[\"']?([A-Za-z_]\w{0,40})")
_ASKED = pattern(r"\|\||\[|(?:\A|[;&|!(]\s*)test\s|\(\)\s*\{")
"""What stands before a command that is not always run, on its line."""


@rule("CONF032", level="error", others=("warning",))
def server_starts_behind_ray(template: Template) -> Iterator[Finding]:
    """What starts the server is not behind a `ray start` that never returns.

    What:
        A script runs `ray start --block`, or KubeRay's own `$KUBERAY_GEN_RAY_START_CMD`, which
        has it, and starts the server after it.

    Why:
        With --block the command returns only when Ray ends: the server is never started.

    Fix:
        Leave --block out where the server follows, or put `&` behind it.

    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: head}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            command: [bash, -c, "ray start --head --port=6379 --block; vllm serve /m -tp 8"]
            resources: {limits: {nvidia.com/gpu: 8}}

    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: head}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            command: [bash, -c, "ray start --head --port=6379; vllm serve /m -tp 8"]
            resources: {limits: {nvidia.com/gpu: 8}}

    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            command: [bash, /opt/start.sh, --block]
            resources: {limits: {nvidia.com/gpu: 8}}

    Source:
        Ray python/ray/scripts/scripts.py (`ray start --block`); KubeRay
        ray-operator/controllers/ray/common/pod.go (setMissingRayStartParams: always --block).
    """
    for container in template.containers:
        for text in container.texts:
            lines = run_lines(text.text.replace("\\\n", "  "))
            for found in _BLOCKS.finditer(lines):
                line = lines[: found.start()].rpartition("\n")[2]
                if not _ENDS.search(found[0]) and not _ASKED.search(line):
                    spot = text.spot.within("ray start")
                    yield Finding(
                        spot, "ray start --block never returns: the server is not started"
                    )
            made = _MADE.search(lines) if template.of_ray else None
            if made is not None and not _ENDS.search(made[0]):
                spot = text.spot.within("KUBERAY_GEN_RAY_START_CMD")
                says = "KUBERAY_GEN_RAY_START_CMD ends in --block, and never returns: the server is"
                fix = "Put `&` behind it, or start the server before it with `&`."
                unseen = _of_fleet(template)
                yield Finding(spot, f"{says} not started", fix, level="warning", unseen=unseen)


def _of_fleet(template: Template) -> str:
    """AIBrix brings a KubeRay of its own; the other takes `block` for true whatever it is told."""
    group = template.owner_place.at("spec", "template", "spec", "headGroupSpec")
    told = group.text("rayStartParams", "block").lower() == "false"
    fleet = template.kind in ("RayClusterFleet", "RayClusterReplicaSet")
    return "whether AIBrix's KubeRay leaves --block out" if fleet and told else ""
