"""Who is of a serving group: the pods that are there, and those that should be."""

from collections.abc import Iterable

from msgspec import Struct

from distcheck.agent.cluster.finding.members import controller_of, labels_of
from distcheck.agent.cluster.kinds import short_of
from distcheck.agent.cluster.podspec import Object


class Owner(Struct, frozen=True):
    """What makes a pod: the object whose events and status tell why there is none."""

    kind: str
    name: str

    def __str__(self) -> str:
        """As a TARGET: `sts/vllm-worker`."""
        return f"{short_of(self.kind)}/{self.name}"


class Absent(Struct, frozen=True):
    """A pod that should be there and is not.

    `name` is the pod's own where that is known beforehand, else what it would be. `waits` says
    why nobody has made it yet, where the group's own rules say so; `late` that a rollout is on.
    """

    name: str
    owner: Owner
    gpus: int = 0
    waits: str = ""
    late: str = ""


class Size(Struct, frozen=True):
    """How many pods the group should have; None with the reason where nothing says it.

    `lacks` is whether a wrong name seems to keep members out of it.
    """

    pods: int | None
    source: str
    lacks: bool = False


class Roster(Struct, frozen=True):
    """The raw pods of a group by name, its leader, and what is not there.

    `dead` are pods of the same makers that are finished or being deleted. `how` says what
    ties the pods together.
    """

    leader: Object | None
    pods: tuple[Object, ...]
    how: str
    size: Size
    absent: tuple[Absent, ...] = ()
    dead: tuple[Object, ...] = ()

    @property
    def ordered(self) -> tuple[Object, ...]:
        """The leader first."""
        if self.leader is None:
            return self.pods
        return (self.leader, *(p for p in self.pods if p is not self.leader))


def owner_of(pod: Object) -> Owner | None:
    """What keeps this pod alive; for a Deployment's pod the Deployment, not its ReplicaSet.

    A Deployment names its ReplicaSet after itself and the `pod-template-hash` of its pods
    (Kubernetes, deployment controller).
    """
    reference = controller_of(pod)
    if not reference:
        return None
    kind, name = str(reference.get("kind")), str(reference.get("name"))
    tail = "-" + labels_of(pod).get("pod-template-hash", "")
    if kind == "ReplicaSet" and len(tail) > 1 and name.endswith(tail):
        return Owner("Deployment", name.removesuffix(tail))
    return Owner(kind, name)


def name_of(pod: Object) -> str:
    """The pod's name, unique in its namespace."""
    return str(pod["metadata"]["name"])


def choices(pods: Iterable[Object]) -> list[str]:
    """Pods as TARGETs."""
    return [f"pod/{name_of(p)}" for p in pods]
