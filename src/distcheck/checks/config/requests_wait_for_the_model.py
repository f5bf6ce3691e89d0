"""CONF082: an engine behind a Service that is ready before it is."""

from collections.abc import Iterator

from distcheck.checks.manifest.bundle import Bundle, Service
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.listening import USUAL, called, listens_on
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template

_PROBES = ("readinessProbe", "startupProbe")


@rule("CONF082", level="hint")
def requests_wait_for_the_model(bundle: Bundle) -> Iterator[Finding]:
    """A pod behind a Service is ready only when its engine answers.

    What:
        A Service with an address of its own leads to an engine's container that has neither a
        readiness nor a startup probe.

    Why:
        The pod counts as ready as soon as its process runs, minutes before the model is loaded:
        requests are refused, and a rollout ends the old pods too early.

    Fix:
        Add a `readinessProbe` that asks `/health` at the engine's port (Triton
        `/v2/health/ready`).

    Fails:
        apiVersion: v1
        kind: Service
        metadata: {name: llm}
        spec: {selector: {app: llm}, ports: [{port: 8000}]}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: llm, labels: {app: llm}}
        spec:
          containers:
          - name: engine
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m]
            resources: {limits: {nvidia.com/gpu: 1}}

    Passes:
        apiVersion: v1
        kind: Service
        metadata: {name: llm}
        spec: {selector: {app: llm}, ports: [{port: 8000}]}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: llm, labels: {app: llm}}
        spec:
          containers:
          - name: engine
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m]
            readinessProbe: {httpGet: {path: /health, port: 8000}}
            resources: {limits: {nvidia.com/gpu: 1}}

    Unsure:
        apiVersion: v1
        kind: Service
        metadata: {name: api}
        spec: {selector: {app: vllm}, ports: [{port: 8000}]}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm, labels: {app: vllm}}
        spec:
          containers:
          - name: vllm
            image: r.io/ours/serve:1
            command: [/start.sh]
            resources: {limits: {nvidia.com/gpu: 1}}

    Source:
        Kubernetes: Liveness, Readiness and Startup Probes.
    """
    told: set[str] = set()
    for service in bundle.services:
        alone = len(service.selects) == 1 and not service.headless
        for template in service.selects if alone else ():
            engine = next((c for c in template.containers if c.asks and not c.nim), None)
            if engine is None or not engine.gpus or any(engine.place.at(p) for p in _PROBES):
                continue
            if template.part != "worker" and template.what not in told:
                told.add(template.what)
                says = f"{service.what} sends requests to {engine.name} while it loads"
                at = engine.place.at("name").spot
                yield Finding(at, says, _fix(service, engine), unseen=_asked_by(template))


def _asked_by(template: Template) -> str:
    """A pod is ready when all its containers are: a proxy's probe may ask the engine behind it."""
    probed = (c.name for c in template.every if any(c.place.at(p) for p in _PROBES))
    name = next(probed, "")
    return f"whether the probe of {name} asks the engine, too" if name else ""


def _fix(service: Service, engine: Container) -> str:
    """The probe to add, at the engine's own port, else where the Service leads."""
    own = listens_on(engine)
    targets = [
        p.at("targetPort").value or p.number("port") for p in service.place.each("spec", "ports")
    ]
    port = called(engine, own) if own else targets[0] if len(targets) == 1 else None
    probe = f"`readinessProbe: {{httpGet: {{path: /health, port: {port}}}}}`"
    return f"Add {probe}." if port and engine.asks and engine.asks.engine in USUAL else ""
