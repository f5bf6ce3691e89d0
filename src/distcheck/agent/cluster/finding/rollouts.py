"""Deployments in the middle of a rollout: pods of two templates at once."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from distcheck.agent.cluster.api import Object
from distcheck.agent.cluster.finding.members import labels_of
from distcheck.agent.cluster.finding.roster import Owner, name_of, owner_of

_HASH = "pod-template-hash"


class Rollouts(Struct, frozen=True):
    """The pods of one template for each Deployment, and a sentence for each that changes."""

    pods: tuple[Object, ...]
    says: Mapping[Owner, str]


def of_one_template(alive: Iterable[Object], asked: Sequence[Object] = ()) -> Rollouts:
    """`alive` without other templates' pods: those of `asked` count, else of the newest.

    Pods of one template carry the same `pod-template-hash` (Kubernetes, deployment
    controller).
    """
    alive = tuple(alive)
    chosen, says = dict[Owner, str](), dict[Owner, str]()
    for owner, templates in _templates(alive).items():
        if len(templates) < 2:
            continue
        wanted = next((_template(p) for p in asked if owner_of(p) == owner), None)
        newest = max(templates, key=lambda t: (max(map(_made, templates[t])), t))
        chosen[owner] = newest if wanted is None else wanted
        which = "the newest" if chosen[owner] == newest else "an older"
        others = sum(len(found) for t, found in templates.items() if t != chosen[owner])
        says[owner] = (f"a rollout of {owner} runs: pods of {which} template were taken, and "
                       f"{others} of another left out")  # fmt: skip
    kept = (p for p in alive if chosen.get(owner_of(p) or _NOBODY, _template(p)) == _template(p))
    return Rollouts(tuple(kept), says)


def without(pods: Iterable[Object], kept: Iterable[Object]) -> list[Object]:
    """Those of `pods` that are among `kept`."""
    names = {name_of(p) for p in kept}
    return [p for p in pods if name_of(p) in names]


_NOBODY = Owner("", "")


def _templates(alive: Iterable[Object]) -> dict[Owner, dict[str, list[Object]]]:
    found: dict[Owner, dict[str, list[Object]]] = defaultdict(lambda: defaultdict(list))
    for pod in alive:
        owner = owner_of(pod)
        if owner is not None and owner.kind == "Deployment":
            found[owner][_template(pod)].append(pod)
    return found


def _template(pod: Object) -> str:
    return labels_of(pod).get(_HASH, "")


def _made(pod: Object) -> str:
    return str(pod["metadata"].get("creationTimestamp") or "")
