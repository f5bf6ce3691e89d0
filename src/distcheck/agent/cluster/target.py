"""From a TARGET as users type it to the pods that it means."""

import re

from msgspec import Struct

from distcheck.agent.cluster.api import Api, Object
from distcheck.agent.cluster.errors import Ambiguous, ClusterError, NotFound, Refused
from distcheck.agent.cluster.kinds import POD, SERVICE, WORKLOADS, Kind, named_kind
from distcheck.agent.cluster.members import pods_of
from distcheck.checks.evidence import Target

_ORDINAL = re.compile(r"-\d+\Z")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?\Z")


class Resolved(Struct, frozen=True):
    """What a TARGET was understood as, and the pods that belong to it directly."""

    target: Target
    pods: tuple[Object, ...]


class TargetError(ClusterError):
    """The TARGET is not like `NAME` or `KIND/NAME`."""


def resolve(api: Api, namespace: str, text: str) -> Resolved:
    """The object that TARGET means; what was chosen is said in `target.chosen`.

    A bare NAME is tried as pod, as workload, without its `-<ordinal>`, then as Service.

    Raises:
        TargetError: not of the form NAME or KIND/NAME.
        NotFound: nothing of that name has pods.
        Ambiguous: several objects fit.
        Refused, Unreachable: the API server did not answer.
    """
    kind, name = parse(text)
    if kind is not None:
        return _exact(api, namespace, kind, name, "")
    return _bare(api, namespace, name)


def parse(text: str) -> tuple[Kind | None, str]:
    """(kind or None, name); raises `TargetError`."""
    word, slash, name = text.rpartition("/")
    kind = named_kind(word) if slash else None
    if slash and kind is None:
        raise TargetError(f"{text!r}: {word!r} is no kind that can be verified")
    if not _NAME.match(name):
        raise TargetError(f"{text!r}: {name!r} is no Kubernetes name")
    return kind, name


def _exact(api: Api, namespace: str, kind: Kind, name: str, why: str) -> Resolved:
    found = api.get(kind.path(namespace, name))
    return _resolved(api, namespace, kind, found, why)


def _resolved(api: Api, namespace: str, kind: Kind, found: Object, why: str) -> Resolved:
    name = found["metadata"]["name"]
    pods = tuple(pods_of(api, namespace, kind, found))
    if not pods:
        raise NotFound(f"{kind.short}/{name} in namespace {namespace} has no pods")
    chosen = f"{kind.short}/{name}" + (f" ({why})" if why else "")
    return Resolved(Target(namespace, kind.kind, name, chosen), pods)


def _bare(api: Api, namespace: str, name: str) -> Resolved:
    try:
        return _exact(api, namespace, POD, name, "")
    except NotFound:
        refusals: list[Refused] = []
    without = _ORDINAL.sub("", name)
    for kinds, one in ((WORKLOADS, name), (WORKLOADS, without), ((SERVICE,), name)):
        found = _among(api, namespace, kinds, one, refusals)
        if found is not None:
            return _resolved(api, namespace, *found, f"there is no pod {name}")
    raise refusals[0] if refusals else NotFound(_nothing(api, namespace, name))


def _among(
    api: Api, namespace: str, kinds: tuple[Kind, ...], name: str, refusals: list[Refused]
) -> tuple[Kind, Object] | None:
    found = []
    for kind in kinds:
        try:
            found.append((kind, api.get(kind.path(namespace, name))))
        except NotFound:
            continue
        except Refused as refusal:
            refusals.append(refusal)
    tops = [(k, o) for k, o in found if not _owned_by_another(o, found)]
    if len(tops) > 1:
        raise Ambiguous(f"several things are called {name}", (f"{k.short}/{name}" for k, _ in tops))
    return tops[0] if tops else None


def _owned_by_another(obj: Object, found: list[tuple[Kind, Object]]) -> bool:
    owners = {o.get("uid") for o in obj["metadata"].get("ownerReferences") or ()}
    return any(o["metadata"].get("uid") in owners for _, o in found if o is not obj)


def _nothing(api: Api, namespace: str, name: str) -> str:
    """What to say when nothing fits, with the names that there are."""
    pods = api.items(POD.path(namespace))
    names = sorted(p["metadata"]["name"] for p in pods)[:12]
    there = f"its pods are {', '.join(names)}" if names else "it has no pods"
    return f"nothing in namespace {namespace} is called {name}; {there}"
