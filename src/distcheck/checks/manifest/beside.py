"""What may listen in a pod beside its engine, where nobody here can see it."""

from collections.abc import Iterator

from msgspec.structs import replace

from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.hidden import hidden_before_engine
from distcheck.checks.manifest.listening import listens_on, serves_nobody
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern

_INJECTED = ("istio", "linkerd", "dapr.io", "inject")
_ALSO = pattern(
    r"(?i)kv[-_]transfer|kv[-_]events|disaggregation|lmcache|mooncake|multi-port|--uds\b"
)
"""What of an engine opens ports of its own: KV connectors, a port for each rank, sockets."""
_NIXL = pattern(r"(?i)nixl")
_PEERS = "which ports the engine opens for its peers"
NIXL = "where NIXL listens for the engine's peers"
"""The last reason: where it is given, there is no other."""
_STARTS = pattern(
    r"(?:^| )(?:\S*/)?(?:vllm serve|-m vllm\.entrypoints\.(?:openai\.)?api_server|sglang serve"
    r"|-m sglang\.launch_server)(?: |\Z)"
)
_OWN_ENTRYPOINT = pattern(r"(?:^|/)vllm/vllm-openai(?:[:@]|\Z)")
"""The image whose entrypoint is the server: docker/Dockerfile of vLLM."""


def beside(template: Template, engine: Container) -> str:
    """In words; empty where the engine is all that listens in its pods, at a port that is known."""
    return next(filter(None, _reasons(template, engine)), "")


def _reasons(template: Template, engine: Container) -> Iterator[str]:
    for other in template.every:
        stays = other in template.containers or other.place.text("restartPolicy") == "Always"
        if other is not engine and stays:
            yield f"on which port container {other.name} listens"
    yield _of_pod(template)
    if template.of_ray or template.by_operator or engine.nim_chart:
        yield "what its operator starts"
    if listens_on(engine) is None:
        yield "all that sets the engine's port"
    if _ALSO.search(_told(engine)):
        yield _PEERS
    if engine.place.at("lifecycle", "postStart"):
        yield "what its postStart starts"
    yield _entrypoint(engine)
    if _NIXL.search(_told(engine)):
        yield NIXL


def _of_pod(template: Template) -> str:
    meta = template.place.at("metadata")
    notes = [k for name in ("labels", "annotations") for k, _ in meta.fields(name)]
    if any(word in f"{k}" for k in notes for word in _INJECTED):
        return "where an injected container listens"
    return "what else listens on the node" if template.host_network else ""


def _told(engine: Container) -> str:
    return " ".join([*engine.argv, *engine.words, *(v.name for v in engine.env)])


def _entrypoint(engine: Container) -> str:
    """What starts the engine, where that is not the engine's own program alone."""
    seen = replace(engine, commands=tuple(c for c in engine.commands if not serves_nobody(c.words)))
    if hidden := hidden_before_engine(seen):
        return hidden
    given = engine.place.at("command") or engine.place.at("args")
    plain = not engine.place.at("command") and _OWN_ENTRYPOINT.search(engine.image)
    starts = any(_STARTS.search(" ".join(c.words)) for c in seen.commands)
    return "" if given and (plain or starts) else f"what {engine.image or 'the image'} starts"
