"""Whether one pod serves a whole copy of its model."""

from collections.abc import Sequence

from distcheck.agent.cluster.finding.links import ends_of
from distcheck.agent.cluster.intent.beside import Beside
from distcheck.agent.cluster.intent.declared import declared_intent
from distcheck.agent.cluster.intent.environ import ConfigMaps
from distcheck.agent.cluster.intent.scripts import command_text
from distcheck.agent.cluster.podspec import Object, containers, gpus_of
from distcheck.pattern import pattern

_NO_MAPS: ConfigMaps = {}
_SHARES = pattern(
    r"--(?:headless|nnodes|node[-_]rank|dp[-_]rank|data[-_]parallel[-_](?:rank|start))"
)


def alone(pods: Sequence[Object]) -> str:
    """What is said of a group of one; one that should have others has none that join it."""
    whole = is_whole(pods[0])
    if whole is None:
        return "of one workload"
    return "that serves a whole copy on its own" if whole else "that nobody joins"


def is_whole(pod: Object, maps: ConfigMaps = _NO_MAPS) -> bool | None:
    """Whether one pod has the GPUs of a whole world; None where its spec and `maps` do not say."""
    intent = declared_intent([pod], Beside(maps))
    if intent.tp is None:
        return None
    gpus = sum(gpus_of(c) for c in containers(pod))
    return intent.tp * (intent.pp or 1) <= gpus if gpus else _needs_nobody(pod)


def _needs_nobody(pod: Object) -> bool:
    """Whether `pod` starts a whole server: none that joins, waits for others or is headless."""
    words = [w for c in containers(pod) for w in command_text(c).split()]
    ends = ends_of(pod)
    return not (ends.joined or ends.is_head or any(_SHARES.match(w) for w in words))
