"""CONF027: a `serviceName` without its Service."""

from collections.abc import Iterator

from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule


@rule("CONF027", level="hint")
def names_have_a_service(bundle: Bundle) -> Iterator[Finding]:
    """The Service that gives a StatefulSet's pods their names is there.

    What:
        `serviceName` of a StatefulSet names a Service that is not in the input, while other
        Services are.

    Why:
        Without it the pods have no names in DNS: what looks for them by name does not find them.

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

    Source:
        Kubernetes: StatefulSet, stable network ID.
    """
    names = {(s.namespace, s.name) for s in bundle.services}
    for template in bundle.templates:
        place = template.owner_place.at("spec", "serviceName")
        if template.kind != "StatefulSet" or not place.text() or not names or not template.serves:
            continue
        if (template.namespace, place.text()) not in names:
            says = f"no Service {place.text()} is in the input"
            yield Finding(place.spot, says, unseen="Services that are not in the input")
