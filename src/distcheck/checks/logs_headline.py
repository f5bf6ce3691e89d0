"""The headline of logs, and its badge: NCCL's verdict and the engine's failures as one."""

from distcheck.checks.logs_engine import VllmPart
from distcheck.checks.logs_failures import fatal_of
from distcheck.checks.logs_report import NcclPart
from distcheck.checks.logs_verdict import OUTCOMES
from distcheck.checks.verdict import Outcome

_OUTCOMES_OF_NCCL = ("failed", "socket")


def status(nccl: NcclPart, vllm: VllmPart) -> Outcome:
    """NCCL's verdict as an outcome; an engine that failed fails."""
    return "fail" if fatal_of(vllm) else OUTCOMES[nccl.verdict]


def engine_alone(nccl: NcclPart, vllm: VllmPart) -> bool:
    """The engine failed, and NCCL did not."""
    return bool(fatal_of(vllm)) and nccl.verdict not in _OUTCOMES_OF_NCCL


def headline(
    nccl: NcclPart, vllm: VllmPart, *, lines: int, is_text: bool = True, jobs: int = 1
) -> str:
    """The verdict in words: NCCL's, unless only the engine failed."""
    says = _says(nccl, vllm, lines=lines, is_text=is_text)
    if jobs > 1:
        says = f"{jobs} separate jobs are mixed here; {says}"
    return says[:1].upper() + says[1:] if says.split(" ", 1)[0].islower() else says


def _failed(vllm: VllmPart) -> str:
    first = fatal_of(vllm)[0]
    return f"{vllm.root.means} ({vllm.root.id})" if vllm.root else first.id


def _says(nccl: NcclPart, vllm: VllmPart, *, lines: int, is_text: bool) -> str:
    if engine_alone(nccl, vllm):
        spoke = nccl.lines or nccl.failures
        aside = nccl.summary.says if spoke else "there are no NCCL lines"
        return f"the engine failed: {_failed(vllm)}; {aside}"
    if not is_text:
        return "this is not a text log"
    return nccl.summary.says if lines else "there is nothing to read: no lines at all"
