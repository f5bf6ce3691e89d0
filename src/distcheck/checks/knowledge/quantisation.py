"""How a checkpoint's weights are quantised, read from its `config.json`."""

from collections.abc import Mapping
from typing import Literal

from distcheck.checks.evidence import Missing

Quantisation = Literal["none", "fp8", "fp8_block", "fp8_channel", "int4"]

_INT4_METHODS = ("awq", "awq_marlin")


def quantisation_of(config: Mapping[str, object], named: str | None) -> Quantisation | Missing:
    """The checkpoint's own quantisation, else the one that `named` applies while loading."""
    stored = config.get("quantization_config")
    if not isinstance(stored, dict):
        return _online(named)
    method = stored.get("quant_method")
    if method == "fp8" and stored.get("weight_block_size"):
        return "fp8_block" if stored["weight_block_size"] == [128, 128] else _unmodelled(method)
    if method == "fp8":
        return "fp8"
    if method == "fbgemm_fp8":
        return "fp8_channel"
    if method in _INT4_METHODS and stored.get("bits", stored.get("w_bit")) == 4:
        return "int4"
    return _unmodelled(method)


def _online(named: str | None) -> Quantisation | Missing:
    """`--quantization` on a checkpoint that is not quantised itself."""
    if named is None:
        return "none"
    return "fp8" if named == "fp8" else _unmodelled(named)


def _unmodelled(method: object) -> Missing:
    return Missing(f"weights quantised with {method!r} are not modelled")


def kept_in_16_bit(config: Mapping[str, object]) -> frozenset[str]:
    """Names of layers that the checkpoint does not quantise."""
    stored = config.get("quantization_config")
    names = stored.get("modules_to_not_convert") if isinstance(stored, dict) else None
    return (
        frozenset(n for n in names if isinstance(n, str))
        if isinstance(names, list)
        else frozenset()
    )


def group_size(config: Mapping[str, object]) -> int:
    """Weights that share one scale; 128 where the file does not say."""
    stored = config.get("quantization_config")
    group = (
        stored.get("group_size", stored.get("q_group_size")) if isinstance(stored, dict) else None
    )
    return group if isinstance(group, int) and group > 0 else 128
