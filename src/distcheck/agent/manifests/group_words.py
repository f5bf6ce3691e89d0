"""A group in a line of words, as it was understood, with what could not be."""

from collections.abc import Iterator

from distcheck.agent.manifests.beyond import uncounted
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.template import GRAPH

_LONGEST = 80


def group_words(group: Group) -> str:
    """Its name, pods and GPUs, and the degrees and the model that it asks for."""
    pods, copies, gpus = _counted(group.pods, "pod"), _copies(group), _gpus(group)
    if copies > 1:
        pods, gpus = f"{copies} copies of {pods}", f"{gpus} each" if group.gpus else gpus
    return f"{group.name}: {', '.join([pods, gpus, *_asked(group)])}"


def _gpus(group: Group) -> str:
    if group.gpus == 0:
        other = any(True for m in group.members for _ in uncounted(m.template))
        return "GPUs not counted" if other else "no GPUs asked for"
    return _counted(group.gpus, "GPU")


def _asked(group: Group) -> Iterator[str]:
    intent = group.intent
    if intent.engine == "unknown" and not any(c.engine_image for _, c in group.engines):
        yield "engine not known"
    for name in ("tp", "pp", "dp"):
        value = getattr(intent, name)
        if value and name == "dp" and (attention := _of_attention(group)):
            yield f"DP attention={attention}"
        elif value:
            yield f"{name.upper()}={value}"
        elif name in intent.unread:
            yield f"{name.upper()} not readable"
        elif name == "tp":
            yield "TP not told"
    if "arguments" in intent.unread:
        yield "some arguments not readable"
    model = intent.model or "not known"
    yield f"model {model if len(model) <= _LONGEST else f'{model[: _LONGEST - 3]}...'}"


def _of_attention(group: Group) -> str:
    """SGLang's `--dp` with DP attention: parts of one TP group, no copies."""
    asked = group.asked()
    for command in asked[1].commands if asked and group.intent.engine == "sglang" else ():
        if "--enable-dp-attention" in command.words:
            flags = ("--dp", "--dp-size", "--data-parallel-size")
            return next((v for f in flags for v in command.values(f)), "")
    return ""


def _copies(group: Group) -> int:
    """How many such groups the object makes, as far as it is known."""
    one = group.leader.template
    if one.kind in ("LeaderWorkerSet", "NIMService", "LLMInferenceService"):
        part = ("prefill",) if one.owner.endswith(" prefill") else ()
        return one.owner_place.number("spec", *part, "replicas") or 1
    if one.kind == GRAPH:
        return one.owner_place.at(*one.place.path).number("replicas") or 1
    return one.pods or 1 if group.pods == 1 else 1


def _counted(number: int | None, name: str) -> str:
    return f"{name}s not known" if number is None else f"{number} {name}{'s' * (number != 1)}"
