"""CONF091: operators and values of node affinity that match no node."""

from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.placement import PREFERRED
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.stand_in import filled_later
from distcheck.checks.manifest.template import Template

_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")
_MEANT = {"Gte": "Gt", "Lte": "Lt", "Equals": "In", "Equal": "In", "==": "In", ">=": "Gt"}


@rule("CONF091", level="error")
def affinity_can_match(template: Template) -> Iterator[Finding]:
    """Node affinity uses operators that exist, with values that they take.

    What:
        A match expression has an operator such as `Gte`, or Gt and Lt with other than one whole
        number, or Exists with values.
    Why:
        The API server refuses it for pods; inside custom resources nothing looks, and the pods
        are refused when they are made. Schema validation does not see it: an operator is text.
    Fix:
        Use In, NotIn, Exists, DoesNotExist, Gt or Lt; `Gte 80000` is `Gt ["79999"]`.
    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          affinity:
            nodeAffinity:
              requiredDuringSchedulingIgnoredDuringExecution:
                nodeSelectorTerms:
                - matchExpressions:
                  - {key: nvidia.com/gpu.memory, operator: Gte, values: ["80000"]}
          containers:
          - {name: vllm, image: "vllm/vllm-openai:v0.11.0"}
    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          affinity:
            nodeAffinity:
              requiredDuringSchedulingIgnoredDuringExecution:
                nodeSelectorTerms:
                - matchExpressions:
                  - {key: nvidia.com/gpu.memory, operator: Gt, values: ["79999"]}
          containers:
          - {name: vllm, image: "vllm/vllm-openai:v0.11.0"}
    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          affinity:
            nodeAffinity:
              requiredDuringSchedulingIgnoredDuringExecution:
                nodeSelectorTerms:
                - matchExpressions:
                  - {key: nvidia.com/gpu.memory, operator: "${OPERATOR}", values: ["80000"]}
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m]
    Source:
        Kubernetes API core/v1 NodeSelectorOperator; ValidateNodeSelectorRequirement.
    """
    for one in expressions(template):
        operator, held = one.at("operator"), one.at("values")
        count = len(list(held.each()))
        if operator and operator.value not in _OPERATORS:
            near = _MEANT.get(str(operator.value)) or spelt(str(operator.value))
            hint = f"; did you mean {near}?" if near else ""
            says = f"there is no operator {operator.value}{hint}"
            fix = f"Write {near}." if near and near not in ("Gt", "Lt") else ""
            yield Finding(operator.spot, says, fix, unseen=filled_later(operator.value))
        elif operator.value in ("Gt", "Lt") and not _one_number(held):
            says = f"{operator.value} takes one whole number as text"
            fix = 'Give one number in quotes, such as `values: ["79999"]`.'
            yield Finding(held.spot if held else operator.spot, says, fix)
        elif operator.value in ("Exists", "DoesNotExist") and count:
            meant = {"Exists": "In", "DoesNotExist": "NotIn"}[operator.value]
            fix = f"Leave `values` out, or write {meant}."
            yield Finding(held.spot, f"{operator.value} takes no values", fix)
        elif operator.value in ("In", "NotIn") and not count:
            meant = {"In": "Exists", "NotIn": "DoesNotExist"}[operator.value]
            fix = f"Add `values`, or write {meant}."
            yield Finding(operator.spot, f"{operator.value} needs values", fix)


def spelt(word: str) -> str:
    """The operator that `word` is but for its capitals, or nothing."""
    return next((o for o in _OPERATORS if o.lower() == word.lower()), "")


def _one_number(held: Place) -> bool:
    values = [str(v.value) for v in held.each()]
    return len(values) == 1 and values[0].lstrip("-").isdigit()


def expressions(template: Template) -> Iterator[Place]:
    """The match expressions of its node affinity, required and preferred."""
    for term in template.node_terms:
        yield from term.each("matchExpressions")
    affinity = template.spec.at("affinity", "nodeAffinity")
    for weighed in affinity.each(PREFERRED):
        yield from weighed.each("preference", "matchExpressions")
