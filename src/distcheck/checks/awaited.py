"""Whether time may still change a verdict, and what there is to wait for."""

from collections.abc import Iterator

from distcheck.checks.report import Finding, Report

MENDED_BY_TIME = frozenset(
    {
        *("gcs_unreachable", "name_unresolved", "node_gpu_short", "node_missing", "pg_pending"),
        *("rendezvous_waits", "no_endpoints", "pod_missing", "terminating", "node_draining"),
        *("pod_unschedulable", "volume_not_bound"),
    }
)
"""Causes of a failure that a group which is still starting gets over by itself.

A pod without a node or a volume is among them: pods of before still hold both, and an
autoscaler takes minutes.
"""

TRIED_AGAIN = {
    **dict.fromkeys(("filtered", "rejected"), 30.0),
    **dict.fromkeys(("image_not_pulled", "config_missing", "container_not_started"), 60.0),
    **dict.fromkeys(("sandbox_failed", "admission_refused", "evicted", "raylet_unreachable"), 60.0),
    **dict.fromkeys(("node_dead", "unexpected_node", "gcs_restarted", "rank_missing"), 60.0),
    **dict.fromkeys(("crash_loop", "pod_failed", "no_listener", "worker_not_ready"), 120.0),
    **dict.fromkeys(("workers_short", "gpu_memory_taken", "placement_group_timeout"), 120.0),
    **dict.fromkeys(("too_few_gpus", "worker_died", "ray_actor_died", "peer-closed"), 120.0),
    **dict.fromkeys(("bootstrap-connect", "nccl-remote-error", "collective_timeout"), 120.0),
    "node_lost": 360.0,
}
"""Causes that somebody tries again, and for how many seconds on end each is waited for.

The kubelet pulls an image, mounts a Secret and starts a container again, with pauses of 10 s
that double: two minutes without a try are a container that has crashed five times. A worker
that finds no head yet does so a few times. A node's pods are moved after five minutes. The
rules of a network come after its pods.
"""

_STARTING = frozenset({"not_ready", "starting", "waiting_for_head", "engine_starting"})
"""Causes of a warning or an unknown that say that the start is not over."""

_OF_PODS = "GROUP001"
Held = dict[tuple[str, str | None], float]
"""Since when (seconds) a check has failed for the same cause."""


def awaited(report: Report, held: Held, now: float) -> str:
    """What there is to wait for; empty where waiting longer cannot change the verdict.

    A rollout is waited out whatever the pods of before show. `held` is brought up to `now`.
    """
    failing = [f for f in report.checks if f.outcome == "fail"]
    since = {(f.id, f.cause): held.get((f.id, f.cause), now) for f in failing}
    held.clear()
    held.update(since)
    old = {pod for r in report.rollouts for pod in r.pods}
    if any(_stays(f, now - since[f.id, f.cause]) and _is_of_now(f, old) for f in failing):
        return ""
    return next(_reasons(report), "")


def _reasons(report: Report) -> Iterator[str]:
    yield from (r.says for r in report.rollouts)
    if report.verdict in ("fail", "unknown"):
        yield f"{report.verdict}: {report.summary}"
    yield starting(report)


def starting(report: Report) -> str:
    """What says that the group's start is not over; empty where nothing does."""
    late = (f for f in report.checks if f.outcome in ("warn", "unknown") and f.cause in _STARTING)
    return next((f"{f.id}: {f.says}" for f in late), "")


def _stays(finding: Finding, seconds: float) -> bool:
    """Whether time cannot mend this failure, which has been the same for so long."""
    if finding.cause in MENDED_BY_TIME:
        return False
    return seconds >= TRIED_AGAIN.get(finding.cause or "", 0.0)


def _is_of_now(finding: Finding, old: set[str]) -> bool:
    """Whether it is a failure of what was asked for last: pods of before prove nothing of it."""
    if not old:
        return True
    return finding.id == _OF_PODS and bool(finding.subjects) and not old & {*finding.subjects}
