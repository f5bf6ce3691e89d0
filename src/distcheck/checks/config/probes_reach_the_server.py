"""CONF036: servers that listen to their own pod alone."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from distcheck.checks.manifest.bundle import Bundle
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.hidden import hidden_before_engine
from distcheck.checks.manifest.listening import USUAL, is_loose, listens_on
from distcheck.checks.manifest.place import Place, Spot
from distcheck.checks.manifest.ray_serve import serve_file
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.serve_host import proxies
from distcheck.checks.manifest.template import Template

_OWN = frozenset({"127.0.0.1", "localhost", "::1"})
_BY_DEFAULT = {"sglang.launch_server": "127.0.0.1", "trtllm-serve": "localhost"}
"""Where these listen without `--host`."""
_MESH = ("istio", "linkerd")


@rule("CONF036", level="error")
def probes_reach_the_server(bundle: Bundle) -> Iterator[Finding]:
    """A server that a probe or a Service leads to listens on the pod's address.

    What:
        An engine has `--host 127.0.0.1` or `localhost`, or is SGLang or trtllm-serve without
        `--host`, and an `httpGet` or `tcpSocket` probe asks its port, or a Service leads there.
        Or Ray Serve's `http_options` of a RayService have that host; or `serve start`, or `serve
        run` of a module, has no `--http-host 0.0.0.0`, and a probe or Service asks its port.
    Why:
        The kubelet asks the pod's address, where nothing listens: the pod is never ready, or is
        killed again and again. A Service leads to that address, too: requests are refused.
    Fix:
        Write `--host 0.0.0.0`.
    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: one}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m, --host, 127.0.0.1]
            readinessProbe: {httpGet: {path: /health, port: 8000}}
            resources: {limits: {nvidia.com/gpu: 1}}
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: llm}
        spec: {selector: {app: sglang}, ports: [{port: 80, targetPort: 30000}]}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: two, labels: {app: sglang}}
        spec:
          containers:
          - name: sglang
            image: lmsysorg/sglang:v0.5.0
            command: [python3, -m, sglang.launch_server, --model-path, /m]
            resources: {limits: {nvidia.com/gpu: 1}}
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: three}
        spec:
          containers:
          - name: ray
            image: rayproject/ray-llm:2.46.0
            command: [sh, -c, "ray start --head && serve start && sleep inf"]
            readinessProbe: {tcpSocket: {port: 8000}}
            resources: {limits: {nvidia.com/gpu: 1}}
    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: one}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m, --host, 0.0.0.0]
            readinessProbe: {httpGet: {path: /health, port: 8000}}
            resources: {limits: {nvidia.com/gpu: 1}}
    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: one}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /m, --host, 127.0.0.1]
            readinessProbe: {httpGet: {path: /health, port: 9000}}
            resources: {limits: {nvidia.com/gpu: 1}}
    Source:
        Kubernetes: Configure Liveness, Readiness and Startup Probes (the probe's host is the
        pod's IP); SGLang python/sglang/srt/server_args.py (host), entrypoints/engine.py
        (launch_dummy_health_check_server); TensorRT-LLM
        tensorrt_llm/commands/serve.py (--host); ray.serve.schema.HTTPOptionsSchema;
        Ray python/ray/serve/scripts.py (start, run) and _private/constants.py, 2.40 and 2.60.
    """
    yield from _of_ray_serve(bundle)
    leading = _leading(bundle)
    for template in bundle.templates:
        if not template.host_network and template.serves:
            for container in template.containers:
                yield from _unheard(template, container, leading[id(template)])
        if not template.host_network and (template.serves or template.of_ray):
            yield from _of_proxies(template, leading[id(template)])


Targets = dict[object, str]
"""Services by their targetPort, a number or a name."""


def _leading(bundle: Bundle) -> Mapping[int, list[Targets]]:
    """What leads to each template's pods; of Services with one selector each port once."""
    pods: dict[int, tuple[Sequence[Template], Targets]] = {}
    for service in bundle.services:
        _, targets = pods.setdefault(id(service.selects), (service.selects, {}))
        for one in service.place.each("spec", "ports"):
            target = one.at("targetPort").value or one.number("port")
            if isinstance(target, str | int):
                targets.setdefault(target, service.what)
    found: dict[int, list[Targets]] = defaultdict(list)
    for chosen, targets in pods.values():
        for template in chosen:
            found[id(template)].append(targets)
    return found


def _unheard(
    template: Template, container: Container, leading: Sequence[Targets]
) -> Iterator[Finding]:
    port, host, said = _port(container), _host(container), _is_said(container)
    asked = _who_asks(template, container, port, leading) if port else ""
    if not asked or host not in _OWN:
        return
    unseen = "" if said else hidden_before_engine(container)
    if any(m in f"{k}" for m in _MESH for k, _ in _notes(template)):
        unseen = "where the mesh's proxy sends requests"
    why = "" if said else ", which is where it listens without --host"
    says = f"container {container.name} listens on {host} alone{why}, and {asked}"
    spot = container.spot_of(*(("--host",) if said else (*_BY_DEFAULT, "sglang")))
    yield Finding(spot, says, "" if said else "Add `--host 0.0.0.0`.", unseen=unseen)


def _of_proxies(template: Template, leading: Sequence[Targets]) -> Iterator[Finding]:
    """Of Ray Serve, which `serve start` or `serve run` starts on its own."""
    for container in template.containers:
        found = proxies(container)
        if found is None or found.host not in _OWN or _is_taken(template, container, found.port):
            continue
        if not (asked := _who_asks(template, container, found.port, leading)):
            continue
        why = "" if found.said else f", which is where `{found.word}` starts it"
        says = f"container {container.name}: Ray Serve listens on {found.host} alone{why}"
        fix = "Run `serve start --http-host 0.0.0.0` before it."
        if found.word == "serve start":
            fix = "Write `serve start --http-host 0.0.0.0`."
        spot = container.spot_of(found.said, found.word)
        yield Finding(spot, f"{says}, and {asked}", fix, unseen=found.unseen)


def _is_taken(template: Template, own: Container, port: int) -> bool:
    """Whether something else listens there, or says so."""
    others = [c for c in template.every if c is not own]
    declared = {p.number("containerPort") for c in others for p in c.place.each("ports")}
    return port in declared or any(listens_on(c) == port for c in template.containers)


def _who_asks(
    template: Template, container: Container, port: int, leading: Sequence[Targets]
) -> str:
    """What asks the pod's address for this port; empty for nothing in the input."""
    for name, asked in container.probes():
        if asked == port and _asks_pod(container.place.at(name)):
            return f"its {name} asks the pod's address"
    ports = (p for c in template.containers for p in c.place.each("ports"))
    names = [p.text("name") for p in ports if p.number("containerPort") == port]
    for targets in leading:
        for target in (port, *filter(None, names)):
            if target in targets:
                return f"{targets[target]} leads to the pod's address"
    return ""


def _asks_pod(probe: Place) -> bool:
    way = probe.at("httpGet") or probe.at("tcpSocket")
    return bool(way) and way.text("host") not in _OWN


def _notes(template: Template) -> Iterator[tuple[str, Place]]:
    for name in ("labels", "annotations"):
        yield from template.place.at("metadata").fields(name)


def _port(container: Container) -> int | None:
    """Where it listens. SGLang's other nodes answer there, too, by a server for probes alone."""
    asks = container.asks
    loose = container.may_have_more or any(is_loose(c.words) for c in container.commands)
    if asks is not None and not loose and "port" not in asks.unread:
        if asks.port is None and "trtllm-serve" in _programs(container):
            return 8000
        if asks.engine == "sglang" and asks.node_rank:
            return asks.port or USUAL["sglang"]
    return listens_on(container)


def _programs(container: Container) -> set[str]:
    return {w.rpartition("/")[2] for w in container.words}


def _is_said(container: Container) -> bool:
    return any(w.partition("=")[0] == "--host" for w in container.words)


def _host(container: Container) -> str:
    """Where it listens; empty where that is not known."""
    told = next((v for c in container.commands for v in c.values("--host")), "")
    usual = (h for name, h in _BY_DEFAULT.items() if name in _programs(container))
    return told if _is_said(container) else next(usual, "")


def _of_ray_serve(bundle: Bundle) -> Iterator[Finding]:
    """The proxies of Ray Serve, to which KubeRay makes a Service of its own."""
    for template in bundle.templates:
        served = template.served if template.kind == "RayService" else None
        http = served.get("http_options") if isinstance(served, Mapping) else None
        host = str(http.get("host")) if isinstance(http, Mapping) else ""
        if template.part == "leader" and host in _OWN:
            says = f"Ray Serve listens on {host} alone, and RayService {template.owner}'s Service"
            at = _host_spot(template, host)
            yield Finding(at, f"{says} leads to the pods' addresses", _ANY)


def _host_spot(template: Template, host: str) -> Spot:
    told = serve_file(template)
    forms = (f"host: {host}", f'host: "{host}"', f"host: '{host}'", host)
    return told.spot.within(next(f for f in (*forms, "") if f in told.text()))


_ANY = "Write `host: 0.0.0.0`, or leave it out: that is the default of this file."
