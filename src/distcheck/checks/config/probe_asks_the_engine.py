"""CONF080: a probe that asks a port on which nothing listens."""

from collections.abc import Iterator

from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template

_PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
_USUAL = {"vllm": 8000, "sglang": 30000}


@rule("CONF080", level="warning")
def probe_asks_the_engine(template: Template) -> Iterator[Finding]:
    """Probes ask the port that the engine listens on.

    What:
        A probe of a container that runs one engine names a port that the container does not
        declare, other than the engine's `--port`, or a name that none of its ports has.

    Why:
        The pod is never ready, or is killed again and again while it loads.

    Fix:
        Ask the engine's port: `--port`, else vLLM 8000, SGLang 30000.

    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m, --port, "8080"]
            readinessProbe: {httpGet: {path: /health, port: 8000}}

    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m, --port, "8080"]
            readinessProbe: {httpGet: {path: /health, port: 8080}}

    Source:
        Kubernetes: probes; vLLM and SGLang command lines.
    """
    for container in template.containers:
        ports = list(container.place.each("ports"))
        declared = {p.number("containerPort") for p in ports}
        names = {p.text("name") for p in ports}
        for name in _PROBES:
            for way in ("httpGet", "tcpSocket", "grpc"):
                port = container.place.at(name, way, "port")
                if "$" in str(port.value) or "{" in str(port.value):
                    continue
                if isinstance(port.value, str) and not port.value.isdigit():
                    if port.value not in names:
                        says = f"no port of container {container.name} is called {port.value}"
                        yield Finding(port.spot, says, level="error")
                elif _elsewhere(container, port, declared) and (own := _own(container)):
                    says = f"the {name} asks port {port.value}, and the engine listens on {own}"
                    yield Finding(port.spot, says)


def _elsewhere(container: Container, port: Place, declared: set[int | None]) -> bool:
    """Whether the port is neither the engine's nor one that the container tells of."""
    known = port.value in declared | {_own(container)}
    return bool(port) and not known and not container.mentions(port.value)


def _own(container: Container) -> int | None:
    asks = container.asks
    if asks is None or container.ray or asks.headless or container.may_have_more:
        return None
    if "port" in asks.unread or container.nim or any("$" in w for w in container.words):
        return None
    if len({c.words[:1] for c in container.commands}) > 1 or (asks.node_rank or 0) > 0:
        return None
    return asks.port or _USUAL.get(asks.engine)
