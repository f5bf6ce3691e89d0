"""A number of each pod's own, as the script of its container can work it out."""

from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.template import Template

_SETS = {"LeaderWorkerSet": "LWS_WORKER_INDEX", "LLMInferenceService": "LWS_WORKER_INDEX",
         "Job": "JOB_COMPLETION_INDEX", "JobSet": "JOB_COMPLETION_INDEX",
         "StatefulSet": "${HOSTNAME##*-}"}  # fmt: skip


def times_index(template: Template, engine: Container, times: int) -> str:
    """`$((INDEX * times))` as its pods have their index; empty where they have none, or no shell."""  # noqa: E501
    index = _SETS.get(template.kind, "")
    by_shell = any(" " in word for word in engine.argv)
    own = index if template.kind != "StatefulSet" or not template.host_network else ""
    return f"$(({own} * {times}))" if own and by_shell and template.names else ""
