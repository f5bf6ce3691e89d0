"""What rules may say of a part of a pod, to which an operator adds what is not seen here.

The parts are services of Dynamo's graphs, and KServe's: a predictor without its runtime, a runtime
that nothing in the input uses, an LLMInferenceService without the configuration that the controller
puts under it.
"""

from collections.abc import Sequence

from distcheck.checks.manifest.template import GRAPH, Template

_WRITTEN = frozenset(
    {
        "CONF041", "CONF044", "CONF046", "CONF047", "CONF048", "CONF049", "CONF056", "CONF066",
        "CONF070", "CONF071", "CONF072", "CONF073", "CONF075", "CONF076", "CONF091", "CONF092",
        "CONF096", "CONF097", "CONF100", "CONF108",
    }
)  # fmt: skip
"""What is written so is wrong, or a risk, whatever stands beside it."""
_LAST = frozenset(
    {
        "CONF001", "CONF005", "CONF012", "CONF014", "CONF015", "CONF016", "CONF017", "CONF042",
        "CONF061", "CONF063", "CONF093", "CONF094", "CONF098", "CONF120",
    }
)  # fmt: skip
"""Sizes, variables and limits: those of the object win over what comes to it."""
_UNTOLD = frozenset(
    {"CONF001", "CONF006", "CONF007", "CONF040", "CONF045", "CONF115", "CONF117"}
)  # fmt: skip
"""These rest on what is not told, too: KServe's own configuration is vLLM's, and adds none."""
_OF_GRAPHS = frozenset(
    {
        "CONF006", "CONF007", "CONF010", "CONF060", "CONF090", "CONF095", "CONF101", "CONF103",
        "CONF115", "CONF117", "CONF121",
    }
)  # fmt: skip
"""What Dynamo's operator adds to a service's pods mends none of these in any release."""
_BY_OPERATOR = frozenset({"CONF015"})
"""It tells the nodes of one service their data-parallel ranks."""
BASES = frozenset({"ServingRuntime", "ClusterServingRuntime", "LLMInferenceServiceConfig"})
"""Kinds that others are put over: what they say may be said otherwise there."""


def holds(rule_id: str, level: str, templates: Sequence[Template]) -> bool:
    """Whether what a rule finds at this level in these templates is so whatever is added to them.

    GPUs that stand idle may be used by what is added; those that are missing stay so.
    """
    parts = [t for t in templates if t.rest]
    if not parts or rule_id in _WRITTEN:
        return True
    if rule_id == "CONF074":
        return all(_starts_itself(t) for t in parts)
    if any(t.kind in BASES for t in parts):
        return False
    if all(t.kind == GRAPH for t in parts):
        return _holds_of_graphs(rule_id, level, parts)
    if rule_id in _LAST and (rule_id != "CONF001" or level == "error"):
        return True
    return rule_id in _UNTOLD and all(_has_only_kserves(t) for t in parts)


def _holds_of_graphs(rule_id: str, level: str, parts: Sequence[Template]) -> bool:
    """GPUs of several nodes stand idle in no release: newer ones start a copy on each."""
    alone = all(t.part == "alone" for t in parts)
    if rule_id in _BY_OPERATOR or (rule_id == "CONF001" and level != "error"):
        return alone
    return rule_id in _OF_GRAPHS | _LAST


def _starts_itself(template: Template) -> bool:
    """Whether it names its commands: KServe's own hands words to a shell that cuts them again."""
    return all(c.place.at("command", 0).path[-2:] == ("command", 0) for c in template.containers)


def _has_only_kserves(template: Template) -> bool:
    """Whether nothing but KServe's own configuration is put under it."""
    own = template.kind == "LLMInferenceService"
    return own and not template.owner_place.at("spec", "baseRefs")
