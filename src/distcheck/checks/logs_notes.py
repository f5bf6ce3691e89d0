"""What weakens what logs prove: lines that are not there, or that cannot be trusted."""

from distcheck.checks.evidence.nccl import NcclLog
from distcheck.checks.knowledge import networks


def notes(log: NcclLog) -> tuple[str, ...]:
    """One sentence for each."""
    said = [f"left out: {d}" for d in log.dropped]
    if log.folded:
        said.append(
            f"Ray folded {log.folded} NCCL lines of other ranks away: ranks may be missing here;"
            " set RAY_DEDUP_LOGS=0 to see all"
        )
    if log.sheared:
        what = "line is" if log.sheared == 1 else "lines are"
        said.append(
            f"{log.sheared} of {log.lines} NCCL {what} mixed with another process's text,"
            " and not used"
        )
    if log.info and not log.start_seen and log.communicators:
        said.append(
            "the first NCCL lines of some ranks are not here (log rotated or cut):"
            " ranks and causes may be missing"
        )
    return (*said, *_copied(log))


def _copied(log: NcclLog) -> tuple[str, ...]:
    """Ranks of one host that reach each other through host memory: right, and slow."""
    local = [c for c in log.channels if c.scope == "intra_node"]
    copied = [c for c in local if networks.class_of(c.transport) == "shared-memory"]
    if not copied:
        return ()
    counts = (sum(c.count for c in copied), sum(c.count for c in local))
    part = f", on {counts[0]} of {counts[1]} channel lines" if len(copied) < len(local) else ""
    words = "within hosts: copies through host memory (SHM), not peer-to-peer"
    return (f"{words}{part}: NCCL005",)
