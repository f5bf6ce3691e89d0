"""What NVIDIA's chart nim-llm makes of Helm values, as far as rules need to know.

Chart 1.1.2 (NVIDIA/nim-deploy, helm/nim-llm). Of chart 2.x no source is public: its pages say
what `workers` counts, and not what its values are by default.
"""

from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.template import Template

NIM_VALUES = "NIM Helm values"
GPU = "nvidia.com/gpu"
_OLD = ("gpusPerNode", "leaderWorkerSet", "clusterStartTimeout", "optimized", "mpiJob")


def is_nim_1(values: Place) -> bool:
    """Whether Helm values are of chart nim-llm 1.x: by keys that only one of the two has."""
    many = values.at("multiNode")
    if many.at("tensorParallelSize") or many.at("pipelineParallelSize"):
        return False
    return any(many.at(k) for k in _OLD) or values.at("image").text("tag").startswith("1.")


def workers_of(values: Place) -> int:
    """`multiNode.workers`, 1 by default; a number in quotes counts, though the chart refuses it."""
    told = values.at("multiNode", "workers").value
    if isinstance(told, str) and told.isdigit() and len(told) <= _DIGITS:
        return int(told)
    return told if type(told) is int and told > 0 else 1


_DIGITS = 4


def default_gpus(values: Place) -> int:
    """GPUs that the chart gives a pod because nothing is written: Helm merges maps.

    A limit that is written, or null, takes the default's place; so, for us, does any device.
    """
    held = values.value if isinstance(values.value, dict) else {}
    resources = held.get("resources", {})
    limits = resources.get("limits", {}) if isinstance(resources, dict) else None
    written = not isinstance(limits, dict) or any("/" in str(name) for name in limits)
    return 0 if written else 1


def by_chart(template: Template) -> bool:
    """Whether Helm values say what its pods are."""
    return template.kind == NIM_VALUES


def by_default(template: Template) -> bool:
    """Whether its GPUs are those of the chart's default."""
    return by_chart(template) and default_gpus(template.owner_place) > 0


def unseen_default(values: Place) -> str:
    """Why a default may be another one; empty of chart 1.x."""
    return "" if is_nim_1(values) else "the defaults of this release of the chart"


def sized(template: Template, wanted: int) -> str:
    """What to write for `wanted` ranks; empty where the values cannot say it.

    Chart 1.x counts the leader among `workers`, 2.x does not.
    """
    root, gpus = template.owner_place, template.gpus
    if not by_chart(template) or not wanted or not gpus or wanted % gpus or by_default(template):
        return ""
    nodes, old = wanted // gpus, is_nim_1(root)
    many = nodes if old else nodes - 1
    if many < 1 or nodes == 1:
        return ""
    says = "chart 1.x counts the leader among them" if old else "chart 2.x adds the leader to them"
    if root.at("multiNode", "enabled").value is not True:
        return f"Write `multiNode: {{enabled: true, workers: {many}}}`: {says}."
    return f"Write `workers: {many}`: {says}."
