"""What one place asks for, before places are weighed against each other."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from distcheck.agent.logs.argv import EngineFlags
from distcheck.agent.logs.argv_engines import Server
from distcheck.agent.redact import allowed_environ, plain_text
from distcheck.checks.evidence.group import Engine

LAYOUT = ("tp", "pp", "dp", "ep")
OPEN = "arguments"
"""What is unread where a shell has yet to put in words that may be any flags."""
_FLAGS = ("model", *LAYOUT, "executor", "dp_local")
_NAMES = {name: name for name in _FLAGS} | {"nnodes": "nodes", OPEN: OPEN}
_MOST_MODEL = 200
ALIKE = ("NCCL_NET", "NCCL_NET_PLUGIN", "NCCL_IB_DISABLE", "NCCL_ALGO", "NCCL_PROTO")
"""Settings in which all ranks must be alike to talk to each other."""


class Asked(Struct, frozen=True):
    """Values by field of `Intent` from one place, such as `args of vllm-head-0`.

    `unread` maps fields that the place does ask for, in a form that cannot be read, to why.
    `settled` are fields that are known now, whatever another place could not read. What only
    `fills` says something where no other place does, and contradicts none.
    """

    source: str
    values: Mapping[str, Any]
    engine: Engine = "unknown"
    unread: Mapping[str, str] = {}
    ports: Mapping[str, int] = {}
    nccl: Mapping[str, str] = {}
    nccl_source: str = ""
    settled: tuple[str, ...] = ()
    fills: bool = False
    assumed: bool = False


def of_server(source: str, server: Server, engine: Engine | None = None) -> Asked:
    """What a command line asks for; `engine` where the image says more than the program."""
    flags = server.flags
    values = {name: getattr(flags, name) for name in _FLAGS}
    nodes = flags.nnodes if flags.dp in (None, 1) else None  # of one copy, not of all
    reasons = ((_NAMES[k], why) for k, why in flags.reasons.items() if k in _NAMES)
    values |= {"nodes": nodes, "ranks": server.ranks, "dp_balancer": _balancer(flags)}
    return Asked(
        source,
        {k: v for k, v in values.items() if v is not None},
        engine or server.engine,
        {k: plain_text(f"{source}: {why} is not known here") for k, why in reasons},
        ports_of(flags),
        nccl_of(server.variables),
    )


def ports_of(flags: EngineFlags) -> dict[str, int]:
    """The ports that a server's flags name."""
    _, colon, port = (flags.master_addr or "").rpartition(":")
    joined = int(port) if colon and port.isascii() and port.isdigit() and len(port) < 6 else None
    found = {
        "http": flags.port,
        "rendezvous": flags.master_port or joined,
        "data_parallel": flags.dp_rpc_port,
    }
    return {k: v for k, v in found.items() if v is not None and 0 < v < 65536}


def nccl_of(variables: Mapping[str, str]) -> dict[str, str]:
    """The NCCL settings among variables."""
    return {k: v for k, v in allowed_environ(variables).items() if k.startswith("NCCL_")}


def _balancer(flags: EngineFlags) -> str | None:
    if flags.dp_hybrid_lb:
        return "hybrid"
    if flags.dp_external_lb or flags.dp_rank is not None:
        return "external"
    return "internal" if (flags.dp or 1) > 1 else None


def same(name: str, one: Any, other: Any) -> bool:
    """Whether two places say the same; a model may be named by path, cache folder or name."""
    return bool(one == other) or (name == "model" and _plain(str(one)) == _plain(str(other)))


def _plain(model: str) -> str:
    """The last part of a model's name or path, as it is compared."""
    parts = [p for p in model[-_MOST_MODEL:].split("/") if p]
    cached = next((p for p in parts if p.startswith("models--")), None)
    last = cached.rpartition("--")[2] if cached else parts[-1] if parts else ""
    return last.lower()
