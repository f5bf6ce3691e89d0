"""The objects beside one, by the names that they are called by."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from msgspec import Struct

from distcheck.checks.manifest.bundle import Thing

RUNTIMES = ("ServingRuntime", "ClusterServingRuntime")
CONFIG = "LLMInferenceServiceConfig"
MODELS = (
    "model", "huggingface", "triton", "pytorch", "tensorflow", "sklearn", "xgboost", "onnx", "pmml",
    "lightgbm", "paddle",
)  # fmt: skip
"""Fields of a predictor that hold a model and its container."""


class Others(Struct, frozen=True, dict=True):
    """All objects that are judged together."""

    things: Sequence[Thing] = ()

    @cached_property
    def named(self) -> Mapping[str, Sequence[Thing]]:
        """KServe's runtimes and configurations by name, those of a namespace first."""
        found: dict[str, list[Thing]] = defaultdict(list)
        for one in sorted(self.things, key=lambda t: t.kind == RUNTIMES[1]):
            if one.kind in (*RUNTIMES, CONFIG) and not one.patch:
                found[one.name].append(one)
        return found

    @cached_property
    def using(self) -> Mapping[str, Sequence[Thing]]:
        """The services that name a runtime, or are based on a configuration, by that name."""
        found: dict[str, list[Thing]] = defaultdict(list)
        for one in self.things:
            for name in dict.fromkeys(_named_by(one)):
                found[name].append(one)
        return found


def _named_by(thing: Thing) -> Iterator[str]:
    if thing.kind == "InferenceService":
        predictor = thing.place.at("spec", "predictor")
        yield from filter(None, (predictor.at(n).text("runtime") for n in MODELS))
    elif thing.kind == "LLMInferenceService":
        yield from (ref.text("name") for ref in thing.place.each("spec", "baseRefs"))
