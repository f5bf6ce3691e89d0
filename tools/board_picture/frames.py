"""What Prometheus answers to a panel's queries, as tables and as series."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

Ask = Callable[..., Any]
Row = dict[str, str | float | None]


class Series(Struct):
    """One series: its name as the legend has it, its labels, and points (time, value)."""

    name: str
    ref: str
    labels: dict[str, str]
    points: list[tuple[float, float]]

    @property
    def last(self) -> float:
        """The newest value."""
        return self.points[-1][1]


class Source(Struct):
    """Where to ask, for which time, and with which variables."""

    ask: Ask
    start: float
    end: float
    variables: dict[str, str]

    def filled(self, text: str) -> str:
        """The text with variables in place; names that are none stay, as in Grafana."""
        values = self.variables | {"__range": f"{self.end - self.start:.0f}s"}
        return re.sub(r"\$([a-z_]+)", lambda m: values.get(m[1], m[0]), text)

    def series(self, panel: Mapping[str, Any]) -> list[Series]:
        """All series of the panel's queries."""
        return [one for target in panel["targets"] for one in self._of(target)]

    def _of(self, target: Mapping[str, Any]) -> list[Series]:
        query = self.filled(target["expr"])
        if target.get("instant"):
            found = self.ask("query", query=query, time=self.end)["result"]
        else:
            step = (self.end - self.start) / 240
            span = {"start": self.start, "end": self.end, "step": step}
            found = self.ask("query_range", query=query, **span)["result"]
        return [self._named(target, one) for one in found]

    def _named(self, target: Mapping[str, Any], one: Mapping[str, Any]) -> Series:
        legend = target.get("legendFormat") or target["refId"]
        labels = one["metric"]
        name = re.sub(r"{{(\w+)}}", lambda m: labels.get(m[1], ""), legend)
        points = one.get("values") or [one["value"]]
        return Series(name, target["refId"], labels, [(float(t), float(v)) for t, v in points])

    def rows(self, panel: Mapping[str, Any]) -> list[Row]:
        """The panel's table, after its transformations."""
        several = len(panel["targets"]) > 1
        rows: list[Row] = []
        for one in self.series(panel):
            value = f"Value #{one.ref}" if several else "Value"
            _merge(rows, {**one.labels, value: one.last})
        for step in panel.get("transformations", ()):
            rows = _STEPS[step["id"]](rows, step["options"])
        return rows


def _merge(rows: list[Row], new: Row) -> None:
    """Into the row that has the same in every column of both, as Grafana's `merge` does."""
    for row in rows:
        both = row.keys() & new.keys()
        if both and all(row[k] == new[k] for k in both):
            row.update(new)
            return
    rows.append(new)


def _organize(rows: list[Row], options: Mapping[str, Any]) -> list[Row]:
    names = options.get("renameByName", {})
    order = options.get("indexByName", {})
    known = sorted(dict.fromkeys(k for row in rows for k in row), key=lambda k: order.get(k, 99))
    known = [k for k in known if not options.get("excludeByName", {}).get(k)]
    return [{names.get(k, k): row.get(k) for k in known} for row in rows]


def _matrix(rows: list[Row], options: Mapping[str, Any]) -> list[Row]:
    across = sorted({str(row[options["columnField"]]) for row in rows})
    head = f"{options['rowField']}\\{options['columnField']}"
    made: dict[str, Row] = {}
    for row in rows:
        name = str(row[options["rowField"]])
        line = made.setdefault(name, {head: name, **dict.fromkeys(across)})
        line[str(row[options["columnField"]])] = row[options["valueField"]]
    return list(made.values())


_STEPS = {"merge": lambda rows, _: rows, "organize": _organize, "groupingToMatrix": _matrix}
