"""Kubernetes quantities to whole numbers."""

from decimal import Decimal

from distcheck.pattern import pattern

_QUANTITY = pattern(
    r"(?P<number>[0-9]{0,40}\.?[0-9]{1,40})(?:(?P<power>[eE][+-]?[0-9]{1,3})|(?P<unit>[A-Za-z]{0,2}))\Z"
)
_UNITS = {
    "": Decimal(1),
    **{u: Decimal(10) ** (3 * i) for i, u in enumerate(("k", "M", "G", "T", "P", "E"), 1)},
    **{u: Decimal(1024) ** i for i, u in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
    "m": Decimal("0.001"),
}
_LONGEST = 128
_MOST = (1 << 63) - 1
"""Where the API server caps a quantity (apimachinery, `resource.Quantity`)."""


def parse_quantity(text: str | float) -> int | None:
    """`64Gi`, `1e3`, `500M` or a plain number as a whole number; None where it is none."""
    if isinstance(text, int):
        return min(text, _MOST) if text >= 0 else None
    m = _QUANTITY.match(str(text)[:_LONGEST].strip())
    if m is None:
        return None
    if m["power"]:
        return min(int(Decimal(m["number"] + m["power"])), _MOST)
    unit = _UNITS.get(m["unit"])
    return None if unit is None else min(int(Decimal(m["number"]) * unit), _MOST)
