"""What the engine's own log lines show, distilled."""

from distcheck.checks.evidence.seen import Seen


class VllmLog(Seen, frozen=True, tag="vllm-log"):
    """Facts from the vLLM lines of one pod's logs."""

    lines: int = 0
