"""What a vLLM or `ray start` command line asks for. Pure functions of argument lists.

Rules of vLLM's parser: `--x=N` and `--x N`, `_` for `-` in long names, unique prefixes of
long names, and the last one wins (`vllm/utils` FlexibleArgumentParser over argparse).
"""

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

from distcheck.agent.logs.shell import commands

_ENTRY_POINTS = frozenset({"vllm.entrypoints.openai.api_server", "vllm.entrypoints.api_server"})


class EngineFlags(Struct, frozen=True, omit_defaults=True):
    """What a vLLM command line asks for; None for each that it does not name.

    `tp`, `pp` and `dp` are None where no flag names them: vLLM's own default is then 1,
    unless `config` names a YAML file with more flags.
    """

    model: str | None = None
    tp: int | None = None
    pp: int | None = None
    dp: int | None = None
    ep: bool | None = None
    nnodes: int | None = None
    node_rank: int | None = None
    master_addr: str | None = None
    master_port: int | None = None
    headless: bool = False
    executor: str | None = None
    port: int | None = None
    quantization: str | None = None
    dtype: str | None = None
    gpu_memory_utilization: float | None = None
    config: str | None = None
    unread: tuple[str, ...] = ()
    """Flags whose value is not a number because a shell has yet to fill it in (`$TP`)."""


class RayStart(Struct, frozen=True, omit_defaults=True):
    """What a `ray start` command line asks for; `num_gpus` None lets Ray count them."""

    head: bool
    address: str | None = None
    port: int | None = None
    num_gpus: int | None = None
    node_ip: str | None = None
    block: bool = False


_TEXT, _INT, _FLOAT, _BOOL = "text", "int", "float", "bool"
_FLAGS: Mapping[str, tuple[str, str]] = {
    "--model": ("model", _TEXT),
    "--tensor-parallel-size": ("tp", _INT),
    "--pipeline-parallel-size": ("pp", _INT),
    "--data-parallel-size": ("dp", _INT),
    "--enable-expert-parallel": ("ep", _BOOL),
    "--nnodes": ("nnodes", _INT),
    "--node-rank": ("node_rank", _INT),
    "--master-addr": ("master_addr", _TEXT),
    "--master-port": ("master_port", _INT),
    "--headless": ("headless", _BOOL),
    "--distributed-executor-backend": ("executor", _TEXT),
    "--port": ("port", _INT),
    "--quantization": ("quantization", _TEXT),
    "--dtype": ("dtype", _TEXT),
    "--gpu-memory-utilization": ("gpu_memory_utilization", _FLOAT),
    "--config": ("config", _TEXT),
}
_SHORT: Mapping[str, str] = {
    "-tp": "--tensor-parallel-size",
    "-pp": "--pipeline-parallel-size",
    "-dp": "--data-parallel-size",
    "-ep": "--enable-expert-parallel",
    "-n": "--nnodes",
    "-r": "--node-rank",
    "-q": "--quantization",
}
# Long flags that share a prefix with one above: an abbreviation that fits both is ambiguous.
_NEIGHBOURS = frozenset(
    {
        *("--model-impl", "--model-loader-extra-config", "--data-parallel-rank"),
        *("--data-parallel-size-local", "--data-parallel-start-rank", "--data-parallel-address"),
        *("--data-parallel-rpc-port", "--data-parallel-backend", "--data-parallel-hybrid-lb"),
        *("--data-parallel-external-lb", "--enable-lora", "--enable-prefix-caching"),
        *("--enable-chunked-prefill", "--enable-eplb", "--config-format", "--host", "--hf-token"),
        *("--quantization-config", "--quantization-param-path", "--max-model-len"),
    }
)
_NO_VALUE = frozenset({"--trust-remote-code", "--enforce-eager", "--disable-log-stats"})
_RAY_FLAGS: Mapping[str, tuple[str, str]] = {
    "--head": ("head", _BOOL),
    "--address": ("address", _TEXT),
    "--port": ("port", _INT),
    "--num-gpus": ("num_gpus", _INT),
    "--node-ip-address": ("node_ip", _TEXT),
    "--block": ("block", _BOOL),
}


def engine_flags(argv: Sequence[str]) -> EngineFlags | None:
    """What `argv` asks of vLLM; None where it starts no vLLM server.

    Looks inside shell strings (`bash -c "ray start ...; vllm serve ..."`); of several servers
    in one string the last is returned.
    """
    found = [rest for command in commands(argv) if (rest := _server_arguments(command)) is not None]
    return _engine(found[-1]) if found else None


def ray_start(argv: Sequence[str]) -> RayStart | None:
    """What `argv` asks of `ray start`; None where it does not start Ray."""
    found = [rest for command in commands(argv) if (rest := _ray_arguments(command)) is not None]
    if not found:
        return None
    values, _, _ = _read(found[-1], _RAY_FLAGS, {}, frozenset())
    values.setdefault("head", False)
    return RayStart(**values)  # type: ignore[arg-type] # the kinds in _RAY_FLAGS are its types


def _server_arguments(command: Sequence[str]) -> list[str] | None:
    for i, word in enumerate(command):
        name = word.rpartition("/")[2]
        if name == "vllm" and command[i + 1 : i + 2] == ("serve",):
            return list(command[i + 2 :])
        if word in _ENTRY_POINTS and i > 0 and command[i - 1] == "-m":
            return list(command[i + 1 :])
        if name == "api_server.py" and "vllm" in word:
            return list(command[i + 1 :])
    return None


def _ray_arguments(command: Sequence[str]) -> list[str] | None:
    for i, word in enumerate(command[:-1]):
        if word.rpartition("/")[2] == "ray" and command[i + 1] == "start":
            return list(command[i + 2 :])
    return None


def _engine(arguments: Sequence[str]) -> EngineFlags:
    values, positional, unread = _read(arguments, _FLAGS, _SHORT, _NEIGHBOURS)
    if positional:
        values["model"] = positional  # `vllm serve MODEL` names the model before any --model
    executor = values.get("executor")
    if executor is None and "--worker-use-ray" in arguments:
        values["executor"] = "ray"
    return EngineFlags(**values, unread=unread)  # type: ignore[arg-type] # kinds in _FLAGS


def _read(
    arguments: Sequence[str],
    flags: Mapping[str, tuple[str, str]],
    short: Mapping[str, str],
    neighbours: frozenset[str],
) -> tuple[dict[str, object], str | None, tuple[str, ...]]:
    """Values by field, the first positional word, and the flags whose value cannot be read."""
    values: dict[str, object] = {}
    unread: dict[str, None] = {}
    positional: str | None = None
    words = iter(arguments)
    for at, word in enumerate(words):
        if not word.startswith("-"):
            positional = word if at == 0 else positional
            continue
        name, equals, inline = word.partition("=")
        flag = _flag(name, flags, short, neighbours)
        if flag is None:
            continue
        field, kind = flags[flag]
        text = inline if equals else ("" if kind == _BOOL else next(words, ""))
        value = _value(kind, text)
        unread.pop(field, None)
        if value is None:
            unread[field] = None
        values[field] = value
    kept = {k: v for k, v in values.items() if v is not None}
    return kept, positional, tuple(unread)


def _flag(
    name: str,
    flags: Mapping[str, tuple[str, str]],
    short: Mapping[str, str],
    neighbours: frozenset[str],
) -> str | None:
    if name in short:
        return short[name]
    long = name.replace("_", "-")
    if long in flags:
        return long
    if not long.startswith("--") or long in neighbours or len(long) < 4:
        return None
    fits = [f for f in (*flags, *neighbours) if f.startswith(long)]
    return fits[0] if len(fits) == 1 and fits[0] in flags else None


def _value(kind: str, text: str) -> object:
    if kind == _BOOL:
        return text.lower() not in ("false", "0")
    if kind == _TEXT:
        return text or None
    pattern = r"\d{1,9}" if kind == _INT else r"\d{0,6}\.?\d{1,6}"
    if re.fullmatch(pattern, text, re.ASCII) is None:
        return None
    return int(text) if kind == _INT else float(text)
