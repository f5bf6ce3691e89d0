"""From a TARGET as users type it to the object that it means, and its pods."""

import re
from collections.abc import Iterator

from msgspec import Struct

from distcheck.agent.cluster.api import Object
from distcheck.agent.cluster.errors import Ambiguous, ClusterError, NotFound, Refused, Unreachable
from distcheck.agent.cluster.finding.members import pods_of
from distcheck.agent.cluster.finding.namespace import Namespace
from distcheck.agent.cluster.kinds import POD, SERVICE, WORKLOADS, Kind, named_kind
from distcheck.checks.evidence import Target

_ORDINAL = re.compile(r"-\d+\Z")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?\Z")
_LISTED = 12


class Resolved(Struct, frozen=True):
    """What a TARGET was understood as, and its pods, dead ones too; there may be none."""

    target: Target
    kind: Kind
    found: Object
    pods: tuple[Object, ...]


class TargetError(ClusterError):
    """The TARGET is not like `NAME` or `KIND/NAME`."""


def resolve(look: Namespace, text: str) -> Resolved:
    """The object that TARGET means; what was chosen is said in `target.chosen`.

    A bare NAME is tried as pod, as workload, without its `-<ordinal>`, then as Service.

    Raises:
        TargetError: not of the form NAME or KIND/NAME.
        NotFound: there is nothing of that name.
        Ambiguous: several objects fit.
        Refused, Unreachable: the API server did not answer.
    """
    kind, name = parse(text)
    if kind is None:
        return _bare(look, name)
    found = look.get(kind, name)
    if found is None:
        raise NotFound(_nothing(look, f"{kind.short}/{name}", name))
    return _resolved(look, kind, found, "")


def parse(text: str) -> tuple[Kind | None, str]:
    """(kind or None, name); raises `TargetError`."""
    word, slash, name = text.rpartition("/")
    kind = named_kind(word) if slash else None
    if slash and kind is None:
        raise TargetError(f"{text!r}: {word!r} is no kind that can be verified")
    if not _NAME.match(name):
        raise TargetError(f"{text!r}: {name!r} is no Kubernetes name")
    return kind, name


def _resolved(look: Namespace, kind: Kind, found: Object, why: str) -> Resolved:
    name = found["metadata"]["name"]
    chosen = f"{kind.short}/{name}" + (f" ({why})" if why else "")
    target = Target(look.name, kind.kind, name, chosen)
    return Resolved(target, kind, found, tuple(pods_of(look, kind, found)))


def _bare(look: Namespace, name: str) -> Resolved:
    pod = look.get(POD, name)
    if pod is not None:
        return _resolved(look, POD, pod, "")
    refusals: list[Refused | Unreachable] = []
    for kinds, one in _tries(name):
        found = _among(look, kinds, one, refusals)
        if found is not None:
            return _resolved(look, *found, f"there is no pod {name}")
    raise refusals[0] if refusals else NotFound(_nothing(look, name, name))


def _tries(name: str) -> Iterator[tuple[tuple[Kind, ...], str]]:
    yield WORKLOADS, name
    without = _ORDINAL.sub("", name)
    if without != name:
        yield WORKLOADS, without
    yield (SERVICE,), name


def _among(
    look: Namespace, kinds: tuple[Kind, ...], name: str, refusals: list[Refused | Unreachable]
) -> tuple[Kind, Object] | None:
    found = []
    for kind in kinds:
        try:
            one = look.get(kind, name)
        except (Refused, Unreachable) as error:
            refusals.append(error)
            if isinstance(error, Unreachable):
                look.note(f"{kind.short}/{name} could not be read: {error}")
            continue
        if one is not None:
            found.append((kind, one))
    tops = [(k, o) for k, o in found if not _owned_by_another(o, found)]
    if len(tops) > 1:
        raise Ambiguous(f"several things are called {name}", (f"{k.short}/{name}" for k, _ in tops))
    return tops[0] if tops else None


def _owned_by_another(obj: Object, found: list[tuple[Kind, Object]]) -> bool:
    owners = {o.get("uid") for o in obj["metadata"].get("ownerReferences") or ()}
    return any(o["metadata"].get("uid") in owners for _, o in found if o is not obj)


def _nothing(look: Namespace, called: str, name: str) -> str:
    """What to say when nothing fits, with the names that are there, the likely ones first."""
    stem = _ORDINAL.sub("", name)
    pods = [str(p["metadata"]["name"]) for p in look.pods()]
    names = sorted(pods, key=lambda p: (stem not in p, p))[:_LISTED]
    there = f"its pods are {', '.join(names)}" if names else "it has no pods"
    return f"nothing in namespace {look.name} is called {called}; {there}"
