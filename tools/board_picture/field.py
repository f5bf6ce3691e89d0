"""How a value is told: its field's settings, its text and its colour."""

import re
from collections.abc import Mapping
from typing import Any

COLORS = {
    "green": "#73bf69", "yellow": "#f2cc0c", "orange": "#ff9830", "red": "#f2495c",
    "purple": "#b877d9", "blue": "#5794f2",
}  # fmt: skip
PALETTE = ("#7eb26d", "#eab839", "#6ed0e0", "#ef843c", "#e24d42", "#1f78c1", "#ba43a9", "#705da0")
_STEPS = {
    "bytes": (1024, ("B", "KiB", "MiB", "GiB", "TiB")),
    "bps": (1000, ("b/s", "kb/s", "Mb/s", "Gb/s", "Tb/s")),
}
_TIMES = ((86400, "day"), (3600, "hour"), (60, "min"), (1, "s"), (0.001, "ms"))


def settings(panel: Mapping[str, Any], name: str, value: Any = None) -> dict[str, Any]:
    """The panel's defaults and what overrides say of the field of this name."""
    found = dict(panel["fieldConfig"]["defaults"])
    for override in panel["fieldConfig"].get("overrides", ()):
        if _meant(override["matcher"], name, value):
            for one in override["properties"]:
                found[one["id"]] = one["value"]
    return found


def _meant(matcher: Mapping[str, str], name: str, value: Any) -> bool:
    if matcher["id"] == "byType":
        return isinstance(value, float)
    return matcher["options"] == name


def shown(value: float | str | None, field: Mapping[str, Any]) -> tuple[str, str]:
    """Text and colour; the colour of what is not there is the base of the thresholds."""
    mapped = _mapped(value, field)
    text, color = _text(value, field), _threshold(value, field)
    if mapped:
        text, color = mapped.get("text") or text, mapped.get("color") or color
    return text, paint(color)


def paint(color: str) -> str:
    """A colour's name as this theme has it."""
    return COLORS.get(color, color)


def _mapped(value: float | str | None, field: Mapping[str, Any]) -> dict[str, str] | None:
    for one in field.get("mappings", ()):
        if one["type"] == "special" and value is None:
            found: dict[str, str] = one["options"]["result"]
            return found
        if one["type"] == "value" and _plain(value) in one["options"]:
            known: dict[str, str] = one["options"][_plain(value)]
            return known
    return None


def _plain(value: float | str | None) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _threshold(value: float | str | None, field: Mapping[str, Any]) -> str:
    steps = field.get("thresholds", {}).get("steps", [{"color": "#7b8087", "value": None}])
    color = steps[0]["color"]
    for step in steps[1:]:
        if isinstance(value, float) and value >= step["value"]:
            color = step["color"]
    return str(color)


def _text(value: float | str | None, field: Mapping[str, Any]) -> str:
    if value is None:
        return str(field.get("noValue", ""))
    if isinstance(value, str):
        return value
    return _number(value, field.get("unit", "none"), field.get("decimals"))


def _number(value: float, unit: str, decimals: int | None) -> str:
    if unit == "s":
        return _time(value)
    if unit == "percentunit":
        return f"{value * 100:.{decimals or 0}f} %"
    tail = ""
    if unit in _STEPS:
        value, tail = _scaled(value, *_STEPS[unit])
    elif unit.startswith("suffix:"):
        tail = unit.removeprefix("suffix:")
    text = f"{value:.{decimals}f}" if decimals is not None else _short(value)
    return f"{text} {tail.strip()}".strip()


def _short(value: float) -> str:
    return re.sub(r"[.]0+$", "", f"{value:.2f}")


def _scaled(value: float, base: int, names: tuple[str, ...]) -> tuple[float, str]:
    for name in names[:-1]:
        if abs(value) < base:
            return value, name
        value /= base
    return value, names[-1]


def _time(value: float) -> str:
    for seconds, name in _TIMES:
        if abs(value) >= seconds:
            number = value / seconds
            return f"{number:.0f} {name}" if number >= 10 else f"{_short(round(number, 1))} {name}"
    return "0 s"
