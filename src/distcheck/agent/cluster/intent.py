"""What specs and command lines ask for, and where each value was read."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct, structs

from distcheck.agent.cluster.podspec import (
    argv_of,
    containers,
    engine_container,
    environment,
    gpus_of,
)
from distcheck.agent.logs.argv import EngineFlags, engine_flags
from distcheck.checks.evidence import (
    Conflict,
    EngineArguments,
    Intent,
    NodeLook,
    PodLook,
    Processes,
)
from distcheck.checks.evidence.group import Engine

Object = dict[str, Any]

_FIELDS = ("model", "tp", "pp", "dp", "ep", "executor")
_DEGREES = ("tp", "pp", "dp")
_NIM = {"NIM_TENSOR_PARALLEL_SIZE": "tp", "NIM_PIPELINE_PARALLEL_SIZE": "pp"}
_EXPECTED = (*_DEGREES, "gpus", "nodes")


class Asked(Struct, frozen=True):
    """Values by field from one place, such as `args of vllm-head-0`."""

    source: str
    values: dict[str, Any]
    engine: Engine = "unknown"


def declared_intent(pods: Sequence[Object]) -> Intent:
    """What the specs of these raw pods (the leader first) ask for."""
    asked = [a for p in pods for a in _declared(p)]
    intent = _first_wins(asked)
    gpus = sum(gpus_of(c) for p in pods for c in containers(p))
    nodes = sum(any(gpus_of(c) for c in containers(p)) for p in pods)
    counted = f"GPU limits of {len(pods)} pods"
    sources = intent.sources | ({"gpus": counted, "nodes": counted} if gpus else {})
    return structs.replace(intent, gpus=gpus or None, nodes=nodes or None, sources=sources)


def _declared(pod: Object) -> Iterable[Asked]:
    name = pod["metadata"]["name"]
    main = engine_container(pod)
    for container in (main, *(c for c in containers(pod) if c is not main)):
        flags = engine_flags(argv_of(container))
        if flags is not None:
            yield Asked(f"args of {name}", _values(flags), _engine(container))
        elif "NIM_MODEL_PROFILE" in (values := environment(container)) or _NIM.keys() & values:
            yield Asked(f"environment of {name}", _nim_values(values), "nim")


def _engine(container: Object) -> Engine:
    return "nim" if "/nim/" in str(container.get("image", "")) else "vllm"


def _values(flags: EngineFlags) -> dict[str, Any]:
    values = {name: getattr(flags, name) for name in _FIELDS}
    return {k: v for k, v in values.items() if v is not None}


def _nim_values(environ: Mapping[str, str]) -> dict[str, Any]:
    found = {field: environ.get(name, "") for name, field in _NIM.items()}
    return {k: int(v) for k, v in found.items() if v.isdecimal()}


def _first_wins(asked: Iterable[Asked]) -> Intent:
    intent = Intent()
    for one in asked:
        intent = _followed(intent, one)
    return intent


def _followed(intent: Intent, asked: Asked) -> Intent:
    """`intent` with what `asked` adds; where the two differ, a conflict beside it."""
    changes: dict[str, Any] = {}
    sources, conflicts = dict(intent.sources), list(intent.conflicts)
    for name, value in asked.values.items():
        have = getattr(intent, name)
        if have is None:
            changes[name], sources[name] = value, asked.source
        elif have != value:
            conflicts.append(Conflict(name, str(value), asked.source))
        elif asked.source.startswith("argv"):
            sources[name] = asked.source
    if intent.engine == "unknown" and asked.engine != "unknown":
        changes["engine"], sources["engine"] = asked.engine, asked.source
    unique = tuple(dict.fromkeys(conflicts))
    return structs.replace(intent, **changes, sources=sources, conflicts=unique)


def with_argv(intent: Intent, looks: Iterable[NodeLook]) -> Intent:
    """`intent` beside the command lines that really run.

    Specs are followed where they are literal; an argv that differs is kept as a conflict,
    one that agrees is cited, and one that says more fills in.
    """
    for pod in (pod for look in looks for pod in look.pods):
        for asked in _of_pod(pod):
            intent = _followed(intent, asked)
    return intent


def _of_pod(pod: PodLook) -> Iterator[Asked]:
    """What its processes were started with; the server's words with its `--config` file's."""
    name, whole = pod.pod.rpartition("/")[2], pod.arguments
    processes = pod.processes.processes if isinstance(pod.processes, Processes) else ()
    for process in processes:
        is_server = isinstance(whole, EngineArguments) and whole.pid == process.pid
        asked = None if is_server else _running(process.argv, process.pid, name)
        if asked is not None:
            yield asked
    if isinstance(whole, EngineArguments):
        asked = _running(whole.words, whole.pid, name, whole.config_path, whole.unread)
        if asked is not None:
            yield asked


def _running(
    argv: Sequence[str],
    pid: int,
    pod: str,
    config: str | None = None,
    unread: Sequence[str] = (),
) -> Asked | None:
    flags = engine_flags(argv)
    if flags is None or flags.headless:
        return None
    beside = f", with {config}" if config else ""
    known = config is not None and not unread
    source = f"argv of {pod} (pid {pid}{beside})"
    return Asked(source, _values(flags) | _defaults(flags, config_read=known), "vllm")


def _defaults(flags: EngineFlags, *, config_read: bool) -> dict[str, Any]:
    """Degrees are 1 where the running vLLM command line names none (`vllm/config`)."""
    if flags.config is not None and not config_read:
        return {}
    unnamed = (d for d in _DEGREES if getattr(flags, d) is None and d not in flags.unread)
    return dict.fromkeys(unnamed, 1)


def with_expected(intent: Intent, expect: Mapping[str, int]) -> Intent:
    """`intent` with what the caller expects put over it."""
    changes = {k: v for k, v in expect.items() if k in _EXPECTED}
    sources = intent.sources | dict.fromkeys(changes, "--expect")
    kept = tuple(c for c in intent.conflicts if c.name not in changes)
    return structs.replace(intent, **changes, sources=sources, conflicts=kept)
