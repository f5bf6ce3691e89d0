"""How a change that pods do not show yet is recognised, and told."""

from collections.abc import Iterable, Iterator, Sequence

from distcheck.agent import clock
from distcheck.agent.cluster.api import Object
from distcheck.agent.cluster.finding.members import labels_of
from distcheck.agent.cluster.finding.roster import Owner, name_of
from distcheck.agent.cluster.troubles.pod_state import status_of
from distcheck.checks.evidence import Rollout
from distcheck.checks.facts.age import seconds

_MOST = 4


def behind(owner: Owner, workload: Object, pods: Iterable[Object]) -> Iterator[Rollout]:
    """Where the controller has not acted on the last change: no pod shows it."""
    asked = workload["metadata"].get("generation")
    acted = status_of(workload).get("observedGeneration")
    if type(asked) is int and type(acted) is int and acted < asked:
        yield rollout(owner, "its controller has not acted on the last change yet", pods)


def is_old(pod: Object, label: str, newest: object) -> bool:
    """Whether its label of a revision is there, and not the `newest`."""
    revision = labels_of(pod).get(label)
    return bool(newest and revision and revision != newest)


def ago(stamp: str | None) -> int | None:
    """Seconds since `stamp`, negative where it lies ahead; None where it is no time."""
    then, now = seconds(stamp), seconds(clock.now())
    return None if then is None or now is None else now - then


def rollout(owner: Owner, why: str, pods: Iterable[Object] = ()) -> Rollout:
    """One for each workload; `pods` are those of before."""
    says = f"a rollout of {owner} runs: {why}"
    return Rollout(str(owner), says, tuple(name_of(p) for p in pods))


def names(pods: Sequence[Object]) -> str:
    """`a and b are`, for a sentence to go on."""
    every = [name_of(p) for p in pods]
    more = [f"{len(every) - _MOST} more"] if len(every) > _MOST else []
    return f"{', '.join([*every[:_MOST], *more])} {'is' if len(every) == 1 else 'are'}"
