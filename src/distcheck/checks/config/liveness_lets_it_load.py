"""CONF081: a liveness probe that kills the engine while it loads."""

from collections.abc import Iterator

from distcheck.checks.knowledge.known_models import known_model
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template

_SHORTEST = 60
_BYTES_PER_SECOND = 2_000_000_000


@rule("CONF081", level="warning")
def liveness_lets_it_load(template: Template) -> Iterator[Finding]:
    """A liveness probe leaves the engine time to load its model.

    What:
        A container with an engine has a liveness probe, no startup probe, and less time before
        it is killed than the weights need at 2 GB/s; at least a minute.

    Why:
        The engine answers when the weights are loaded and the graphs are captured. Until then
        the kubelet restarts it, and it starts from the beginning.

    Fix:
        Add a `startupProbe` with `failureThreshold` x `periodSeconds` above the longest load.

    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, meta-llama/Llama-3.1-70B-Instruct, --tensor-parallel-size, "8"]
            resources: {limits: {nvidia.com/gpu: 8}}
            livenessProbe: {httpGet: {path: /health, port: 8000}, periodSeconds: 10}

    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, meta-llama/Llama-3.1-70B-Instruct, --tensor-parallel-size, "8"]
            resources: {limits: {nvidia.com/gpu: 8}}
            startupProbe: {httpGet: {path: /health, port: 8000}, failureThreshold: 180}
            livenessProbe: {httpGet: {path: /health, port: 8000}, periodSeconds: 10}

    Source:
        Kubernetes: Liveness, Readiness and Startup Probes; sizes of the public checkpoints.
    """
    for container in template.containers:
        probe = container.place.at("livenessProbe")
        server = probe.at("httpGet") or probe.at("tcpSocket")
        if not server or container.place.at("startupProbe") or not container.gpus:
            continue
        if container.asks is None or container.ray:
            continue
        period = probe.number("periodSeconds") or 10
        tries = probe.number("failureThreshold") or 3
        time = (probe.number("initialDelaySeconds") or 0) + period * tries
        need, why = _needs(container)
        if time < need:
            says = f"{container.name} is killed after {time} s without an answer, and {why}"
            yield Finding(probe.key, says)


def _needs(container: Container) -> tuple[int, str]:
    asks = container.asks
    found = known_model(asks.model or "") if asks else None
    seconds = (found.least_bytes or 0) // _BYTES_PER_SECOND if found else 0
    if seconds > _SHORTEST and asks and found:
        return seconds, f"{asks.model} needs {seconds} s to load at 2 GB/s"
    return _SHORTEST, "engines need more than a minute to start"
