"""CONF081: a liveness probe that kills the engine while it loads."""

from collections.abc import Iterator

from distcheck.checks.knowledge.known_models import known_model
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template

_SHORTEST, _AROUND, _USUAL = 60, 30, 600
"""Seconds that every engine needs, that its start takes beside the weights, and that are advised
at least."""
_BYTES_PER_SECOND, _LINE = 2_000_000_000, 125_000_000


@rule("CONF081", level="warning")
def liveness_lets_it_load(template: Template) -> Iterator[Finding]:
    """A liveness probe leaves the engine time to load its model.

    What:
        A container with an engine has less time before a startup probe, or a liveness probe
        without one, kills it than a start takes: the weights at 2 GB/s, and half a minute more;
        at least a minute. A hint where it has to download them first, and has not the time for it
        at 1 Gbit/s.

    Why:
        The engine answers when the weights are loaded and the graphs are captured. Until then
        the kubelet restarts it, and it starts from the beginning; what no volume keeps is
        downloaded again.

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

    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: r.io/ours/serve:1
            command: [/start.sh]
            livenessProbe: {httpGet: {path: /health, port: 8000}}
            resources: {limits: {nvidia.com/gpu: 1}}

    Source:
        Kubernetes: Liveness, Readiness and Startup Probes; sizes of the public checkpoints.
    """
    for container in template.containers:
        startup = container.place.at("startupProbe")
        probe = startup or container.place.at("livenessProbe")
        server = probe.at("httpGet") or probe.at("tcpSocket")
        if not server or not container.gpus:
            continue
        asks = container.asks
        if asks is None or asks.headless or container.ray or _loads_later(container):
            continue
        period = probe.number("periodSeconds") or 10
        tries = probe.number("failureThreshold") or 3
        time = (probe.number("initialDelaySeconds") or 0) + period * tries
        need, why = _needs(container)
        if time < need:
            says = f"{container.name} is killed after {time} s without an answer, and {why}"
            fix = _fix(startup, server, need)
            yield Finding(probe.key, says, fix, unseen=_of_triton(container))
        elif time < min(_USUAL, need := _AROUND + _to_download(container) // _LINE):
            size = _to_download(container) / 1e9
            says = f"{container.name} is killed after {time} s without an answer, and downloads"
            says = f"{says} {size:.0f} GB first, at every start: {need - _AROUND} s at 1 Gbit/s"
            fix = _fix(startup, server, need)
            yield Finding(probe.key, says, fix, unseen="how fast it downloads")


def _to_download(container: Container) -> int:
    """Bytes of a public model that nothing keeps: no volume, no image of one's own."""
    model = container.asks.model if container.asks else None
    mounted = {m.text("mountPath") for m in container.place.each("volumeMounts")}
    found = known_model(model) if model and model[0] not in "/." else None
    kept = mounted - {"/dev/shm", "/tmp"} or not container.engine_image
    return (found.least_bytes or 0) if found and not kept else 0


def _fix(startup: Place, server: Place, need: int) -> str:
    """Twice the time, for slower disks, by the question that the liveness probe asks."""
    period = startup.number("periodSeconds") or 10
    tries = -(-max(2 * need, _USUAL) // period)
    if startup:
        return f"Raise its `failureThreshold` to {tries} or more."
    port, path = server.at("port").value, server.text("path")
    asks = f"httpGet: {{path: {path}, port: {port}}}" if path else f"tcpSocket: {{port: {port}}}"
    probe = f"startupProbe: {{{asks}, periodSeconds: 10, failureThreshold: {tries}}}"
    return f"Add `{probe}`, which waits {tries * 10} s."


def _loads_later(container: Container) -> bool:
    """Whether it is Triton that loads what it is asked for when it is up."""
    told = container.script
    return "--model-control-mode=explicit" in told and "--load-model" not in told


def _of_triton(container: Container) -> str:
    """Models of its other backends load in seconds."""
    told = " ".join([container.image, *(t.text for t in container.texts)])
    plain = "tritonserver" in told and not any(w in told for w in ("trtllm", "vllm", "mpirun"))
    return "how long Triton's models take to load" if plain else ""


def _needs(container: Container) -> tuple[int, str]:
    asks = container.asks
    found = known_model(asks.model or "") if asks else None
    seconds = (found.least_bytes or 0) // _BYTES_PER_SECOND if found else 0
    if seconds + _AROUND > _SHORTEST and asks and found:
        says = f"{asks.model} needs {seconds} s to load at 2 GB/s, and its start half a minute more"
        return seconds + _AROUND, says
    return _SHORTEST, "engines need more than a minute to start"
