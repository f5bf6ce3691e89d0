"""NIM's own lines (1.0 and newer): the profile that it chose, and what that profile says.

The profile says what the engine under it is given; what that engine made of it stands in
the engine's own lines.
"""

import re

from msgspec.structs import replace

from distcheck.checks.evidence.engine import EngineLog

NEEDLES = ("Selected profile: ", "Profile metadata: ", "engine_world_size=", "LLM NIM Version ")

_SELECTED = re.compile(r"Selected profile: (\w{1,80})(?: \(([\w.\-+:/]{1,120})\))?")
_METADATA = re.compile(r"Profile metadata: (\w{1,40}): ([\w.\-+:/]{1,80})")
_WORLD = re.compile(r"\bengine_world_size=(\d{1,6})\b")
_VERSION = re.compile(r"LLM NIM Version (\d[\w.\-]{0,40})")
_SIZES = ("tp", "pp")
_WORDS = {"llm_engine": "backend", "precision": "precision"}


def read(log: EngineLog, text: str, source: str) -> EngineLog:
    """`log` with what one line of NIM's adds."""
    version, world = _VERSION.search(text), _WORLD.search(text)
    if version is not None:
        log = replace(log, engine="nim", version=version[1])
    if world is not None:
        log = replace(log, engine="nim", world_size=int(world[1]))
    chosen, told = _SELECTED.search(text), _METADATA.search(text)
    if chosen is not None:
        log = replace(log, engine="nim", profile=chosen[2] or chosen[1], config_source=source)
    return log if told is None else _metadata(log, told[1], told[2], source)


def _metadata(log: EngineLog, name: str, value: str, source: str) -> EngineLog:
    known = replace(log, engine="nim", config_source=log.config_source or source)
    if name in _WORDS:
        return replace(known, **{_WORDS[name]: value})
    if name in _SIZES and value.isascii() and value.isdigit() and len(value) < 7:
        return replace(known, **{name: int(value)})
    return known
