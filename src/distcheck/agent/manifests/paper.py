"""The manifests as a namespace of a cluster, for the code that finds groups in one."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from distcheck.agent.cluster.errors import NotFound
from distcheck.agent.cluster.finding.namespace import Namespace
from distcheck.agent.cluster.podspec import Object

if TYPE_CHECKING:
    from distcheck.agent.cluster.api import Query


class PaperApi:
    """Answers what an API server would answer whose objects are these."""

    def __init__(self, objects: Mapping[str, Sequence[Object]]) -> None:
        """`objects` by plural, such as `services`."""
        self._objects = objects

    def get(self, path: str, _query: "Query" = ()) -> Object:
        """The object of that path; raises `NotFound`."""
        plural, name = path.rsplit("/", 2)[-2:]
        for one in self._objects.get(plural, ()):
            if one["metadata"]["name"] == name:
                return one
        raise NotFound(f"{path} is not among the manifests")

    def items(self, path: str, _query: "Query" = ()) -> list[Object]:
        """All objects of a kind."""
        return list(self._objects.get(path.rpartition("/")[2], ()))


def paper(
    name: str, services: Iterable[Object], maps: Mapping[str, Mapping[str, str]]
) -> Namespace:
    """A namespace in which there is nothing but these Services and ConfigMaps."""
    held: list[Any] = [{"metadata": {"name": k}, "data": dict(v)} for k, v in maps.items()]
    api = PaperApi({"services": list(services), "configmaps": held})
    return Namespace(cast("Any", api), name)
