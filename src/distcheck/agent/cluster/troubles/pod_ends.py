"""Pods and containers that have ended, and what they leave behind as a reason."""

from distcheck.agent.cluster.api import Object
from distcheck.agent.cluster.finding.roster import name_of
from distcheck.agent.cluster.troubles.pod_state import ContainerState, status_of
from distcheck.agent.cluster.troubles.previous import PreviousLog
from distcheck.agent.cluster.troubles.reasons import last_words, of_end, refusal, short
from distcheck.checks.evidence import Trouble


def gone_pod(absent: str, pod: Object) -> Trouble:
    """A pod that is being deleted or has ended, as the reason why `absent` is not there."""
    meta, status, name = pod["metadata"], status_of(pod), name_of(pod)
    deleted = meta.get("deletionTimestamp")
    if deleted:
        says = f"{name} is being deleted, and nothing has replaced it yet"
        return Trouble(absent, "terminating", says, f"metadata of {name}", deleted)
    return ended_pod(absent, name, status)


def ended_pod(pod: str, name: str, status: Object) -> Trouble:
    """A pod whose phase is final, by its reason."""
    reason = str(status.get("reason") or "")
    words = ": ".join(filter(None, (reason, short(str(status.get("message") or "")))))
    says = f"{name} is {status.get('phase')}" + (f" ({words})" if words else "")
    return Trouble(pod, of_end(reason), says, f"status of {name}")


def crashed(log: PreviousLog, pod: str, one: ContainerState) -> Trouble:
    """A container that ended: for memory, for a model that is refused, or by its last words."""
    end = one.failure
    reason, code = str(end.get("reason") or ""), end.get("exitCode")
    source, at = f"last state of container {one.name} of {pod}", end.get("finishedAt")
    ended = f"container {one.name} ended with exit code {code} ({reason or 'no reason given'})"
    again = f"{ended}, {one.restarts} restarts so far"
    if reason == "OOMKilled":
        says = f"container {one.name} was killed for memory (OOMKilled), {one.restarts} restarts"
        return Trouble(pod, "out_of_memory", says, source, at)
    said = str(end.get("message") or "")
    before = log(pod, one.name) if one.before else ""
    for words, where in ((said, source), (before, f"previous log of {pod}")):
        if line := refusal(words):
            says = f"{again}: the model may not be downloaded: {line}"
            return Trouble(pod, "model_refused", says, where, at)
    last = last_words(f"{said}\n{before}")
    return Trouble(pod, "crash_loop", f"{again}: {last}" if last else again, source, at)
