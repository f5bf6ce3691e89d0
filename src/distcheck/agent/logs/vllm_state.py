"""What the vLLM reader holds between two lines, as a value that can be put away."""

import re

from msgspec import Struct
from msgspec.structs import replace

from distcheck.agent.logs.vllm_merge import concluded, join_ranks
from distcheck.checks.evidence.vllm import VllmLog

_RELEASE = re.compile(r"(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?")
_COMPLETE = (0, 9, 1)
"""The first release that is known to print every argument that is not default."""


class VllmState(Struct, frozen=True, omit_defaults=True):
    """Everything read so far from one log. Bounded; for `msgspec.msgpack`.

    `log` is as read, nothing concluded. `elided`: the engine printed the arguments that are
    not default. `headless`: this node serves nothing itself; `sized` is then the line by
    which a worker had its KV cache. `loading` is the model that the workers began to load.
    """

    log: VllmLog
    elided: bool = False
    headless: bool = False
    sized: str | None = None
    loading: str | None = None


def settled(state: VllmState) -> VllmLog:
    """Everything that the lines so far show.

    A node without API server says nothing once it serves: there the start is done when the
    worker's KV cache has its size.
    """
    log = _with_defaults(state.log) if state.elided else state.log
    if log.started is None and state.headless and state.sized is not None:
        log = replace(log, started=True, started_source=state.sized)
    return join_ranks(concluded(replace(log, model=log.model or state.loading)))


def _with_defaults(log: VllmLog) -> VllmLog:
    """`log` where the engine printed the arguments that are not default: others are 1.

    From 0.9.1 on; a build that calls itself older is not known to print every one.
    """
    found = _RELEASE.match(log.version or "")
    if found is None or tuple(int(n or 0) for n in found.groups()) < _COMPLETE:
        return log
    return replace(log, tp=log.tp or 1, pp=log.pp or 1)
