"""What an object is: fragments and Helm values, which do not say it, are told by their keys."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

NIM_VALUES = "NIM Helm values"
CONTAINER = "container"
_SIGNS: tuple[tuple[str, frozenset[str]], ...] = (
    ("LeaderWorkerSet", frozenset({"leaderWorkerTemplate"})),
    ("RayCluster", frozenset({"headGroupSpec"})),
    ("RayCluster", frozenset({"workerGroupSpecs"})),
    ("RayService", frozenset({"rayClusterConfig", "serveConfigV2"})),
    ("RayJob", frozenset({"rayClusterSpec", "entrypoint"})),
    ("MPIJob", frozenset({"mpiReplicaSpecs"})),
    ("StatefulSet", frozenset({"serviceName", "template"})),
    ("Deployment", frozenset({"selector", "template"})),
    ("Job", frozenset({"template"})),
    ("Pod", frozenset({"containers"})),
    ("Service", frozenset({"ports", "selector"})),
)


class Unknown(Exception):  # noqa: N818 - an answer, not an error
    """Nothing tells what it is."""


class Known(Struct, frozen=True):
    """What an object is.

    A `fragment` does not say it all itself; of one that is only a `spec`, that key is missing.
    """

    kind: str
    fragment: bool = False
    bare_spec: bool = False


def kind_of(value: Mapping[str, Any]) -> Known:
    """Its kind.

    Raises:
        Unknown: nothing tells what it is.
    """
    named = value.get("kind")
    if isinstance(named, str) and named:
        return Known(named, "apiVersion" not in value)
    spec = value.get("spec")
    if isinstance(spec, dict):
        return Known(_seems(spec), fragment=True)
    if _is_nim_values(value):
        return Known(NIM_VALUES)
    if isinstance(value.get("image"), str) and isinstance(value.get("name"), str):
        return Known(CONTAINER, fragment=True)
    return Known(_seems(value), fragment=True, bare_spec=True)


def _seems(spec: Mapping[str, Any]) -> str:
    for kind, signs in _SIGNS:
        if signs <= spec.keys():
            return kind
    raise Unknown


def _is_nim_values(value: Mapping[str, Any]) -> bool:
    """Values of the chart nim-llm: an image of NIM, or multiNode beside a model."""
    image, model = value.get("image"), value.get("model")
    repository = image.get("repository") if isinstance(image, dict) else None
    nim = isinstance(repository, str) and "/nim/" in repository
    return nim or (isinstance(value.get("multiNode"), dict) and isinstance(model, dict))
