"""CONF086: two servers of one pod that listen on one port."""

from collections.abc import Iterator

from distcheck.checks.knowledge.meeting_flags import meets_by
from distcheck.checks.manifest.container import Container
from distcheck.checks.manifest.finding import Finding, Level
from distcheck.checks.manifest.listening import GCS, listens_on
from distcheck.checks.manifest.rule import rule
from distcheck.checks.manifest.template import Template


@rule("CONF086", level="error", others=("warning",))
def servers_share_no_port(template: Template) -> Iterator[Finding]:
    """Servers in one pod listen on different ports.

    What:
        Two containers of one pod run engines that listen on the same port, told or by default; or
        an engine serves at the port where it meets the other nodes, or Ray's head listens. A hint
        where VLLM_PORT is the server's port.
    Why:
        Containers of a pod share its address: the second server ends with "address already in
        use", is started again, and never gets ready. Two of vLLM share the port (SO_REUSEPORT):
        which of them a request reaches is chance, and harmless only where both have one model.
        VLLM_PORT is the first port by which vLLM's own processes meet, not the server's.
    Fix:
        Give one of them another `--port`, and its probes and Service the same.
    Fails:
        apiVersion: v1
        kind: Pod
        metadata: {name: two}
        spec:
          containers:
          - name: a
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /models/a]
            resources: {limits: {nvidia.com/gpu: 1}}
          - name: b
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /models/b, --port, "8000"]
            resources: {limits: {nvidia.com/gpu: 1}}
    Passes:
        apiVersion: v1
        kind: Pod
        metadata: {name: two}
        spec:
          containers:
          - name: a
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /models/a]
            resources: {limits: {nvidia.com/gpu: 1}}
          - name: b
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /models/b, --port, "8001"]
            resources: {limits: {nvidia.com/gpu: 1}}
    Unsure:
        apiVersion: v1
        kind: Pod
        metadata: {name: two}
        spec:
          containers:
          - name: a
            image: vllm/vllm-openai:v0.11.0
            args: [--model, /models/a]
            resources: {limits: {nvidia.com/gpu: 1}}
          - name: b
            image: vllm/vllm-openai:v0.11.0
            args: [--config, /etc/vllm.yaml]
            resources: {limits: {nvidia.com/gpu: 1}}
    Source:
        Kubernetes: Pods, resource sharing and communication; vLLM vllm/entrypoints/openai/
        cli_args.py, SGLang python/sglang/srt/server_args.py (ports by default); vLLM docs,
        environment variables (VLLM_PORT).
    """
    for container in template.containers:
        yield from _meets_where_it_serves(container)
        yield from _own_port(container)
    taken: dict[tuple[int, str], Container] = {}
    for container in template.containers:
        port = listens_on(container)
        if port is None or any(w.startswith("--uds") for w in container.words):
            continue
        other = taken.setdefault((port, _host(container)), container)
        if other is not container:
            says = f"containers {other.name} and {container.name} both listen on {port}"
            level: Level | None = "warning" if _share(container, other) else None
            at, also = container.spot_of("--port"), (other.spot_of("--port"),)
            yield Finding(at, says, level=level, also=also)


def _own_port(container: Container) -> Iterator[Finding]:
    """VLLM_PORT is where vLLM's own processes meet, from that port on."""
    port, variable = listens_on(container), container.variable("VLLM_PORT")
    vllm = container.asks is not None and container.asks.engine == "vllm"
    if variable and port and vllm and variable.value == str(port):
        says = f"VLLM_PORT is {port}, where the server listens: vLLM's own ranks meet there"
        fix = "Call the variable otherwise: VLLM_PORT is not the port of the server."
        unseen = "whether this vLLM takes the server's port first"
        yield Finding(variable.place.spot, says, fix, unseen=unseen)


def _meets_where_it_serves(container: Container) -> Iterator[Finding]:
    """One container that is told one port for requests, and to meet the other nodes."""
    own, asks = listens_on(container), container.asks
    if own is None or asks is None:
        return
    for command in container.commands:
        meets = meets_by(command.words)
        if (
            meets is not None
            and meets.port == own
            and meets.leads
            and asks.engine in " ".join(command.words)
        ):
            says = f"container {container.name} meets the other nodes at port {own}, where its"
            at = container.spot_of(meets.way, meets.way.replace("-", "_").replace("__", "--", 1))
            yield Finding(at, f"{says} server listens", f"Give {meets.way} another port.")
            return
    if container.ray and container.ray.head and own == (container.ray.port or GCS):
        says = f"container {container.name} starts its server at port {own}, where Ray's head"
        fix = "Give the server another `--port`."
        yield Finding(container.spot_of(f"--port {own}", "--port"), f"{says} listens", fix)


def _share(one: Container, two: Container) -> bool:
    """Whether both are vLLM with one model."""
    told = [(c.asks.engine, c.asks.model) for c in (one, two) if c.asks]
    return len(told) > 1 and told[0] == told[1] and told[0][0] == "vllm"


def _host(container: Container) -> str:
    """The address that it listens on, empty for all of them."""
    told = (v for c in container.commands for v in c.values("--host"))
    return next((v for v in told if v not in ("0.0.0.0", "::")), "")  # noqa: S104 - compared
