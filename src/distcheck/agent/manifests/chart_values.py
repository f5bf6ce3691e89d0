"""Keys of NIM's Helm values that no template of the chart reads, where another one is meant."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from distcheck.checks.knowledge.spelling import nearest
from distcheck.checks.manifest.bundle import Flaw
from distcheck.checks.manifest.nim_chart import is_nim_1
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.stand_in import filled_later

_KNOWN: Mapping[tuple[str, ...], str] = {
    (): "affinity containerSecurityContext customCommand customArgs env"
    " extraVolumes extraVolumeMounts image imagePullSecrets initContainers healthPort nodeSelector"
    " podAnnotations podSecurityContext replicaCount resources serviceAccount"
    " statefulSet tolerations autoscaling ingress livenessProbe readinessProbe startupProbe"
    " metrics model persistence hostPath nfs service multiNode",
    ("image",): "repository pullPolicy tag",
    ("model",): "nimCache name ngcAPISecret ngcAPIKey openaiPort labels jsonLogging logLevel"
    " legacyCompat numGpus subPath modelStorePath hfTokenSecret profile",
    ("multiNode",): "clusterStartTimeout enabled workers leaderWorkerSet mpiJob gpusPerNode"
    " optimized tensorParallelSize pipelineParallelSize",
}
"""Chart nim-llm 1.1.2 (NVIDIA/nim-deploy), and what values and pages of NIM 2.x have besides."""
_BEGINNING = 8
"""So many letters that two names begin with are no chance."""


_TYPES: Mapping[str, tuple[tuple[type, ...], str]] = {
    "switch": ((bool,), "true or false"),
    "number": ((int, float), "a whole number"),
    "text": ((str,), "text"),
}
_SCHEMA: Mapping[str, str] = {
    "multiNode": "enabled:switch workers:number gpusPerNode:number clusterStartTimeout:number",
    "persistence": "enabled:switch accessMode:text existingClaim:text size:text",
    "model": "jsonLogging:switch openaiPort:number logLevel:text ngcAPISecret:text",
    "image": "repository:text tag:text pullPolicy:text",
}
"""values.schema.json of chart nim-llm 1.1.2: Helm refuses values of other types."""


def flaws_of_values(of: int, value: dict[str, Any]) -> Iterator[Flaw]:
    """Keys that the chart does not read, and values that its schema refuses."""
    yield from misread_values(of, value)
    root = Place(of, (), value)
    if is_nim_1(root):  # the schema of 2.x is not public
        for name, fields in _SCHEMA.items():
            yield from _mistyped(root.at(name), fields)


def _mistyped(held: Place, fields: str) -> Iterator[Flaw]:
    for field in fields.split():
        key, _, kind = field.partition(":")
        one, (types, words) = held.at(key), _TYPES[kind]
        if one and type(one.value) not in (*types, dict, list):
            says = f"{held.path[-1]}.{key} must be {words}, and is {_called(one.value)}"
            yield Flaw("type", one.spot, says, unseen=filled_later(one.value))


def _called(value: object) -> str:
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    return f"the text {value[:60]!r}" if isinstance(value, str) else f"the number {value}"


def misread_values(of: int, value: dict[str, Any]) -> Iterator[Flaw]:
    """A near miss alone: newer charts have more keys than are known here."""
    for path, names in _KNOWN.items():
        level = Place(of, (), value).at(*path)
        known = [n for n in names.split() if not level.at(n)]
        for name, held in level.fields():
            if name not in names.split() and (near := _meant(str(name), known)):
                says = f"the chart nim-llm has no value {'.'.join((*path, name))}"
                yield Flaw("unknown", held.key, says, near)


def _meant(name: str, known: Iterable[str]) -> str:
    begun = (k for k in known if name[:_BEGINNING] == k[:_BEGINNING] and len(name) >= _BEGINNING)
    return nearest(name, known) or next(begun, "")
