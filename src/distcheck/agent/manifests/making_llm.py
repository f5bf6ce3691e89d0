"""What KServe makes of an LLMInferenceService: a Deployment, or a LeaderWorkerSet with `worker`."""

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec.structs import replace

from distcheck.agent.manifests.llm_words import Word, additional, arguments, size_words
from distcheck.agent.manifests.made import MOST_PODS, Made, tie_of
from distcheck.agent.manifests.one_word import one_word
from distcheck.agent.manifests.others import CONFIG, Others
from distcheck.agent.manifests.pieces import Pieces
from distcheck.checks.manifest.bundle import Thing
from distcheck.checks.manifest.place import Place

MAIN = "main"
_SIZES = ("data", "dataLocal", "pipeline")
_REST = "what KServe's own configuration adds"
_RANK = "--data-parallel-start-rank $(( ${LWS_WORKER_INDEX:-0} * %d ))"


def llm_inference_service(thing: Thing, others: Others) -> Iterator[Made]:
    """KServe `llmisvc/workload_*.go`, `config_merge.go`, `config/llmisvcconfig` (0.16 to 0.20)."""
    spec = thing.place.at("spec")
    rest = _REST
    for ref in reversed(list(spec.each("baseRefs"))):
        named = others.named.get(ref.text("name"), ())
        base = next((t for t in named if t.kind == CONFIG), None)
        if base is None:
            rest = f"what LLMInferenceServiceConfig {ref.text('name')} adds"
        else:
            pieces = Pieces(spec)
            spec = pieces.place(pieces.merged((), base.place.at("spec"), spec))
    yield from _workload(thing, spec, spec, rest)
    if spec.at("prefill"):
        own = replace(thing, name=f"{thing.name} prefill")
        yield from _workload(own, spec.at("prefill"), spec, rest)


def configuration(thing: Thing, others: Others) -> Iterator[Made]:
    """One that no LLMInferenceService of the input is based on."""
    if any(t.kind == "LLMInferenceService" for t in others.using.get(thing.name, ())):
        return
    spec = thing.place.at("spec")
    for one in (spec, spec.at("prefill")):
        for name in ("template", "worker"):
            if one.at(name):
                pod = _pod(one, name, [])
                yield Made(thing, pod, thing.kind, rest="what LLMInferenceServices add to it")


def _workload(thing: Thing, part: Place, spec: Place, rest: str) -> Iterator[Made]:
    sizes = part.at("parallelism")
    copies, local = sizes.number("data") or 1, sizes.number("dataLocal") or 1
    many = bool(part.at("worker"))
    size = copies // local if max(copies, local) > 1 else sizes.number("pipeline") or 1
    known = all(n is None or n > 0 for n in map(sizes.number, _SIZES))
    words = list(size_words(sizes, spec, nodes=many)) if known else []
    if not many:
        count = part.number("replicas")
        count = 1 if count is None else count
        yield Made(thing, _pod(part, "template", words), thing.kind, count=count, rest=rest)
        return
    name = f"{one_word(thing.name)}-kserve-mn"
    env = {
        "LWS_LEADER_ADDRESS": f"{name}-0.{name}.{thing.namespace or 'default'}",
        "LWS_GROUP_SIZE": str(size),
    }
    led = "template" if part.at("template") else "worker"
    yield Made(
        thing, _pod(part, led, words, local), thing.kind, "leader", 1, tie_of(thing),
        (f"{name}-0",), hostnames=True, subdomain=name, env={**env, "LWS_WORKER_INDEX": "0"},
        rest=rest,
    )  # fmt: skip
    names = tuple(f"{name}-0-{i}" for i in range(1, min(size, MOST_PODS)))
    if size > 1:
        pod = _pod(part, "worker", [*words, ("--headless", sizes)], local)
        yield Made(
            thing, pod, thing.kind, "worker", size - 1, tie_of(thing), names,
            hostnames=True, subdomain=name, env=env, rest=rest,
        )  # fmt: skip


def _pod(part: Place, name: str, words: Sequence[Word], local: int = 0) -> Place:
    """The pod of `template` or `worker`; its container `main` is given KServe's command line."""
    own = part.at(name)
    pieces = Pieces(own)
    spec = dict(pieces.at(("spec",), own) or {}) if isinstance(own.value, dict) else {}
    held = []
    for number, one in enumerate(own.each("containers")):
        at = ("spec", "containers", number)
        value = pieces.at(at, one)
        served = words and isinstance(value, dict) and one.text("name") == MAIN
        held.append(_served(pieces, at, one, words, local) if served else value)
    labels = {"metadata": {"labels": part.at("labels").value or {}}}
    return pieces.place({**labels, "spec": {**spec, "containers": held}})


def _served(
    pieces: Pieces, at: tuple[str | int, ...], one: Place, words: Sequence[Word], local: int
) -> dict[str, Any]:
    """A command of its own replaces KServe's, and with it what is made of the sizes."""
    value = dict(one.value)
    if one.at("command"):
        return value
    every = [*words, *additional(one), *arguments(one)]
    script = f'exec vllm serve "$@" {_RANK % local}' if local and _copies(words) else ""
    home = words[0][1]
    command = ["bash", "-c", script, "--"] if script else ["vllm", "serve"]
    value["command"] = pieces.each((*at, "command"), [(w, home) for w in command])
    value["args"] = pieces.each((*at, "args"), every)
    return value


def _copies(words: Sequence[Word]) -> bool:
    return any(w.startswith("--data-parallel-size=") for w, _ in words)
