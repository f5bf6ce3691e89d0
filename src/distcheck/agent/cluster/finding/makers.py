"""What somebody wrote of the workloads that own pods: read, or why not."""

from collections.abc import Iterable, Iterator

from msgspec import Struct

from distcheck.agent.cluster.api import Object
from distcheck.agent.cluster.finding.members import controller_of, labels_of
from distcheck.agent.cluster.finding.namespace import Namespace
from distcheck.agent.cluster.finding.roster import Owner, owner_of
from distcheck.agent.cluster.kinds import DEPLOYMENT, ROLLOUT, Kind, named_kind

MOST = 64


class Makers(Struct, frozen=True):
    """The objects, each once, and why others are not among them."""

    objects: tuple[Object, ...] = ()
    lacks: tuple[str, ...] = ()


def makers_of(look: Namespace, owners: Iterable[Owner]) -> Makers:
    """The owners, or what has made them: a NIMService, not its Deployment; 64 at most.

    What a controller made of an object that may not be read nobody wrote: it is left out.
    """
    every = list(owners)
    found: dict[tuple[str, str], Object] = {}
    lacks: list[str] = []
    for owner in every[:MOST]:
        one = _top(look, owner)
        if isinstance(one, str):
            lacks.append(one)
        else:
            found.setdefault((one["kind"], one["metadata"]["name"]), one)
    if len(every) > MOST:
        lacks.append(f"of {len(every)} workloads only {MOST} were read")
    return Makers(tuple(found.values()), tuple(lacks))


def owners_of(pods: Iterable[Object]) -> Iterator[Owner]:
    """As `owner_of` of each, and a Rollout for its ReplicaSet, which it names as a Deployment does.

    Argo Rollouts, `DefaultRolloutUniqueLabelKey`.
    """
    for pod in pods:
        owner, tail = owner_of(pod), "-" + labels_of(pod).get("rollouts-pod-template-hash", "")
        if owner is None:
            continue
        rolls = owner.kind == "ReplicaSet" and len(tail) > 1 and owner.name.endswith(tail)
        yield Owner(ROLLOUT.kind, owner.name.removesuffix(tail)) if rolls else owner


def named(kind: Kind, found: Object) -> Object:
    """Items of a list do not say what they are."""
    api = kind.api.removeprefix("/apis/").removeprefix("/api/")
    return {**found, "apiVersion": api, "kind": kind.kind}


def _top(look: Namespace, owner: Owner) -> Object | str:
    """What somebody wrote, or why it could not be read."""
    one = _object(look, owner)
    if isinstance(one, str):
        return one
    maker = controller_of(one)
    if maker and _kind(str(maker.get("kind"))) is not None:
        one = _object(look, Owner(str(maker.get("kind")), str(maker.get("name"))))
    if not isinstance(one, str) and one["kind"] == ROLLOUT.kind:
        return _with_template(look, one)
    return one


def _with_template(look: Namespace, rollout: Object) -> Object | str:
    """A Rollout may have a Deployment's template (`workloadRef`), which it scales to 0."""
    spec = rollout.get("spec") or {}
    ref = spec.get("workloadRef") or {}
    if not ref or ref.get("kind") != DEPLOYMENT.kind:
        return rollout
    found = _object(look, Owner(DEPLOYMENT.kind, str(ref.get("name"))))
    if isinstance(found, str):
        return found
    return {**found, "spec": {**found["spec"], "replicas": spec.get("replicas", 1)}}


def _object(look: Namespace, owner: Owner) -> Object | str:
    kind = _kind(owner.kind)
    if kind is None:
        return f"{owner} makes the pods, and is of a kind that is not known here"
    found = look.seen(owner.kind, owner.name) or look.seek(kind, owner.name)
    return named(kind, found) if found else look.unseen(kind, owner.name)


def _kind(called: str) -> Kind | None:
    return ROLLOUT if called == ROLLOUT.kind else named_kind(called)
