"""Which pipeline stage has how many layers."""

import re

from distcheck.checks.evidence import Missing


def layer_split(layers: int, pp: int, version: str | None) -> tuple[int, ...] | Missing:
    """Layers of each pipeline stage (vllm/distributed/utils.py, get_pp_indices).

    0.6 gave the remainder to the last stage; 0.8.5 and newer give one layer each to the
    stages before the last, backwards.
    """
    if not 0 < pp <= layers:
        return Missing(f"{layers} layers cannot be cut into {pp} stages")
    each, rest = divmod(layers, pp)
    if rest == 0:
        return (each,) * pp
    known = _version(version)
    if known is None or (0, 7, 0) <= known < (0, 8, 5):
        return Missing(f"how vLLM {version or 'of unknown version'} cuts {layers} layers by {pp}")
    if known < (0, 7, 0):
        return (*(each,) * (pp - 1), each + rest)
    extra = range(pp - 1 - rest, pp - 1)
    return tuple(each + (i in extra) for i in range(pp))


def _version(text: str | None) -> tuple[int, int, int] | None:
    found = re.match(r"(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?", text or "")
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None
