"""The command line of an InferenceService, as far as its arguments tell it."""

from collections.abc import Iterator, Sequence
from typing import Any

from distcheck.agent.manifests.others import MODELS
from distcheck.checks.manifest.bundle import Thing
from distcheck.checks.manifest.place import Place
from distcheck.pattern import pattern

_VLLM = pattern(r"(?i)vllm|hugging[-_]?face")
_MOUNTED = "/mnt/models"
_MODEL = ("--model_id", "--model-id")


def stored(words: Sequence[tuple[Any, Place]], uri: Place) -> Iterator[tuple[Any, Place]]:
    """What KServe puts at /mnt/models is told by its name where that is one of Hugging Face's."""
    name = uri.text().removeprefix("hf://")
    for word, place in words:
        flag, equal, value = str(word).rpartition("=")
        mounted = value == _MOUNTED and name != uri.text()
        yield (f"{flag}{equal}{name}", uri) if mounted else (word, place)


def is_hugging_face(container: Place) -> bool:
    """Whether it is KServe's own server, which hands on to vLLM what is not its own."""
    return "huggingfaceserver" in container.text("image") and not container.at("command")


def is_vllm(model: Place) -> bool:
    """Whether the runtime that is not in the input surely hands its arguments to vLLM."""
    names = (model.text("modelFormat", "name"), model.text("runtime"))
    told = [str(w.value) for w in model.each("args")]
    sized = any(w.lstrip("-").replace("_", "-").startswith("tensor-parallel-size") for w in told)
    return sized and any(_VLLM.search(n) for n in names)


def served(words: Sequence[tuple[Any, Place]]) -> Iterator[tuple[Any, Place]]:
    """The Hugging Face server calls `--model_id` what vLLM calls `--model`."""
    for word, place in words:
        flag, equal, value = str(word).partition("=")
        yield (f"--model{equal}{value}" if flag in _MODEL else word), place


def unseen_runtime(thing: Thing, rest: str) -> str:
    """Why an InferenceService of an LLM, whose runtime is not in the input, is not judged whole.

    `rest` is what comes to its pods. Empty where it may be no LLM: KServe serves small models, too.
    """
    predictor = thing.place.at("spec", "predictor")
    model = next((predictor.at(n) for n in MODELS if predictor.at(n)), predictor.at("model"))
    name, form = model.text("runtime"), model.text("modelFormat", "name")
    several = bool(predictor.at("workerSpec"))
    unseen = bool(model) and rest == rest_of(model, model.at("no runtime"))
    if not unseen or not (several or any(_VLLM.search(n) for n in (name, form))):
        return ""
    which = f"runtime {name}" if name else f"the runtime that KServe picks for {form or 'it'}"
    return f"{thing.what}: {which} is not in the input, so its sizes are not judged"


def rest_of(model: Place, runtime: Place) -> str:
    """What the spec of a runtime, None where it is not in the input, leaves open of the pod."""
    if runtime:
        own = any(is_hugging_face(c) for c in runtime.each("containers"))
        return "what the Hugging Face server makes of its arguments" if own else ""
    name = model.text("runtime")
    return f"what ServingRuntime {name} adds" if name else "what the runtime adds that KServe picks"
