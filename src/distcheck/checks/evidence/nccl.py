"""What NCCL's own log lines show, distilled."""

from distcheck.checks.evidence.seen import Seen


class NcclLog(Seen, frozen=True, tag="nccl-log"):
    """Facts from the NCCL lines of one pod's logs."""

    lines: int = 0
