"""CONF080: a probe that asks a port on which nothing listens."""

from collections.abc import Iterator

from distcheck.checks.manifest.beside import beside
from distcheck.checks.manifest.container import PROBES, Container, Variable
from distcheck.checks.manifest.finding import Finding
from distcheck.checks.manifest.listening import USUAL, called, listens_on, may_listen_for_ray
from distcheck.checks.manifest.place import Place
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template
from distcheck.pattern import pattern


@rule("CONF080", level="error", others=("warning", "hint"))
def probe_asks_the_engine(template: Template) -> Iterator[Finding]:
    """Probes ask the port that the engine listens on.

    What:
        A probe of a container that runs one engine names another port than the engine's `--port`,
        where nothing else in the pod may listen there, a name that none of its ports has, a path
        of another server or one that `--api-key` guards, or HTTPS of an engine without a
        certificate; or it asks a worker of
        Dynamo that no DYN_SYSTEM_PORT gives a port for its state, or a NIMService another port
        than `expose.service.port`. `containerPort` opens no port. A hint: `pgrep -f` in a script
        of the probe looks for words that stand in this script.

    Why:
        The pod is never ready, or is killed again and again while it loads. `pgrep -f` finds the
        shell that runs it, whose command line holds the words: it always finds one.

    Fix:
        Ask `/health` at the engine's port: `--port`, else vLLM 8000, SGLang 30000.

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
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: triton}
        spec:
          containers:
          - name: triton
            image: nvcr.io/nvidia/tritonserver:25.06-trtllm-python-py3
            command: [mpirun, -n, "2", tritonserver, --model-repository=/m]
            readinessProbe: {httpGet: {path: /health/ready, port: 8000}}
            resources: {limits: {nvidia.com/gpu: 2}}

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

    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: vllm}
        spec:
          containers:
          - name: vllm
            image: vllm/vllm-openai:v0.11.0
            command: [sh, -c, "vllm serve /m --port $PORT"]
            readinessProbe: {httpGet: {path: /health, port: 8080}}

    Source:
        Kubernetes: Liveness, Readiness and Startup Probes; vLLM
        vllm/entrypoints/openai/cli_args.py, api_server.py (AuthenticationMiddleware: /v1 alone);
        SGLang server_args.py, utils (add_api_key_middleware: all but /health and /metrics);
        Dynamo docs, health check reference (DYN_SYSTEM_PORT: disabled by default);
        k8s-nim-operator nimservice_types.go (GetStandardEnv, GetStartupProbe); pgrep(1): of all
        processes it leaves out itself alone.
    """
    for container in template.containers:
        ports = list(container.place.each("ports"))
        names = {p.text("name"): p.number("containerPort") for p in ports}
        yield from _paths(container)
        yield from _of_triton(container)
        yield from _guarded(container)
        yield from _of_dynamo(template, container)
        yield from _of_nim(template, container)
        yield from _of_itself(container)
        for name in PROBES:
            for way in ("httpGet", "tcpSocket", "grpc"):
                port = container.place.at(name, way, "port")
                if "$" in str(port.value) or "{" in str(port.value):
                    continue
                if isinstance(port.value, str) and not port.value.isdigit():
                    if port.value not in names and not template.by_nim:
                        yield _nameless(container, port)
                    number = names.get(port.value)
                else:
                    number = int(port.value) if isinstance(port.value, int | str) else None
                if number is not None:
                    yield from _elsewhere(template, container, port, number)


def _of_dynamo(template: Template, container: Container) -> Iterator[Finding]:
    """The port of a Dynamo worker's status, which it opens only where it is asked to."""
    words, every = container.words, template.containers
    if not _WORKERS & words or "dynamo.frontend" in words or container.may_have_more:
        return
    asked = any(True for _ in container.named("DYN_SYSTEM_"))
    told = " ".join(t.text for c in every for t in c.texts)
    for name, port in () if asked or "DYN_SYSTEM_" in told else container.probes():
        at = container.place.at(name, "httpGet", "port")
        if at and str(port) not in told and not may_listen_for_ray(container, port):
            says = f"the {name} asks port {port}, and a Dynamo worker has no port for its state"
            fix = f'Set `DYN_SYSTEM_PORT: "{port}"`; older releases need DYN_SYSTEM_ENABLED, too.'
            yield Finding(at.spot, f"{says} until DYN_SYSTEM_PORT names one", fix, "warning")


_WORKERS = frozenset({"dynamo.vllm", "dynamo.sglang", "dynamo.trtllm"})


def _of_nim(template: Template, container: Container) -> Iterator[Finding]:
    """The NIM operator tells the server its ports by variables: NIM_SERVER_PORT and others."""
    spec = template.owner_place.at("spec")
    own = [spec.at(n).value for n in ("command", "args", "sidecarContainers")]
    own += [container.may_have_more, any(v.name.endswith("_PORT") for v in container.env)]
    if template.kind != "NIMService" or any(own):
        return
    held = spec.at("expose", "service")
    port = held.number("port") or _HTTP
    ports = {port, held.number("grpcPort"), held.number("metricsPort")}
    for name, asked in container.probes():
        at = container.place.at(name, "httpGet", "port")
        if at and asked not in ports and not container.mentions(asked):
            says = f"the {name} asks port {asked}, and the operator has NIM listen on {port}"
            yield Finding(at.spot, says, f"Ask port {port}, or write it at expose.service.port.")


def _of_itself(container: Container) -> Iterator[Finding]:
    """`pgrep -f`, which finds the shell around it; a lone command takes the shell's place."""
    for name in PROBES:
        words = [str(w.value) for w in container.place.each(name, "exec", "command")]
        if len(words) != _SHELLED or words[0].rpartition("/")[2] not in ("bash", "sh"):
            continue
        found = _PGREP.search(words[2])
        wanted = next((g for g in found.groups() if g), "") if found else ""
        script = words[2].strip()
        lone = script.startswith(("pgrep", "exec pgrep")) and not set(";|&\n") & set(script)
        if found and wanted and not lone and not _EXCEPT.search(script):
            at = container.place.at(name, "exec", "command", 2)
            says = (
                f"pgrep -f finds the probe's own shell, which holds {wanted!r}: it always finds one"
            )
            fix = f"Write `pgrep -f '[{wanted[0]}]{wanted[1:]}'`, which does not match itself."
            yield Finding(at.spot, says, fix, level="hint")


_SHELLED = 3
_PGREP = pattern(
    r"""\bpgrep\s+(?:-\w+\s+){0,8}-(?=\w*f)\w+\s+(?:'([\w ./-]+)'|"([\w ./-]+)"|([\w./-]+))"""
)
_EXCEPT = pattern(r"\$\$|grep\s+-\w*v|pgrep\s+(?:-\w+\s+){0,8}-(?=\w*[xPc])|\bwc\b")


def _nameless(container: Container, port: Place) -> Finding:
    says = f"no port of container {container.name} is called {port.value}"
    own = listens_on(container)
    fix = f"Ask {called(container, own)}, " if own else "Ask the port by its number, "
    fix = f"{fix}or call a `containerPort` {port.value}."
    return Finding(port.spot, says, fix)


def _elsewhere(
    template: Template, container: Container, port: Place, number: int
) -> Iterator[Finding]:
    """A port that is not the engine's, and that nothing in the pod tells of.

    A pod's containers share their network: a router beside the engine may answer. A port that is
    only declared is one that something listens on, unless the engine is all that there is.
    """
    own, probe = listens_on(container), str(port.path[-3])
    every = list(template.every)
    declared = {p.number("containerPort") for c in every for p in c.place.each("ports")}
    if own is None or number == own or may_listen_for_ray(container, number):
        return
    unseen = beside(template, container)
    if (unseen and number in declared) or any(c.mentions(number) for c in every):
        return
    if any(container.place.at(probe, way, "host") for way in ("httpGet", "tcpSocket")):
        return
    says = f"the {probe} asks port {number}, and the engine listens on {own}"
    fix = f"Ask port {called(container, own)}, on which the engine listens."
    if number in declared:
        fix = f"Start the engine with `--port {number}`, or ask port {own}."
    yield Finding(port.spot, says, fix, unseen=unseen)


def _paths(container: Container) -> Iterator[Finding]:
    """Paths of other servers, at the port of vLLM or SGLang."""
    own = container.asks
    if own is None or own.engine not in USUAL or container.nim:
        return
    for name, port in container.probes():
        path = container.place.at(name, "httpGet", "path")
        if port == (own.port or USUAL[own.engine]) and path.text().rstrip("/") in _OTHERS:
            says = f"{own.engine} has no {path.text()}: it answers at /health"
            yield Finding(path.spot, says, "Ask `path: /health`.", level="warning")
        scheme = container.place.at(name, "httpGet", "scheme")
        if scheme.text() == "HTTPS" and port == listens_on(container) and not _has_tls(container):
            says = f"the {name} asks by HTTPS, and {own.engine} is told of no certificate"
            fix = "Ask `scheme: HTTP`, or give the engine its keys."
            yield Finding(scheme.spot, says, fix, level="warning")


def _of_triton(container: Container) -> Iterator[Finding]:
    """Paths of other servers, at the HTTP port of tritonserver."""
    programs = {w.rpartition("/")[2] for w in container.words}
    told = [v for c in container.commands for f in _HTTP_PORT for v in c.values(f)]
    port = int(told[0]) if told and told[0].isdecimal() else 0 if told else _HTTP
    if not programs & _TRITON or any("allow-http" in w for w in container.words):
        return
    for name, asked in container.probes():
        path = container.place.at(name, "httpGet", "path")
        if asked == port and path.text().rstrip("/") in (_OTHERS | {"/health"}) - _OF_TRITON:
            says = f"tritonserver has no {path.text()}: it answers at /v2/health/ready"
            yield Finding(path.spot, says, "Ask `path: /v2/health/ready`.", level="warning")


_TRITON = frozenset({"tritonserver", "launch_triton_server.py"})
_HTTP_PORT, _HTTP = ("--http-port", "--http_port"), 8000
_OF_TRITON = frozenset({"/v2/health/ready", "/v2/health/live"})


def _guarded(container: Container) -> Iterator[Finding]:
    """Paths that the engine answers with 401 to who shows no key."""
    own = container.asks
    if own is None or own.engine not in USUAL or container.nim:
        return
    flag = any(w.partition("=")[0] == "--api-key" for w in (*container.words, *container.argv))
    held = container.variable("VLLM_API_KEY") if own.engine == "vllm" else None
    if not flag and (held is None or held.value == ""):
        return
    for name, port in container.probes():
        path = container.place.at(name, "httpGet", "path")
        shown = [
            h.text("name").lower() for h in container.place.each(name, "httpGet", "httpHeaders")
        ]
        guarded = path.text().startswith("/v1/") and "authorization" not in shown
        if port == (own.port or USUAL[own.engine]) and guarded:
            says = f"the {name} asks {path.text()} without a key, and {own.engine} answers 401"
            fix = "Ask `path: /health`, which needs no key."
            yield Finding(path.spot, says, fix, unseen="" if flag or held is None else _maybe(held))


def _maybe(held: Variable) -> str:
    """What is not seen of a variable that is set only where its source has it."""
    refers = [held.place.at("valueFrom", f"{what}KeyRef") for what in ("secret", "configMap")]
    maybe = [r for r in refers if r.at("optional").value is True and held.value is None]
    return f"whether {maybe[0].text('name')} has {maybe[0].text('key')}" if maybe else ""


def _has_tls(container: Container) -> bool:
    told = " ".join([*container.words, *container.argv])
    return "--ssl" in told or "--config" in told or container.may_have_more


_OTHERS = frozenset(
    {"/healthz", "/readyz", "/livez", "/ready", "/live", "/v2/health/ready", "/v2/health/live",
     "/v1/health/ready", "/v1/health/live", "/health/ready", "/health/live", "/api/health",
     "/v1/health", "/healthcheck", "/health-check", "/liveness", "/readiness", "/api/v1/health"}
)  # fmt: skip
