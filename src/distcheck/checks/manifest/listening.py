"""The port on which a container's engine listens, where nothing else can have set it."""

from collections.abc import Mapping

from distcheck.checks.manifest.container import Container

USUAL: Mapping[str, int] = {"vllm": 8000, "sglang": 30000}
"""Where they listen without `--port`: vllm cli_args.py, sglang server_args.py."""
GCS = 6379
RAYS = frozenset({GCS, 8265, 10001, 52365, 44217, 44227})
"""Ray's own: its store (GCS), dashboard, client, dashboard agent, and the metrics of its head."""
_BESIDE = frozenset(
    {"ray", "sleep", "echo", "export", "set", "cd", "mkdir", "pip", "pip3", "curl", "wget", "env",
     "apt", "apt-get", "nvidia-smi", "grep", "true", "test", "[", "ulimit", "source", "cat", "ls",
     "hostname", "printf", "date", "until", "uv", "exit", "wait"}
)  # fmt: skip
"""Commands beside an engine's that serve nobody who asks a pod of it."""
_TAKE_A_WORD = frozenset(
    {"--node-rank", "--node_rank", "--nnodes", "--dist-init-addr", "--master-addr", "--host",
     "--master-port", "--tp", "--tp-size", "-tp", "--tensor-parallel-size", "--pp", "--pp-size",
     "-pp", "--pipeline-parallel-size", "--model", "--model-path", "--served-model-name",
     "--max-model-len", "--context-length", "-dp", "--dp", "--data-parallel-size", "serve",
     "--data-parallel-address", "--data-parallel-start-rank", "--gpu-memory-utilization",
     "--data-parallel-size-local", "-dpl", "-dpr", "-dpa", "--data-parallel-rpc-port", "-dpp"}
)  # fmt: skip


def listens_on(container: Container) -> int | None:
    """The port of its one engine; None where it serves nobody, or the port is not known.

    A variable may hold `--port` too, unless it stands where a flag takes one word.
    """
    asks = container.asks
    if asks is None or asks.headless or container.nim or "port" in asks.unread:
        return None
    if any(w.partition("=")[0] == "--uds" for w in container.words):
        return None
    if len(_servers(container)) > 1 or (asks.node_rank or 0) > 0:
        return None
    if asks.port is None and (container.may_have_more or _may_hold_more(container)):
        return None
    loose = any(is_loose(c.words) for c in container.commands)
    return None if loose else asks.port or USUAL.get(asks.engine)


def called(container: Container, port: int) -> str | int:
    """The name that the container gives this port, else its number."""
    names = (p.text("name") for p in container.place.each("ports") if _is(p.value, port))
    return next((n for n in names if n), port)


def _is(declared: object, port: int) -> bool:
    return isinstance(declared, dict) and declared.get("containerPort") == port


def _servers(container: Container) -> set[tuple[str, ...]]:
    """What it runs beside what serves nobody: its first word, of Python the module too."""
    every = (c.words for c in container.commands if not serves_nobody(c.words))
    return {w[:3] if "python" in w[0] else w[:1] for w in every}


_KUBERAYS = "KUBERAY_GEN_RAY_START_CMD"
"""The variable that holds KubeRay's own `ray start`; scripts `eval` it."""


def may_listen_for_ray(container: Container, number: int) -> bool:
    """Whether the port is Ray's own, and the container runs something of Ray."""
    return number in RAYS and any("ray" in text.text.lower() for text in container.texts)


def serves_nobody(words: tuple[str, ...]) -> bool:
    """Whether a command listens on no port but Ray's, and starts nothing that does."""
    script = any(w.endswith("multi-node-serving.sh") or _KUBERAYS in w for w in words[:2])
    return script or not words or words[0].rpartition("/")[2] in _BESIDE


def _may_hold_more(container: Container) -> bool:
    """Whether it reads a file of flags."""
    return any(w == "--config" or w.startswith("--config=") for w in container.words)


def is_loose(words: tuple[str, ...]) -> bool:
    """Whether a variable of it may hold several words."""
    pairs = zip(("", *words), words, strict=False)
    if serves_nobody(words):
        return False
    return any("$" in w and not w.startswith("-") and b not in _TAKE_A_WORD for b, w in pairs)
