"""SGLang's own lines (0.3 to 0.5): its arguments, its weights, its start.

The memory that a rank's weights took is a difference of free memory on its GPU, so it holds
what the allocator took with them.
"""

import re

from msgspec.structs import replace

from distcheck.agent.logs.engine_ranks import with_rank
from distcheck.checks.evidence.engine import EngineLog, EngineRank

NEEDLES = ("ServerArgs(", "Load weight end", "server is fired up")

_LABEL = re.compile(
    r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d((?: (?:DP|PP|TP|EP|CP|ATTN_DP)\d{1,6}){1,6})\]"
)
_WEIGHTS = re.compile(r"Load weight end\..{0,400}?\bmem usage=(\d{1,6}(?:\.\d{1,6})?) GB")
_MODEL = re.compile(r"\bmodel_path=['\"]([^'\"]{1,300})")
_SIZES = {"tp": "tp_size", "pp": "pp_size", "dp": "dp_size", "nodes": "nnodes"}
_PATTERNS = {n: re.compile(rf"[( ]{flag}=(\d{{1,6}})[,)]") for n, flag in _SIZES.items()}


def read(log: EngineLog, text: str, source: str) -> EngineLog:
    """`log` with what one line of SGLang's adds."""
    if "ServerArgs(" in text:
        return _arguments(log, text, source)
    if "server is fired up" in text:
        return replace(log, started=True, started_source=source)
    return _weights(log, text, source)


def _arguments(log: EngineLog, text: str, source: str) -> EngineLog:
    found = {name: pattern.search(text) for name, pattern in _PATTERNS.items()}
    if found["tp"] is None:
        return log
    model = _MODEL.search(text)
    sizes = {name: int(match[1]) for name, match in found.items() if match is not None}
    named = model[1] if model else log.model
    begins = {"started": False, "started_source": source} if log.started else {}
    log = replace(log, engine="sglang", model=named, config_source=source, **begins)
    return replace(
        log,
        tp=sizes.get("tp", log.tp),
        pp=sizes.get("pp", log.pp),
        dp=sizes.get("dp", log.dp),
        nodes=sizes.get("nodes", log.nodes),
    )


def _weights(log: EngineLog, text: str, source: str) -> EngineLog:
    found, label = _WEIGHTS.search(text), _LABEL.search(text)
    if found is None:
        return log
    name = label[1].strip() if label else ""
    return with_rank(log, EngineRank(source, label=name, gib=float(found[1])))
