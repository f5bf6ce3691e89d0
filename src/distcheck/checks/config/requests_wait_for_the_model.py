"""CONF082: an engine behind a Service that is ready before it is."""

from collections.abc import Iterator

from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule

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
        Add `readinessProbe: {httpGet: {path: /health, port: 8000}}`.

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

    Source:
        Kubernetes: Liveness, Readiness and Startup Probes.
    """
    told: set[str] = set()
    for service in bundle.services:
        for template in service.selects if not service.headless else ():
            engine = next((c for c in template.containers if c.asks and not c.nim), None)
            if engine is None or not engine.gpus or any(engine.place.at(p) for p in _PROBES):
                continue
            alone = len(service.selects) == 1 and template.part != "worker"
            if alone and template.what not in told:
                told.add(template.what)
                says = f"Service {service.name} sends requests to {engine.name} while it loads"
                yield Finding(engine.place.at("name").spot, says)
