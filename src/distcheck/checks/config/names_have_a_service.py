"""CONF027: a `serviceName` without its Service."""

from collections.abc import Iterator

from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template


@rule("CONF027", level="hint")
def names_have_a_service(bundle: Bundle) -> Iterator[Finding]:
    """The Service that gives a StatefulSet's pods their names is there.

    What:
        `serviceName` of a StatefulSet, or one that a Rollout sends requests to (`stableService`,
        `canaryService`), is a Service that is not in the input, while other Services are.

    Why:
        Without it the pods have no names in DNS: what looks for them by name does not find them.
        A Rollout is Degraded (InvalidSpec), and makes no pods.

    Fix:
        Add a headless Service (`clusterIP: None`) of that name, whose selector fits the pods.

    Fails:
        apiVersion: v1
        kind: Service
        metadata: {name: vllm-api}
        spec: {selector: {app: vllm}, ports: [{port: 8000}]}
        ---
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: vllm}
        spec:
          serviceName: vllm-worker
          selector: {matchLabels: {app: vllm}}
          template:
            metadata: {labels: {app: vllm}}
            spec:
              containers:
              - {name: vllm, image: "vllm/vllm-openai:v0.11.0", args: [--model, /m]}

    Passes:
        apiVersion: v1
        kind: Service
        metadata: {name: vllm-worker}
        spec: {clusterIP: None, selector: {app: vllm}, ports: [{port: 8000}]}
        ---
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: vllm}
        spec:
          serviceName: vllm-worker
          selector: {matchLabels: {app: vllm}}
          template:
            metadata: {labels: {app: vllm}}
            spec:
              containers:
              - {name: vllm, image: "vllm/vllm-openai:v0.11.0", args: [--model, /m]}

    Unsure:
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: vllm}
        spec:
          serviceName: vllm-worker
          selector: {matchLabels: {app: vllm}}
          template:
            metadata: {labels: {app: vllm}}
            spec:
              containers:
              - {name: vllm, image: "vllm/vllm-openai:v0.11.0", args: [--model, /m]}

    Source:
        Kubernetes: StatefulSet, stable network ID; argo-rollouts rollout/controller.go
        (getReferencedServices).
    """
    names = {(s.namespace, s.name) for s in bundle.services}
    for template in bundle.templates:
        place = template.owner_place.at("spec", "serviceName")
        if template.kind != "StatefulSet" or not place.text() or not names or not template.serves:
            continue
        if (template.namespace, place.text()) not in names:
            says = f"no Service {place.text()} is in the input"
            yield Finding(place.spot, says, unseen=_ELSEWHERE)
    for template in (t for t in bundle.templates if names and t.kind == "Rollout" and t.serves):
        for place in _of_rollout(template):
            if place.text() and (template.namespace, place.text()) not in names:
                says = f"no Service {place.text()} is in the input: without it the Rollout stands"
                fix = "Add a Service of that name, whose selector fits the pods."
                yield Finding(place.spot, says, fix, unseen=_ELSEWHERE)


def _of_rollout(template: Template) -> Iterator[Place]:
    """The Services between which Argo Rollouts moves requests."""
    strategy = template.owner_place.at("spec", "strategy")
    yield from (strategy.at("canary", name) for name in ("stableService", "canaryService"))
    yield from (strategy.at("blueGreen", name) for name in ("activeService", "previewService"))


_ELSEWHERE = "Services that are not in the input"
