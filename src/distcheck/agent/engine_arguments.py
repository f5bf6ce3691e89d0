"""What a vLLM server was really started with: its command line, and the file that it names."""

import json
from collections.abc import Iterator, Sequence

from msgspec import Struct

from distcheck.agent.logs.argv import EngineFlags, engine_flags
from distcheck.agent.probes.config_file import ConfigFile
from distcheck.agent.redact import redacted, shown_flag, shown_name
from distcheck.checks.evidence.serving import EngineArguments

_ENTRY = "vllm.entrypoints.openai.api_server"
_DRAFTS = ("--speculative-config", "-sc")
_DRAFT_KEYS = ("model", "method")
_WHOLE_NUMBER = 9
_DEGREES = {
    "tp": ("--tensor-parallel-size", "-tp"),
    "pp": ("--pipeline-parallel-size", "-pp"),
    "dp": ("--data-parallel-size", "-dp"),
}


class Started(Struct, frozen=True):
    """A server's command line, and the file that it names; neither is redacted."""

    pid: int
    argv: tuple[str, ...]
    started_at: str | None = None
    config_path: str | None = None
    file: ConfigFile = ConfigFile({})
    unread: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """`argv` with the file's arguments before its own, as vLLM puts them: its own win.

        A model that the command line names first stays first.
        """
        at = _first_argument(self.argv)
        return (*self.argv[:at], *self.file.words, *self.argv[at:])

    @property
    def flags(self) -> EngineFlags:
        """What the words ask for."""
        return engine_flags(self.words) or EngineFlags()

    def last(self, flag: str) -> str | None:
        """The value of `--flag` that wins."""
        return _last(self.words, flag)


def config_path(argv: Sequence[str], folder: str | None) -> str | None:
    """The file that `--config` names, from `folder` on; None where none is named.

    A relative name without a known folder stays relative.
    """
    flags = engine_flags(argv)
    if flags is None or flags.config is None:
        return None
    if flags.config.startswith("/") or folder is None:
        return flags.config
    return f"{folder.rstrip('/')}/{flags.config}"


def _first_argument(argv: Sequence[str]) -> int:
    """Where the server's own arguments begin, after the model of `vllm serve MODEL`."""
    for at, word in enumerate(argv):
        if word == "serve":
            named = argv[at + 1 : at + 2] and not argv[at + 1].startswith("-")
            return at + 2 if named else at + 1
        if word == _ENTRY or word.endswith("api_server.py"):
            return at + 1
    return len(argv)


def evidence(started: Started) -> EngineArguments:
    """`started` as it may leave the node: nothing outside the allow-list."""
    words, at = started.words, _first_argument(started.argv)
    shown = [shown_flag(name, values) for name, values in started.file.values.items()]
    added = tuple(word for flag in shown for word in flag)
    draft = draft_of(words)
    return EngineArguments(
        pid=started.pid,
        words=(
            *redacted(started.argv[:at]),
            *added,
            *redacted(started.argv[at:]),
            *_abbreviated(started),
        ),
        started_at=started.started_at,
        config_path=started.config_path and shown_name(started.config_path),
        from_config=added,
        left_out=sum(not flag for flag in shown),
        unread=started.unread,
        sleep_mode=_has(words, "--enable-sleep-mode"),
        cpu_offload_gib=_number(_last(words, "--cpu-offload-gb")),
        lora=_has(words, "--enable-lora"),
        max_loras=_whole(_last(words, "--max-loras")),
        draft_model=draft.get("model") and shown_name(draft["model"]),
        draft_method=draft.get("method") and shown_name(draft["method"]),
    )


def _abbreviated(started: Started) -> Iterator[str]:
    """Degrees that the words give under another spelling than the flag's own (`--tensor-par`)."""
    for name, flags in _DEGREES.items():
        asked = getattr(started.flags, name)
        if asked is not None and all(_last(started.words, flag) is None for flag in flags):
            yield f"{flags[0]}={asked}"


def draft_of(words: Sequence[str]) -> dict[str, str]:
    """`model` and `method` of speculative decoding, where the words ask for it.

    `--speculative-config` takes JSON, or one flag a key (`--speculative-config.model X`).
    """
    model = _last(words, "--speculative-model")
    found = {"model": model} if model else {}
    for name in _DRAFTS:
        found |= _read(_last(words, name))
        inside = ((key, _last(words, f"{name}.{key}")) for key in _DRAFT_KEYS)
        found |= {key: value for key, value in inside if value}
    return found


def _read(value: str | None) -> dict[str, str]:
    try:
        told = json.loads(value or "")
    except (ValueError, RecursionError):
        return {}
    told = told if isinstance(told, dict) else {}
    return {k: v for k in _DRAFT_KEYS if isinstance(v := told.get(k), str) and v}


def _has(words: Sequence[str], flag: str) -> bool:
    """Whether the switch is on: the last of `--x`, `--x=true` and `--no-x`."""
    on = False
    for word in words:
        name, _, value = word.replace("_", "-").partition("=")
        if name == flag:
            on = value.lower() not in ("false", "0")
        elif name == f"--no-{flag[2:]}":
            on = False
    return on


def _last(words: Sequence[str], flag: str) -> str | None:
    """The value that wins."""
    value: str | None = None
    for at, word in enumerate(words):
        name, equals, inline = word.partition("=")
        if name.replace("_", "-") == flag:
            value = inline if equals else next(iter(words[at + 1 : at + 2]), None)
    return value


def _whole(value: str | None) -> int | None:
    plain = value is not None and value.isascii() and value.isdigit()
    return int(value) if value and plain and len(value) <= _WHOLE_NUMBER else None


def _number(value: str | None) -> float | None:
    whole, dot, part = (value or "").partition(".")
    plain = (whole + part).isascii() and (whole + part).isdigit()
    return (
        float(f"{whole or 0}{dot}{part}") if plain and len(value or "") <= _WHOLE_NUMBER else None
    )
