"""By which names the specs of a group's pods let them join each other."""

from collections.abc import Iterator, Mapping, Sequence

from distcheck.agent.cluster.api import Object
from distcheck.agent.cluster.finding.links import ends_of
from distcheck.agent.cluster.intent.environ import ConfigMaps, filled, variables
from distcheck.agent.cluster.podspec import engine_container
from distcheck.agent.joined import Joined
from distcheck.agent.rendezvous_names import by_environment, meeting_names, shown_way
from distcheck.checks.evidence.policy import NameWanted

_MOST = 4096


def names_wanted(pods: Sequence[Object], maps: ConfigMaps) -> tuple[NameWanted, ...]:
    """One for each name of each pod; a spec that cannot be understood names nothing."""
    return tuple(one for pod in pods for one in _of_pod(pod, maps))[:_MOST]


def _of_pod(pod: Object, maps: ConfigMaps) -> Iterator[NameWanted]:
    meta = pod["metadata"]
    key = f"{meta.get('namespace', '')}/{meta['name']}"
    try:
        found = tuple(_joined(pod, maps))
    except (AttributeError, KeyError, TypeError, ValueError):
        return
    for one in meeting_names(found):
        yield NameWanted(key, one.host, shown_way(one.way), one.port)


def _joined(pod: Object, maps: ConfigMaps) -> Iterator[Joined]:
    yield from ends_of(pod, maps).joined
    values: Mapping[str, str] = variables(pod, filled(pod, engine_container(pod), maps))
    yield from by_environment(values)
