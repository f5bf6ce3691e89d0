"""CONF028: a Service's targetPort that nothing in its pods listens on."""

from collections.abc import Iterator

from distcheck.checks.manifest.bundle import Bundle, Service
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding, Level
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template


@rule("CONF028", level="warning")
def service_port_leads_somewhere(bundle: Bundle) -> Iterator[Finding]:
    """A Service's targetPort is one that its pods listen on.

    What:
        `targetPort` is a name that no container of the selected pods gives to a port, or a
        number other than the port of the only server in them.

    Why:
        Requests are refused, while pods and Service look healthy.

    Fix:
        Make `targetPort` the port that the engine listens on (`--port`; vLLM 8000, SGLang 30000).

    Fails:
        apiVersion: v1
        kind: Service
        metadata: {name: llm}
        spec: {selector: {app: vllm}, ports: [{port: 80, targetPort: 8080}]}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm, labels: {app: vllm}}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m, --port, "8000"]
            ports: [{containerPort: 8000}]

    Passes:
        apiVersion: v1
        kind: Service
        metadata: {name: llm}
        spec: {selector: {app: vllm}, ports: [{port: 80, targetPort: http}]}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm, labels: {app: vllm}}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m, --port, "8000"]
            ports: [{name: http, containerPort: 8000}]

    Source:
        Kubernetes: Services, port definitions; vLLM and SGLang command lines.
    """
    for service in bundle.services:
        pods = [t for t in service.selects if t.serves]
        if not pods or len(pods) != len(service.selects):
            continue
        for port in service.place.each("spec", "ports"):
            target = port.at("targetPort")
            if "$" in str(target.value) or "{" in str(target.value):
                continue
            if isinstance(target.value, str) and not target.value.isdigit():
                if not any(target.value in _named(t) for t in pods):
                    says = f"no port of {pods[0].what} is called {target.value}"
                    yield Finding(target.spot, says, level="error")
            elif (found := _other(service, port, pods)) is not None:
                yield found


def _named(template: Template) -> set[str]:
    return {p.text("name") for c in template.every for p in c.place.each("ports")}


def _other(service: Service, port: Place, pods: list[Template]) -> Finding | None:
    """A number that is neither declared nor the engine's, where each pod has one server."""
    target = port.at("targetPort")
    number = target.value if target else port.number("port")
    engines = [_only(t) for t in pods]
    if number is None or port.text("protocol") not in ("", "TCP") or None in engines:
        return None
    listens = {_listens(c) for c in engines if c}
    every = [c for t in pods for c in t.every]
    declared = {p.number("containerPort") for c in every for p in c.place.each("ports")}
    if None in listens or int(str(number)) in listens | declared or service.headless:
        return None
    if any(c.mentions(number) for c in engines if c):
        return None
    own = ", ".join(str(n) for n in sorted(n for n in listens if n))
    says = f"Service {service.name} leads to port {number}, and the engine listens on {own}"
    every_port = service.place.each("spec", "ports")
    targets = [p.at("targetPort").value or p.number("port") for p in every_port]
    level: Level | None = "hint" if any(t in listens for t in targets) else None
    return Finding((target or port.at("port")).spot, says, level=level)


def _only(template: Template) -> Container | None:
    """The pod's only container, where it runs an engine and nothing else."""
    only = template.containers[0] if len(template.containers) == 1 else None
    return only if only and only.asks and not only.ray else None


def _listens(engine: Container) -> int | None:
    asks = engine.asks
    if asks is None or "port" in asks.unread or engine.may_have_more:
        return None
    return asks.port or {"vllm": 8000, "sglang": 30000}.get(asks.engine)
