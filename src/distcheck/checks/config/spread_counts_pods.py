"""CONF099: spreading, or keeping apart, by labels that no pod has."""

from collections.abc import Iterator, Sequence

from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.placement import PREFERRED, REQUIRED, is_of_own_namespace
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.stand_in import filled_later
from distcheck.checks.manifest.template import Template


@rule("CONF099", level="warning")
def spread_counts_pods(bundle: Bundle) -> Iterator[Finding]:
    """Placement by labels of pods names labels that pods have.

    What:
        The `labelSelector` of a topology spread constraint, or of a pod affinity or anti-affinity,
        is missing, or matches no pod of the input: not even those that it stands in.
    Why:
        A missing selector matches nothing. A spread or anti-affinity that matches no pod holds
        nothing apart, so both copies may be on one node; an affinity that has to match leaves
        the pod Pending.
    Fix:
        Write the labels of the pods that are meant, mostly those of this template.
    Fails:
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: vllm}
        spec:
          replicas: 2
          selector: {matchLabels: {app: vllm}}
          template:
            metadata: {labels: {app: vllm}}
            spec:
              topologySpreadConstraints:
              - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule}
              containers:
              - name: vllm
                image: vllm/vllm-openai:v0.11.0
                args: [--model, meta-llama/Llama-3.1-8B-Instruct]
                resources: {limits: {nvidia.com/gpu: 1}}
    Passes:
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: vllm}
        spec:
          replicas: 2
          selector: {matchLabels: {app: vllm}}
          template:
            metadata: {labels: {app: vllm}}
            spec:
              topologySpreadConstraints:
              - maxSkew: 1
                topologyKey: kubernetes.io/hostname
                whenUnsatisfiable: DoNotSchedule
                labelSelector: {matchLabels: {app: vllm}}
              containers:
              - name: vllm
                image: vllm/vllm-openai:v0.11.0
                args: [--model, meta-llama/Llama-3.1-8B-Instruct]
                resources: {limits: {nvidia.com/gpu: 1}}
    Unsure:
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: vllm}
        spec:
          replicas: 2
          selector: {matchLabels: {app: vllm}}
          template:
            metadata: {labels: {app: vllm}}
            spec:
              affinity:
                podAntiAffinity:
                  requiredDuringSchedulingIgnoredDuringExecution:
                  - labelSelector: {matchLabels: {app: vlm}}
                    topologyKey: kubernetes.io/hostname
              containers:
              - name: vllm
                image: vllm/vllm-openai:v0.11.0
                args: [--model, meta-llama/Llama-3.1-8B-Instruct]
                resources: {limits: {nvidia.com/gpu: 1}}
    Source:
        Kubernetes: Pod Topology Spread Constraints; Assigning Pods to Nodes; apimachinery
        LabelSelectorAsSelector (nil matches nothing).
    """
    there = _There(bundle.templates)
    for template in bundle.templates:
        for says, term in _terms(template) if template.serves and not template.fragment else ():
            chosen = term.at("labelSelector")
            if not chosen:
                spot = term.at("topologyKey").spot if term.at("topologyKey") else term.spot
                yield Finding(spot, f"{says} has no labelSelector: it matches no pod")
            elif not _may_match(chosen, template) and not there.has(chosen):
                told = ", ".join(_words(chosen))
                said = f"{says} is about {told}, which no pod here has, nor these themselves"
                yield Finding(chosen.key, said, unseen="pods that are not in the input")


class _There:
    """All labels of the input: a label that nobody has is not looked for in each template."""

    def __init__(self, templates: Sequence[Template]) -> None:
        self._templates = templates
        self._pairs = {(k, str(v)) for t in templates for k, v in t.labels.items()}
        self._given: dict[str, bool] = {}

    def has(self, chosen: Place) -> bool:
        """Whether any template's pods may be meant."""
        pairs = ((k, str(p.value)) for k, p in chosen.fields("matchLabels"))
        if any(pair not in self._pairs and not self._may_be_given(*pair) for pair in pairs):
            return False
        return any(_may_match(chosen, t) for t in self._templates)

    def _may_be_given(self, name: str, value: str) -> bool:
        if name not in self._given:
            every = self._templates
            self._given[name] = any(
                t.may_have_label(name) or filled_later(t.labels.get(name)) for t in every
            )
        return self._given[name] or bool(filled_later(value))


def _terms(template: Template) -> Iterator[tuple[str, Place]]:
    """Each term that chooses pods of the template's own namespace, with what it is."""
    for one in template.spec.each("topologySpreadConstraints"):
        yield "the spread", one
    for name, says in (("podAntiAffinity", "the anti-affinity"), ("podAffinity", "the affinity")):
        held = template.spec.at("affinity", name)
        terms = [*held.each(REQUIRED), *(t.at("podAffinityTerm") for t in held.each(PREFERRED))]
        for one in terms:
            if one and is_of_own_namespace(one):
                yield says, one


def _may_match(chosen: Place, template: Template) -> bool:
    """Whether the template's pods have these labels, or may be given them."""
    plain = dict(chosen.fields("matchLabels"))
    if any(not _has(template, k, "In", (str(p.value),)) for k, p in plain.items()):
        return False
    return all(
        _has(
            template,
            e.text("key"),
            e.text("operator"),
            tuple(str(v.value) for v in e.each("values")),
        )
        for e in chosen.each("matchExpressions")
    )


def _has(template: Template, name: str, operator: str, values: tuple[str, ...]) -> bool:
    own = template.labels.get(name)
    unknown = template.may_have_label(name) or filled_later(own) or any(map(filled_later, values))
    if unknown or operator not in ("In", "Exists"):
        return True
    return own is not None and (operator == "Exists" or str(own) in values)


def _words(chosen: Place) -> Iterator[str]:
    """The labels that are asked for."""
    yield from (f"{k}={p.value}" for k, p in chosen.fields("matchLabels"))
    yield from (e.text("key") for e in chosen.each("matchExpressions"))
