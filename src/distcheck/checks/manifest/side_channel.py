"""Where NIXL's connector of vLLM lets other instances ask it about its KV cache."""

from collections.abc import Iterator

from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.group import Group
from distcheck.checks.manifest.template import Template

_HOST = "VLLM_NIXL_SIDE_CHANNEL_HOST"
_CONNECTOR = "NixlConnector"
_ITSELF = ("", "localhost", "127.0.0.1", "::1")


def lost_side_channels(group: Group) -> Iterator[Finding]:
    """Pods that hand their KV cache over, and listen for it at localhost.

    vLLM vllm/envs.py (the default), distributed/kv_transfer/kv_connector/v1/nixl: 0.10 to 0.33.
    """
    seen: set[int] = set()
    for member, engine in group.engines:
        template = member.template
        if id(template) in seen or not _may_be_asked(template, engine):
            continue
        seen.add(id(template))
        variable = engine.variable(_HOST)
        at = engine.spot_of(_CONNECTOR) if variable is None else variable.place.spot
        says = f"{engine.name} hands its KV cache over by NIXL, and listens for it at localhost"
        fix = f"Set {_HOST} from `fieldPath: status.podIP`."
        yield Finding(at, says, fix, unseen=_unseen(template, engine))


def _unseen(template: Template, engine: Container) -> str:
    """Who may have no need of it: only instances that decode ask, and only others' caches."""
    if template.host_network:
        return "whether who asks is on the same node, whose network both are in"
    told = " ".join((*engine.words, template.owner, engine.name)).lower()
    sure = "kv_producer" in told or "prefill" in told
    return "" if sure else "whether others take their cache from it, or it from them"


def _may_be_asked(template: Template, engine: Container) -> bool:
    """Whether it is alone in its pod with the connector, and nothing unseen tells its address."""
    told = [w for c in template.containers for w in c.words if _CONNECTOR in w]
    vllm = engine.asks is not None and engine.asks.engine == "vllm"
    hidden = template.rest or template.of_ray or engine.may_have_more or engine.nim
    variable = engine.variable(_HOST)
    own = variable is None or (variable.value or variable.source) in _ITSELF
    if hidden or _HOST in engine.script or "kv_consumer" in "".join(told):
        return False
    return len(told) == 1 and vllm and own
