"""Which pipeline stage has how many layers."""

import re

from distcheck.checks.evidence import Missing

_PARTITION = re.compile(r"[0-9]{1,5}(?:,[0-9]{1,5}){0,1000}", re.ASCII)


def layer_split(
    layers: int, pp: int, version: str | None, partition: str | None = None
) -> tuple[int, ...] | Missing:
    """Layers of each pipeline stage (vllm/distributed/utils.py, get_pp_indices).

    Up to 0.7.3 the last stage has the remainder; from 0.8.0 on the stages before the last have
    one layer more each, backwards. `partition` is VLLM_PP_LAYER_PARTITION; what vLLM would
    refuse is Missing with its reason.
    """
    if not 0 < pp <= layers:
        return Missing(f"{layers} layers cannot be cut into {pp} stages without an empty one")
    if partition is not None:
        return _as_told(layers, pp, partition)
    each, rest = divmod(layers, pp)
    if rest == 0:
        return (each,) * pp
    known = version_of(version)
    if known is None or (0, 7, 3) < known < (0, 8, 0):
        return Missing(f"how vLLM {version or 'of unknown version'} cuts {layers} layers by {pp}")
    if known <= (0, 7, 3):
        return (*(each,) * (pp - 1), each + rest)
    extra = range(pp - 1 - rest, pp - 1)
    return tuple(each + (i in extra) for i in range(pp))


def _as_told(layers: int, pp: int, partition: str) -> tuple[int, ...] | Missing:
    text = partition.replace(" ", "")[:6000]
    if not _PARTITION.fullmatch(text):
        return Missing(f"Invalid partition string: {partition[:80]}")
    told = tuple(int(part) for part in text.split(","))
    if len(told) != pp:
        return Missing(f"len(partitions)={len(told)} does not match pp_size={pp}.")
    if sum(told) != layers:
        return Missing(f"sum(partitions)={sum(told)} does not match num_hidden_layers={layers}.")
    if 0 in told:
        return Missing(f"VLLM_PP_LAYER_PARTITION={text} leaves a stage without a layer")
    return told


def version_of(text: str | None) -> tuple[int, int, int] | None:
    """The first three numbers of a version; None where it is not one."""
    found = re.match(r"(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?", text or "")
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None
