"""How far an engine has come: its ranks have met, or it serves."""

import re

from distcheck.checks.evidence import EngineHttp, Evidence, VllmLog
from distcheck.checks.facts.engine_lines import weights_by_pod
from distcheck.checks.facts.nccl_group import group_of
from distcheck.checks.facts.nccl_present import present

_OLD = re.compile(r"v?0\.[0-7]\.")
"""vLLM 0.8 and newer tell each rank its place (`is assigned as`) once all have met."""


def has_started(evidence: Evidence) -> bool:
    """Whether any engine of the group is past its start."""
    looks = [evidence.look(p) for p in evidence.pods]
    said = any(isinstance(x.vllm, VllmLog) and x.vllm.started for x in looks)
    return said or any(isinstance(x.engine_http, EngineHttp) for x in looks)


def is_past_meeting(evidence: Evidence) -> bool:
    """Whether ranks are past their meeting, a release may be that does not say so, or they failed.

    Ranks that failed do not wait in silence: other checks tell of what the log says.
    """
    logs = [x for p in evidence.pods if isinstance(x := evidence.look(p).vllm, VllmLog)]
    if any(_OLD.match(x.version or "") or any(f.fatal for f in x.failures) for x in logs):
        return True
    if any(f.fatal for f in present(evidence, group_of(evidence).log.failures)):
        return True
    cached = any(x.kv_cache is not None for x in logs)
    complete = any(
        r.state == "complete" for c in group_of(evidence).log.communicators for r in c.ranks
    )
    weighed = any(weights_by_pod(evidence).values())
    return cached or complete or weighed or has_started(evidence)
