"""The pods of the group as the API server shows them, beside those that there should be."""

from collections.abc import Iterator

from distcheck.checks.evidence import Cite, Evidence, Missing, Pod, Trouble
from distcheck.checks.facts.age import is_lately
from distcheck.checks.facts.fact import Fact

_UNTOLD = "this evidence does not say how many pods the group should have"


class GroupMembers(Fact, frozen=True, kw_only=True):
    """Every pod of the group that is there, and why others are not or do not run.

    `wanted` is how many pods the group should have.
    """

    pods: tuple[Pod, ...]
    wanted: int
    troubles: tuple[Trouble, ...]
    cites: tuple[Cite, ...]

    @property
    def running(self) -> tuple[Pod, ...]:
        """Pods whose phase is Running."""
        return tuple(p for p in self.pods if p.phase == "Running")

    @property
    def unready(self) -> tuple[Pod, ...]:
        """Pods that run, and whose probes say that they are not ready."""
        return tuple(p for p in self.running if not p.ready)

    @classmethod
    def fold(cls, evidence: Evidence) -> "GroupMembers | Missing":
        """From the pods' status, their owners' specs, and the troubles that were read.

        Missing where the API server told nothing of pods, or no node was looked at and nothing
        is known to be wrong: a pod's status outlives its node by minutes.
        """
        if not evidence.pods and not evidence.troubles:
            return Missing("no pod of this group is known from the Kubernetes API")
        if not evidence.nodes and not evidence.troubles:
            return Missing("no node of this group was looked at")
        target = evidence.target
        return cls(
            pods=evidence.pods,
            wanted=len(evidence.pods) if target.size is None else target.size,
            troubles=(*evidence.troubles, *_restarted(evidence)),
            cites=(*_cites(evidence), *_counted(evidence)),
            gaps=tuple(_gaps(evidence)),
        )


def _restarted(evidence: Evidence) -> Iterator[Trouble]:
    """Pods that had been started again just before they were looked at: they may end again."""
    told = {t.pod for t in evidence.troubles}
    for pod in (p for p in evidence.pods if p.restarts and p.name not in told):
        if is_lately(pod.started_at, evidence.observed_at):
            says = (f"it was started again at {pod.started_at}, {pod.restarts} restarts so far: "
                    "less than 10 minutes before it was looked at")  # fmt: skip
            yield Trouble(pod.name, "pod_restarted", says, f"status of {pod.name}", pod.started_at)


def _cites(evidence: Evidence) -> Iterator[Cite]:
    for pod in evidence.pods:
        ready = "ready" if pod.ready else "not ready"
        what = f"{pod.name} is {pod.phase or 'in no phase'} and {ready}, {pod.restarts} restarts"
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name} status"
        yield Cite(what, path, evidence.observed_at)


def _counted(evidence: Evidence) -> Iterator[Cite]:
    target = evidence.target
    if target.size is not None:
        what = f"the group should have {target.size} pods"
        yield Cite(what, target.size_from, evidence.observed_at)


def _gaps(evidence: Evidence) -> Iterator[str]:
    target, count = evidence.target, len(evidence.pods)
    if target.size is None:
        yield target.size_from or _UNTOLD
    elif count < target.size and not evidence.troubles:
        yield f"{count} of {target.size} pods are in this evidence"
    yield from (f"the phase of {p.name}" for p in evidence.pods if not p.phase)
