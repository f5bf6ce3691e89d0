"""What the engine's configuration line and its printed arguments say (vLLM 0.6 to 0.33)."""

import re

from msgspec import Struct
from msgspec.structs import replace

from distcheck.agent.logs.vllm_words import stronger
from distcheck.agent.redact import scrubbed
from distcheck.checks.evidence.vllm import EngineVersion, VllmLog

_ENGINE = re.compile(r"Initializing an? (?:(V[01]) )?LLM engine \(v([^)\s]{1,80})\)")
_SERVER = re.compile(r"vLLM API server version (\S{1,80})")
_BANNER = re.compile(r"█  version (\d\S{0,80})")
_HEADLESS = re.compile(r"Launching vLLM \(v([^)\s]{1,80})\) headless")
_VALUE = r"[\"']?\b{}[\"']?\s?[=:]\s?(?:'([^']{{0,512}})'|\"([^\"]{{0,512}})\"|([\w.\-/]{{1,512}}))"

CONFIG, ARGS, NON_DEFAULT = "with config:", "args: Namespace(", "non-default args:"
_NAMES = {
    "tp": "tensor_parallel_size",
    "pp": "pipeline_parallel_size",
    "dp": "data_parallel_size",
    "ep": "enable_expert_parallel",
    "dtype": "dtype",
    "quantization": "quantization",
    "block_size": "block_size",
    "executor": "distributed_executor_backend",
}
_CHOSEN = ("model", "tp", "pp", "ep", "dtype", "quantization")
_PATTERNS = {name: re.compile(_VALUE.format(flag)) for name, flag in _NAMES.items()}
_MODEL = re.compile(_VALUE.format("model"))
_MODEL_TAG = re.compile(_VALUE.format("model_tag"))
_SPECULATIVE = re.compile(r"\bspeculative_(?:config|model)'?[=:]\s?(?!None)\S")


class ConfigLine(Struct, frozen=True):
    """The parallelism and options that one line names; None for each that it does not."""

    kind: str
    version: str | None = None
    engine: EngineVersion | None = None
    model: str | None = None
    tp: int | None = None
    pp: int | None = None
    dp: int | None = None
    ep: bool | None = None
    dtype: str | None = None
    quantization: str | None = None
    block_size: int | None = None
    executor: str | None = None
    speculative: bool = False


def config_line(text: str) -> ConfigLine | None:
    """Read one line; None where it names neither a version nor a configuration."""
    for kind in (CONFIG, ARGS, NON_DEFAULT):
        if kind in text:
            return _config(kind, text)
    headless = _HEADLESS.search(text)
    if headless is not None:
        return ConfigLine("headless", version=headless[1])
    found = _SERVER.search(text) or _BANNER.search(text)
    if found is not None:
        return ConfigLine("version", version=found[1])
    if "tensor_parallel_size=" in text:
        return ConfigLine("fragment", tp=_number(text, "tp"), pp=_number(text, "pp"))
    return None


def configured(log: VllmLog, line: ConfigLine, source: str) -> VllmLog:
    """`log` with what `line` adds: the engine's own line first, then its printed arguments.

    Of two data-parallel sizes the larger is kept: each engine of a dense model resets its own
    to 1 (vLLM 0.14 and newer). A later line of the engine is a later start, and wins.
    """
    log = replace(
        log,
        version=line.version or log.version,
        engine=line.engine or log.engine or _engine_of(line.version),
    )
    if line.kind in ("version", "headless"):
        return log
    strong = line.kind == CONFIG
    named = {n: _chosen(getattr(line, n), getattr(log, n), strong=strong) for n in _CHOSEN}
    cited = source if strong or log.config_source is None else log.config_source
    return replace(
        log,
        **named,
        dp=max((d for d in (line.dp, log.dp) if d is not None), default=None),
        executor=stronger(line.executor, log.executor),
        speculative=line.speculative or log.speculative,
        config_source=cited,
    )


def _chosen(new: object, old: object, *, strong: bool) -> object:
    first, second = (new, old) if strong else (old, new)
    return second if first is None else first


def _engine_of(version: str | None) -> EngineVersion | None:
    """V0 was removed in 0.11."""
    found = re.match(r"0\.(\d+)", version or "")
    return "V1" if found and int(found[1]) >= 11 else None


def _config(kind: str, text: str) -> ConfigLine | None:
    engine = _ENGINE.search(text)
    if kind == CONFIG and engine is None:
        return None
    body = text[text.index(kind) + len(kind) :]
    return ConfigLine(
        kind=kind,
        version=engine[2] if engine else None,
        engine=_engine(text, engine[1]) if engine else None,
        model=_model(body),
        tp=_number(body, "tp"),
        pp=_number(body, "pp"),
        dp=_number(body, "dp"),
        ep=_boolean(_text(body, "ep")),
        dtype=(_text(body, "dtype") or "").removeprefix("torch.") or None,
        quantization=_text(body, "quantization"),
        block_size=_number(body, "block_size") if kind == CONFIG else None,
        executor=_executor(_text(body, "executor")),
        speculative=_SPECULATIVE.search(body) is not None,
    )


def _engine(text: str, named: str | None) -> EngineVersion:
    """0.6.6 and 0.7 say "an LLM engine" in both; the file of V1 is v1/engine/core.py."""
    return "V1" if named == "V1" or (named is None and "core.py:" in text) else "V0"


def _model(body: str) -> str | None:
    found = _MODEL.search(body) or _MODEL_TAG.search(body)
    value = None if found is None else _first(found)
    return None if value is None else scrubbed(value)


def _first(found: re.Match[str]) -> str | None:
    value = next((g for g in found.groups() if g), None)
    return None if value in (None, "None") else value


def _text(body: str, name: str) -> str | None:
    found = _PATTERNS[name].search(body)
    return None if found is None else _first(found)


def _number(body: str, name: str) -> int | None:
    value = _text(body, name)
    return int(value) if value and value.isascii() and value.isdigit() and len(value) < 8 else None


def _boolean(value: str | None) -> bool | None:
    return None if value is None else value == "True"


def _executor(value: str | None) -> str | None:
    return value if value in ("ray", "mp", "uni", "external_launcher") else None
