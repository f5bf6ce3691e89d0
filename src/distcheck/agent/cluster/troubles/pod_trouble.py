"""Why one pod does not run: the first reason, from its node down to what its containers do."""

from collections.abc import Callable, Iterator

from msgspec import Struct

from distcheck.agent.cluster.api import Object
from distcheck.agent.cluster.finding.roster import name_of
from distcheck.agent.cluster.podspec import engine_container
from distcheck.agent.cluster.troubles.pod_ends import crashed, ended_pod, gone_pod
from distcheck.agent.cluster.troubles.pod_state import condition, containers_of, status_of
from distcheck.agent.cluster.troubles.previous import PreviousLog
from distcheck.agent.cluster.troubles.reasons import (
    explained,
    of_event,
    of_scheduler,
    of_waiting,
    short,
)
from distcheck.agent.cluster.troubles.warnings import Warnings
from distcheck.checks.evidence import Trouble

_CREATING = ("FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedCreatePodSandBox")
_HEAD_WAITS = ("wait-gcs-ready",)


class Readings(Struct, frozen=True):
    """What stands beside a pod's status: warnings, and logs of containers that ended."""

    warnings: Warnings
    log: PreviousLog


def trouble_of(readings: Readings, pod: Object) -> Trouble | None:
    """Why `pod` does not run; None where it does."""
    return next((t for step in _STEPS for t in step(readings, pod)), None)


def _deleted(_readings: Readings, pod: Object) -> Iterator[Trouble]:
    if pod["metadata"].get("deletionTimestamp"):
        yield gone_pod(name_of(pod), pod)


def _unscheduled(readings: Readings, pod: Object) -> Iterator[Trouble]:
    if (pod.get("spec") or {}).get("nodeName") or status_of(pod).get("phase") not in (
        None,
        "Pending",
    ):
        return
    name, said = name_of(pod), condition(pod, "PodScheduled")
    if said.get("reason") == "SchedulingGated":
        gates = ", ".join(
            g.get("name", "") for g in (pod.get("spec") or {}).get("schedulingGates") or ()
        )
        says = f"it is not scheduled: held back by the scheduling gates {gates}"
        yield _told(name, "pod_unschedulable", says, said)
    elif said.get("status") == "False":
        message = short(str(said.get("message") or said.get("reason") or ""))
        cause = of_scheduler(message)
        claim = _claim(readings, pod) if cause == "volume_not_bound" else ""
        yield _told(name, cause, f"no node fits: {message}{claim}", said)
    elif warned := readings.warnings.of_pod(pod, ["FailedScheduling"]):
        says = f"no node fits: {warned.says}"
        yield Trouble(name, of_scheduler(warned.says), says, warned.source, warned.seen_at)
    else:
        scheduler = (pod.get("spec") or {}).get("schedulerName") or "default-scheduler"
        says = f"no scheduler ({scheduler}) has spoken of it yet"
        yield Trouble(name, "starting", says, f"status of {name}")


def _claim(readings: Readings, pod: Object) -> str:
    """What was said last of a claim of this pod, such as that no volume can be made."""
    volumes = (pod.get("spec") or {}).get("volumes") or ()
    for name in (str((v.get("persistentVolumeClaim") or {}).get("claimName")) for v in volumes):
        warned = readings.warnings.latest("PersistentVolumeClaim", name)
        if warned is not None:
            return f" Claim {name}: {warned.says}"
    return ""


def _told(pod: str, cause: str, says: str, said: Object) -> Trouble:
    source = f"condition {said.get('type')} of {pod}"
    return Trouble(pod, cause, says, source, said.get("lastTransitionTime"))


def _failed(_readings: Readings, pod: Object) -> Iterator[Trouble]:
    status, name = status_of(pod), name_of(pod)
    if status.get("phase") == "Unknown":
        says = "its node no longer reports it"
        yield Trouble(name, "node_lost", says, f"status of {name}")
    final = status.get("phase") == "Failed" and status.get("reason")
    if final or status.get("phase") == "Succeeded":
        yield ended_pod(name, name, status)


def _refused_by_state(readings: Readings, pod: Object) -> Iterator[Trouble]:
    """A container that waits for something that it will not get by itself."""
    name = name_of(pod)
    for one in containers_of(pod):
        reason, message = (
            str(one.waiting.get("reason") or ""),
            str(one.waiting.get("message") or ""),
        )
        cause = of_waiting(reason, message)
        if cause == "crash_loop":
            yield crashed(readings.log, name, one)
        elif cause:
            words = ": ".join(filter(None, (reason, short(message))))
            says = f"container {one.name} does not start: {words}"
            yield Trouble(name, cause, says, f"state of container {one.name} of {name}")


def _not_again(readings: Readings, pod: Object) -> Iterator[Trouble]:
    """A container that has ended and waits to be started again, or will not be."""
    for one in containers_of(pod):
        is_engine = one.name == engine_container(pod).get("name")
        if one.ended and (is_engine or one.ended.get("exitCode")):
            yield crashed(readings.log, name_of(pod), one)


def _initialising(_readings: Readings, pod: Object) -> Iterator[Trouble]:
    name = name_of(pod)
    for one in containers_of(pod):
        if not one.is_init or not one.running or _is_sidecar(pod, one.name):
            continue
        source, at = f"state of init container {one.name} of {name}", one.running.get("startedAt")
        if one.name in _HEAD_WAITS:
            says = f"init container {one.name} waits until Ray's head answers"
            yield Trouble(name, "waiting_for_head", says, source, at)
        else:
            yield Trouble(name, "starting", f"init container {one.name} still runs", source, at)


def _is_sidecar(pod: Object, name: str) -> bool:
    inits = (pod.get("spec") or {}).get("initContainers") or ()
    return any(c.get("name") == name and c.get("restartPolicy") == "Always" for c in inits)


def _creating(readings: Readings, pod: Object) -> Iterator[Trouble]:
    """On a node, and not all containers run: what the kubelet complains of, else only time."""
    name = name_of(pod)
    waits = [one for one in containers_of(pod) if one.waiting]
    if status_of(pod).get("phase") != "Pending" and not waits:
        return
    warned = readings.warnings.of_pod(pod, _CREATING)
    cause = of_event(warned.reason, warned.says) if warned else None
    if warned and cause:
        yield Trouble(name, cause, explained(warned.says), warned.source, warned.seen_at)
    reason = next((str(o.waiting.get("reason") or "") for o in waits if not o.is_init), "")
    says = f"it is being created ({reason or 'its containers have no state yet'})"
    yield Trouble(name, "starting", says, f"status of {name}")


_STEPS: tuple[Callable[[Readings, Object], Iterator[Trouble]], ...] = (
    _deleted,
    _unscheduled,
    _failed,
    _refused_by_state,
    _not_again,
    _initialising,
    _creating,
)
"""From what keeps a pod from a node to what its containers do; the first that applies is told."""
