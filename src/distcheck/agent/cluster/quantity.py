"""Kubernetes quantities to whole numbers."""

import re
from decimal import Decimal

_QUANTITY = re.compile(
    r"(?P<number>[0-9]{0,40}\.?[0-9]{1,40})(?P<unit>[eE][+-]?[0-9]{1,3}|[A-Za-z]{0,2})\Z"
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
    if m["unit"][:1] in ("e", "E") and len(m["unit"]) > 1 and m["unit"] not in _UNITS:
        return min(int(Decimal(m["number"] + m["unit"])), _MOST)
    unit = _UNITS.get(m["unit"])
    return None if unit is None else min(int(Decimal(m["number"]) * unit), _MOST)
