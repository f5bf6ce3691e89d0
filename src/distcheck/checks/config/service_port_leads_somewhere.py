"""CONF028: a Service's targetPort that nothing in its pods listens on."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

from msgspec import Struct

from distcheck.checks.manifest.beside import NIXL, beside
from distcheck.checks.manifest.bundle import Bundle, Service
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding, Level
from distcheck.checks.manifest.listening import GCS, USUAL, may_listen_for_ray
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template


@rule("CONF028", level="error", others=("hint",))
def service_port_leads_somewhere(bundle: Bundle) -> Iterator[Finding]:
    """A Service's targetPort is one that its pods listen on.

    What:
        `targetPort` is a name that no container of the selected pods gives to a port, or a
        number other than the port of the only server in them: `containerPort` opens none.

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

    Unsure:
        apiVersion: v1
        kind: Service
        metadata: {name: api}
        spec: {selector: {app: vllm}, ports: [{port: 80, targetPort: 8080}]}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: a, labels: {app: vllm}}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            command: [sh, -c, "vllm serve /m --port $PORT"]

    Source:
        Kubernetes: Services, port definitions; vLLM and SGLang command lines.
    """
    yield from _not_joined(bundle)
    known: dict[int, _Chosen] = {}
    for service in bundle.services:
        pods = service.selects
        if id(pods) not in known:
            known[id(pods)] = _chosen(pods)
        chosen = known[id(pods)]
        if not pods or not chosen.serve:
            continue
        for port in service.place.each("spec", "ports"):
            yield from filter(None, [_astray(service, port, chosen)])


def _astray(service: Service, port: Place, chosen: "_Chosen") -> Finding | None:
    """By a name that no port has, or a number that nothing listens on."""
    target = port.at("targetPort")
    if "$" in str(target.value) or "{" in str(target.value):
        return None
    plain = not isinstance(target.value, str) or target.value.isdigit()
    if plain or len(chosen.names.get(str(target.value), ())) == 1:
        return _other(service, port, chosen)
    if target.value in chosen.names or any(t.by_operator for t in service.selects):
        return None
    return _nameless(service, target, chosen.names)


class _Chosen(Struct, frozen=True):
    """The pods that a Service selects: the names and numbers of their ports, and what listens.

    Many Services may have one selector: all that is asked of its pods is found once. `serve` is
    whether all of them are ours, `listens` None where not each has one server of a known port,
    `unseen` what else may listen in one of them.
    """

    serve: bool
    names: Mapping[str, frozenset[int | None]]
    declared: frozenset[int | None]
    engines: tuple[Container, ...]
    listens: frozenset[int] | None
    unseen: str = ""


def _chosen(pods: Sequence[Template]) -> _Chosen:
    places = [p for t in pods for c in t.every for p in c.place.each("ports")]
    engines = [_only(t) for t in pods]
    unseen = (beside(t, e) for t, e in zip(pods, engines, strict=True) if e)
    listens = [e and _listens(e) for e in engines]
    return _Chosen(
        all(t.serves for t in pods),
        _named(places),
        frozenset(p.number("containerPort") for p in places),
        tuple(e for e in engines if e),
        None if None in listens else frozenset(n for n in listens if n),
        next(filter(None, unseen), ""),
    )


def _named(places: Sequence[Place]) -> Mapping[str, frozenset[int | None]]:
    """The numbers that each name stands for."""
    found: dict[str, set[int | None]] = defaultdict(set)
    for place in places:
        found[place.text("name")].add(place.number("containerPort"))
    return {name: frozenset(numbers) for name, numbers in found.items()}


def _number(port: Place, chosen: _Chosen) -> int | None:
    """The number of the pods' port that a Service's port leads to; a name is looked up."""
    target = port.at("targetPort").value
    if isinstance(target, str) and not target.isdigit():
        return next(iter(chosen.names.get(target, ())), None)
    return int(target) if isinstance(target, int | str) else port.number("port")


def _not_joined(bundle: Bundle) -> Iterator[Finding]:
    """A Service with an address of its own passes on its own ports alone, to workers too."""
    named = _with_addresses(bundle)
    for template in bundle.templates:
        for join in (j for c in template.every for j in c.joins if j.is_read and j.port):
            name = join.labels[0]
            for service in named.get((template.namespace, name), ()):
                ports = list(service.place.each("spec", "ports"))
                if not ports:
                    continue
                if join.port not in {p.number("port") for p in ports}:
                    says = f"workers join port {join.port}, which {service.what} does not have"
                    also = (service.place.at("spec", "ports").key,)
                    fix = f"Add port {join.port} to {service.what}, or join a port that it has."
                    yield Finding(join.spot, says, fix, level="error", also=also)
                elif join.way == "ray" and (wrong := _past_the_head(service, ports, join.port)):
                    yield wrong


def _with_addresses(bundle: Bundle) -> dict[tuple[str, str], list[Service]]:
    """The Services that select pods behind an address of their own, by namespace and name."""
    named: dict[tuple[str, str], list[Service]] = defaultdict(list)
    for service in bundle.services:
        if not service.headless and service.selects:
            named[service.namespace, service.name].append(service)
    return named


def _past_the_head(service: Service, ports: list[Place], joined: int | None) -> Finding | None:
    """A targetPort other than the one on which Ray's head listens."""
    every = [c.ray for t in service.selects for c in t.containers if c.ray and c.ray.head]
    listens = {ray.port or GCS for ray in every}
    target = next(p.at("targetPort") for p in ports if p.number("port") == joined)
    if len(listens) != 1 or type(target.value) is not int or target.value in listens:
        return None
    says = f"workers are led to port {target.value}, and Ray's head listens on {min(listens)}"
    return Finding(target.spot, says, f"Write `targetPort: {min(listens)}`.", level="error")


def _nameless(service: Service, target: Place, names: Collection[str]) -> Finding:
    """A port beside one that leads to the pods harms nobody who does not ask it."""
    targets = (p.at("targetPort").value for p in service.place.each("spec", "ports"))
    level: Level = "hint" if any(t in names for t in targets) else "error"
    fix = f"Call a `containerPort` {target.value}, or take the port out of the Service."
    says = f"no port of {service.selects[0].what} is called {target.value}"
    return Finding(target.spot, says, fix, level)


def _other(service: Service, port: Place, chosen: _Chosen) -> Finding | None:
    """A number that is neither declared nor the engine's, where each pod has one server."""
    target = port.at("targetPort")
    number = _number(port, chosen)
    listens = chosen.listens
    if number is None or port.text("protocol") not in ("", "TCP") or listens is None:
        return None
    asked = number in _ASKED & chosen.declared
    unseen = "" if asked and chosen.unseen == NIXL else chosen.unseen
    known = listens | (chosen.declared if unseen else frozenset())
    right = any(_number(p, chosen) in listens for p in service.place.each("spec", "ports"))
    if number in known or service.headless or (right and number in chosen.declared):
        return None
    if any(c.mentions(number) or _beside(c, number) for c in chosen.engines):
        return None
    own = ", ".join(str(n) for n in sorted(listens))
    says = f"{service.what} leads to port {number}, and the engine listens on {own}"
    fix = f"Write `targetPort: {own}`." if len(listens) == 1 else ""
    if fix and number in chosen.declared:
        fix = f"Start the engine with `--port {number}`, or write `targetPort: {own}`."
    level: Level = "hint" if right else "error"
    return Finding((target or port.at("port")).spot, says, fix, level, unseen)


_ASKED = frozenset({80, 8000, 8080, 30000})
"""Ports of HTTP servers: NIXL listens for peers at 5600, unless it is told another."""


def _only(template: Template) -> Container | None:
    """The pod's only container, where it runs an engine and nothing else."""
    only = template.containers[0] if len(template.containers) == 1 else None
    return only if only and only.asks and not only.ray else None


_NEXT = range(1, 10)
"""SGLang's processes meet at the ports behind that of `--dist-init-addr` (server_args.py)."""


def _beside(container: Container, number: int) -> bool:
    """Whether it may listen there for its ranks: a Ray head by a script, or SGLang's rank 0."""
    asks = container.asks
    if asks and asks.engine == "sglang":
        met = (asks.master_addr or "").rpartition(":")[2]
        if met.isdigit() and number - int(met[:5]) in _NEXT:
            return True
    return may_listen_for_ray(container, number)


def _listens(engine: Container) -> int | None:
    asks = engine.asks
    if asks is None or "port" in asks.unread or engine.may_have_more:
        return None
    if any(w.partition("=")[0] == "--uds" for w in engine.words):
        return None  # a socket in the file system
    return asks.port or USUAL.get(asks.engine)
