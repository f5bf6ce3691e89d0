"""CONF079: a workload whose selector does not fit its own pods."""

from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template

_KINDS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Rollout")


@rule("CONF079", level="error")
def selector_fits_own_pods(template: Template) -> Iterator[Finding]:
    """A workload's selector fits the labels of its own pods.

    What:
        `spec.selector.matchLabels` has a label that the pod template has not, or with another
        value.

    Why:
        The API server refuses it: "selector does not match template labels".

    Fix:
        Make the two alike.

    Fails:
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: vllm}
        spec:
          selector: {matchLabels: {app: vllm}}
          template:
            metadata: {labels: {app: vllm-server}}
            spec:
              containers:
              - {name: vllm, image: "vllm/vllm-openai:v0.11.0", args: [--model, /m]}

    Passes:
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: vllm}
        spec:
          selector: {matchLabels: {app: vllm}}
          template:
            metadata: {labels: {app: vllm, tier: gpu}}
            spec:
              containers:
              - {name: vllm, image: "vllm/vllm-openai:v0.11.0", args: [--model, /m]}

    Source:
        Kubernetes API, validation of apps/v1.
    """
    if template.kind not in _KINDS or template.fragment:
        return
    for name, place in template.owner_place.fields("spec", "selector", "matchLabels"):
        if template.labels.get(name) != place.value:
            labels = template.place.at("metadata", "labels")
            has = template.labels.get(name)
            says = f"the pods have {f'{name}={has}' if has else f'no label {name}'}"
            also = (labels.key,) if labels else ()
            yield Finding(place.spot, f"{name}={place.value}, and {says}", also=also)
