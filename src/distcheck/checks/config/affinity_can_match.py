"""CONF091: operators and values of node affinity that match no node."""

from collections.abc import Iterator

from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.rule import rule
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
    Source:
        Kubernetes API core/v1 NodeSelectorOperator; ValidateNodeSelectorRequirement.
    """
    for one in expressions(template):
        operator, held = one.at("operator"), one.at("values")
        count = len(list(held.each()))
        if operator and operator.value not in _OPERATORS:
            near = _MEANT.get(str(operator.value), "")
            hint = f"; did you mean {near}?" if near else ""
            yield Finding(operator.spot, f"there is no operator {operator.value}{hint}")
        elif operator.value in ("Gt", "Lt") and not _one_number(held):
            says = f"{operator.value} takes one whole number as text"
            yield Finding(held.spot if held else operator.spot, says)
        elif operator.value in ("Exists", "DoesNotExist") and count:
            yield Finding(held.spot, f"{operator.value} takes no values")
        elif operator.value in ("In", "NotIn") and not count:
            yield Finding(operator.spot, f"{operator.value} needs values")


def _one_number(held: Place) -> bool:
    values = [str(v.value) for v in held.each()]
    return len(values) == 1 and values[0].lstrip("-").isdigit()


def expressions(template: Template) -> Iterator[Place]:
    """The match expressions of its node affinity, required and preferred."""
    affinity = template.spec.at("affinity", "nodeAffinity")
    required = affinity.at("requiredDuringSchedulingIgnoredDuringExecution")
    for term in required.each("nodeSelectorTerms"):
        yield from term.each("matchExpressions")
    for weighed in affinity.each("preferredDuringSchedulingIgnoredDuringExecution"):
        yield from weighed.each("preference", "matchExpressions")
