"""CONF016: a longer context than the model has."""

from collections.abc import Iterator

from distcheck.checks.knowledge.model_lengths import length_of
from distcheck.checks.knowledge.publishers import may_differ
from distcheck.checks.manifest.container import Asks, Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.flags import given
from distcheck.checks.manifest.listening import is_loose
from distcheck.checks.manifest.place import Spot
from distcheck.checks.manifest.ray_serve import models
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.server_words import server_words
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

_NUMBER = pattern(r"(\d{1,9})([kK]?)")
_LONGER = ("--hf-overrides", "--hf-config-path", "--rope-scaling", "--rope-theta", "--config")
_ALLOWED = "VLLM_ALLOW_LONG_MAX_MODEL_LEN"


@rule("CONF016", level="error")
def length_fits_model(template: Template) -> Iterator[Finding]:
    """The context is no longer than the model's.

    What:
        vLLM's `--max-model-len` is larger than the length that a well-known model was made for.

    Why:
        vLLM ends with "User-specified max_model_len is greater than the derived max_model_len".

    Fix:
        Lower it, or give the model's own way to more (`--hf-overrides` with its rope scaling).

    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, Qwen/Qwen2.5-7B-Instruct, --max-model-len, "131072"]
            resources: {limits: {nvidia.com/gpu: 1}}

    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, Qwen/Qwen2.5-7B-Instruct, --max-model-len=32k]
            resources: {limits: {nvidia.com/gpu: 1}}

    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /models/ours, --max-model-len, "1000000"]
            resources: {limits: {nvidia.com/gpu: 1}}

    Source:
        vLLM vllm/config/model.py (_get_and_verify_max_len); config.json of the models.
    """
    yield from _of_ray_serve(template)
    for container in template.containers:
        asks = container.asks
        if asks is None or asks.engine != "vllm" or container.nim or _is_longer(container):
            continue
        most = length_of(asks.model or "")
        for word, length in _told(container) if most else ():
            if length > (most or 0):
                says = f"--max-model-len is {length}, and {asks.model} has {most}"
                fix = f"Write {most} or less, or give the model's own way to more: `--hf-overrides`"
                fix += " with its rope scaling."
                yield Finding(_spot(container, word), says, fix, unseen=_unseen(container, asks))


def _spot(container: Container, word: str) -> Spot:
    return container.spot_of(word, "--max-model-len", "--max_model_len")


def _unseen(container: Container, asks: Asks) -> str:
    given = f"whether envFrom sets {_ALLOWED}" if container.may_have_more else ""
    return may_differ(asks.model or "") or given


def _of_ray_serve(template: Template) -> Iterator[Finding]:
    """`max_model_len` of Ray Serve LLM's models; a variable may allow more."""
    for model in models(template):
        most, length = length_of(model.name) or 0, model.kwargs.get("max_model_len")
        longer = any(k.replace("_", "-") in _WAYS for k in model.kwargs)
        allowed = _ALLOWED in model.file.text() or any(
            c.value(_ALLOWED) is not None or c.may_have_more for c in template.containers
        )
        if most and type(length) is int and length > most and not longer and not allowed:
            says = f"max_model_len is {length}, and {model.name} has {most}"
            fix = f"Write {most} or less, or give the model's own way to more: `hf_overrides`"
            at = model.spot("max_model_len", length)
            yield Finding(at, says, f"{fix} with its rope scaling.")


_WAYS = frozenset(w.removeprefix("--") for w in _LONGER)


def _is_longer(container: Container) -> bool:
    """Whether something allows more, or may."""
    allowed = container.variable(_ALLOWED) or container.value(_ALLOWED)
    if allowed or any(is_loose(c.words) for c in container.commands):
        return True
    told = (w.replace("_", "-") for w in (*container.words, *container.argv))
    return any(w.startswith(_LONGER) for w in told)


def _told(container: Container) -> Iterator[tuple[str, int]]:
    for one in given(list(server_words(container, "vllm"))):
        found = _NUMBER.fullmatch(one.value or "")
        if one.flag == "--max-model-len" and found:
            thousand = {"": 1, "k": 1000, "K": 1024}[found[2]]
            yield one.word if one.inline else found[0], int(found[1]) * thousand
