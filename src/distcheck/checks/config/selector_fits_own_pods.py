"""CONF079: a workload whose selector does not fit its own pods."""

from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.stand_in import filled_later
from distcheck.checks.manifest.template import Template

_KINDS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Rollout")
_FLEETS = ("RayClusterFleet", "RayClusterReplicaSet")


@rule("CONF079", level="error")
def selector_fits_own_pods(template: Template) -> Iterator[Finding]:
    """A workload's selector fits the labels of its own pods.

    What:
        `spec.selector.matchLabels` has a label that the pod template has not, or with another
        value; of AIBrix's RayClusterFleet, that the template of its clusters has not.

    Why:
        The API server refuses it: "selector does not match template labels". A RayClusterFleet
        never finds the clusters that it makes, and makes more.

    Fix:
        Write the same labels in `spec.selector.matchLabels` and in the pod template.

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

    Unsure:
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: vllm}
        spec:
          selector: {matchLabels: {app: "${NAME}"}}
          template:
            metadata: {labels: {app: vllm}}
            spec:
              containers:
              - {name: vllm, image: "vllm/vllm-openai:v0.11.0", args: [--model, /m]}

    Source:
        Kubernetes API, validation of apps/v1; AIBrix issue 1423.
    """
    fleet = template.kind in _FLEETS and template.part == "leader"
    if template.fragment or not (fleet or template.kind in _KINDS):
        return
    held = template.owner_place.at("spec", "template") if fleet else template.place
    labels = held.at("metadata", "labels")
    every = dict(labels.value or {}) if fleet else template.labels
    made, of = ("clusters", "template") if fleet else ("pods", "pod template")
    for name, place in template.owner_place.fields("spec", "selector", "matchLabels"):
        if every.get(name) != place.value:
            has = every.get(name)
            says = f"the {made} have {f'{name}={has}' if has else f'no label {name}'}"
            fix = f"Give the {of} the label `{name}: {place.value}`" + (
                ", or select what it has." if has else ", or take it out of the selector."
            )
            also = (labels.key,) if labels else ()
            unseen = filled_later(place.value) or filled_later(has)
            says = f"the selector asks for {name}={place.value}, and {says}"
            yield Finding(place.spot, says, fix, also=also, unseen=unseen)
