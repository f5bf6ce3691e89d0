"""What specs and command lines ask for, and where each value was read."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import structs

from distcheck.agent.cluster.intent.beside import Beside
from distcheck.agent.cluster.intent.places import places
from distcheck.agent.cluster.intent.weighed import followed
from distcheck.agent.cluster.podspec import containers, gpus_of
from distcheck.checks.evidence import Conflict, Intent

Object = dict[str, Any]

_EXPECTED = ("tp", "pp", "dp", "gpus", "nodes")


def declared_intent(
    pods: Sequence[Object], beside: Beside | None = None, absent: Sequence[int] | None = None
) -> Intent:
    """What the specs of these raw pods (the leader first), and what is beside them, ask for.

    `absent` are the GPUs of each pod that should be there and is not. Where it is None,
    `gpus` and `nodes` count the pods that are there, whatever a size says.
    """
    beside = beside or Beside()
    intent = Intent()
    for asked in places(pods, beside):
        intent = followed(intent, asked)
    intent = _counted(intent if absent is not None else _as_seen(intent), pods, absent or ())
    return structs.replace(intent, unread=_still_unread(intent) | dict(beside.unread))


def _as_seen(intent: Intent) -> Intent:
    kept = {k: v for k, v in intent.sources.items() if k not in ("gpus", "nodes")}
    return structs.replace(intent, gpus=None, nodes=None, sources=kept)


def _still_unread(intent: Intent) -> dict[str, str]:
    """Without what another place told."""
    return {k: why for k, why in intent.unread.items() if getattr(intent, k, None) is None}


def _counted(intent: Intent, pods: Sequence[Object], absent: Sequence[int]) -> Intent:
    """With the GPUs of the pods that there are, and of those that should be there beside them."""
    here = [n for p in pods if (n := sum(gpus_of(c) for c in containers(p)))]
    each = [*here, *(n for n in absent if n)]
    if not each:
        return intent
    usual, sources = max(each, key=each.count), dict(intent.sources)
    missing = max((intent.nodes or 0) - len(each), 0)
    sources.setdefault("gpus", _counting(len(pods), len(each) - len(here) + missing))
    sources.setdefault("nodes", _counting(len(pods), len(each) - len(here)))
    alike = usual if len(set(here)) == 1 else None
    sources |= {"gpus_per_pod": _counting(len(pods), 0)} if alike else {}
    return structs.replace(
        intent,
        gpus=intent.gpus or sum(each) + missing * usual,
        nodes=intent.nodes or len(each),
        gpus_per_pod=alike,
        sources=sources,
    )


def _counting(pods: int, absent: int) -> str:
    counted = f"GPU limits of {pods} pods" if pods != 1 else "GPU limits of the pod"
    return f"{counted}, and of {absent} not there" if absent else counted


def with_expected(intent: Intent, expect: Mapping[str, int]) -> Intent:
    """`intent` with what the caller expects put over it; what runs otherwise stays a conflict."""
    changes = {k: v for k, v in expect.items() if k in _EXPECTED}
    told = [Conflict(k, str(getattr(intent, k)), intent.sources.get(k, "")) for k in changes]
    runs = [c for c in (*told, *intent.conflicts) if c.source.startswith("argv")]
    against = [
        structs.replace(c, running=True)
        for c in runs
        if c.name in changes and c.value != str(changes[c.name])
    ]
    kept = [c for c in intent.conflicts if c.name not in changes]
    agreed = {k: (*_alike(intent, k, v), "--expect") for k, v in changes.items()}
    return structs.replace(
        intent,
        **changes,
        sources=intent.sources | dict.fromkeys(changes, "--expect"),
        conflicts=tuple(dict.fromkeys((*kept, *against))),
        agreed=intent.agreed | agreed,
        unread={k: why for k, why in intent.unread.items() if k not in changes},
        assumed=tuple(a for a in intent.assumed if a not in changes),
    )


def _alike(intent: Intent, name: str, value: int) -> tuple[str, ...]:
    """The places that say what the caller expects."""
    if getattr(intent, name) == value:
        return intent.agreed.get(name) or tuple(filter(None, (intent.sources.get(name),)))
    told = (c for c in intent.conflicts if c.name == name and c.value == str(value))
    return tuple(dict.fromkeys(c.source for c in told))
