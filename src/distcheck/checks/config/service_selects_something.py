"""CONF024: a Service whose selector fits nothing."""

from collections.abc import Iterator

from distcheck.checks.manifest.bundle import Bundle, Service
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template


@rule("CONF024", level="error")
def service_selects_something(bundle: Bundle) -> Iterator[Finding]:
    """A Service's selector fits the pods that it is for.

    What:
        A Service that a StatefulSet names as `serviceName`, that workers join, or that is in
        the input beside the only workload, selects none of the pods.
    Why:
        It has no endpoints: its name leads nowhere, and the pods of the StatefulSet have no
        names in DNS.
    Fix:
        Make `selector` equal to labels of the pod template.
    Fails:
        apiVersion: v1
        kind: Service
        metadata: {name: vllm}
        spec: {clusterIP: None, selector: {app: vllm-server}, ports: [{port: 8000}]}
        ---
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: vllm}
        spec:
          serviceName: vllm
          selector: {matchLabels: {app: vllm}}
          template:
            metadata: {labels: {app: vllm}}
            spec:
              containers:
              - name: vllm
                image: vllm/vllm-openai:v0.11.0
                args: [--model, /models/m]
                resources: {limits: {nvidia.com/gpu: 1}}
    Passes:
        apiVersion: v1
        kind: Service
        metadata: {name: vllm}
        spec: {clusterIP: None, selector: {app: vllm}, ports: [{port: 8000}]}
        ---
        apiVersion: apps/v1
        kind: StatefulSet
        metadata: {name: vllm}
        spec:
          serviceName: vllm
          selector: {matchLabels: {app: vllm}}
          template:
            metadata: {labels: {app: vllm}}
            spec:
              containers:
              - name: vllm
                image: vllm/vllm-openai:v0.11.0
                args: [--model, /models/m]
                resources: {limits: {nvidia.com/gpu: 1}}
    Source:
        Kubernetes: Services; StatefulSet, stable network ID.
    """
    for service in bundle.services:
        if not service.selector or service.selects or not bundle.judged:
            continue
        spot = service.place.at("spec", "selector").spot
        labels = ",".join(f"{k}={v}" for k, v in service.selector.items())
        for template in bundle.templates:
            why = _why(service, template)
            if template.serves and why and template.namespace == service.namespace:
                says = f"{why}, and its selector {labels} fits none of the pods in the input"
                near = template.place.at("metadata", "labels")
                yield Finding(spot, says, also=(near.spot,) if near else ())
                break


def _why(service: Service, template: Template) -> str:
    """Why the Service must have pods of the input."""
    if template.kind == "StatefulSet" and template.subdomain == service.name:
        return f"{template.what} has its names from Service {service.name}"
    for container in template.every:
        for join in container.joins:
            if join.is_read and join.host.split(".")[0] == service.name:
                return f"{template.what} joins Service {service.name}"
    return ""
