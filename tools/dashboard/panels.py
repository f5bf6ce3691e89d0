"""Panels of each kind, with what all of ours share: a source, a size, and "not seen"."""

from typing import Any

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    nodegraph,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)  # fmt: skip
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as words
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from .look import BLUE, DOCS, GREY, NOT_SEEN, unseen

Panel = Builder[model.Panel]
SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")


def now(expr: str, legend: str = "", ref: str = "A") -> prometheus.Dataquery:
    """The value at the end of the time range."""
    query = prometheus.Dataquery().expr(expr).ref_id(ref).datasource(SOURCE).instant()
    return query.legend_format(legend) if legend else query


def rows(expr: str, ref: str = "A") -> prometheus.Dataquery:
    """The values now, with each label as a column."""
    return now(expr, ref=ref).format(PromQueryFormat.TABLE)


def over(expr: str, legend: str, ref: str = "A") -> prometheus.Dataquery:
    """The values over the time range."""
    query = prometheus.Dataquery().expr(expr).ref_id(ref).datasource(SOURCE).range()
    return query.legend_format(legend)


def stats(title: str, says: str, unit: str, *queries: prometheus.Dataquery) -> stat.Panel:
    """Numbers, their colour behind them."""
    made = _dressed(stat.Panel(), title, says, unit, queries)
    return (
        made.height(4)
        .color_mode(words.BigValueColorMode.BACKGROUND_SOLID)
        .graph_mode(words.BigValueGraphMode.NONE)
        .justify_mode(words.BigValueJustifyMode.CENTER)
        .reduce_options(_last())
        .mappings([unseen()])
    )


def bars(title: str, says: str, unit: str, *queries: prometheus.Dataquery) -> bargauge.Panel:
    """One bar a series, against thresholds."""
    made = _dressed(bargauge.Panel(), title, says, unit, queries)
    return (
        made.display_mode(words.BarGaugeDisplayMode.BASIC)
        .orientation(words.VizOrientation.HORIZONTAL)
        .value_mode(words.BarGaugeValueMode.COLOR)
        .reduce_options(_last())
        .mappings([unseen()])
        .min(0)
    )


def lines(title: str, says: str, unit: str, *queries: prometheus.Dataquery) -> timeseries.Panel:
    """Lines over time; where nothing was seen the line has a gap."""
    made = _dressed(timeseries.Panel(), title, says, unit, queries)
    legend = common.VizLegendOptions().show_legend(True)
    return (
        made.legend(
            legend.display_mode(words.LegendDisplayMode.LIST).placement(
                words.LegendPlacement.BOTTOM
            )
        )
        .span_nulls(False)
        .line_width(2)
        .fill_opacity(8)
        .axis_soft_min(0)
    )


def timeline(title: str, says: str, *queries: prometheus.Dataquery) -> statetimeline.Panel:
    """Outcomes over time, one bar a series."""
    made = _dressed(statetimeline.Panel(), title, says, "none", queries)
    legend = common.VizLegendOptions().show_legend(False)
    return (
        made.merge_values(True)
        .show_value(words.VisibilityMode.NEVER)
        .row_height(0.85)
        .fill_opacity(85)
        .line_width(0)
        .legend(legend)
    )


def grid(title: str, says: str, *queries: prometheus.Dataquery, unit: str = "none") -> table.Panel:
    """A table; queries of the same labels become columns of one row."""
    made = _dressed(table.Panel(), title, says, unit, queries)
    made = made.show_header(True).cell_height(words.TableCellHeight.SM)
    if len(queries) > 1:
        made = made.with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
    return made.mappings([unseen()])


def graph(title: str, says: str, nodes: str, edges: str) -> nodegraph.Panel:
    """A node graph: `nodes` has the label `id`, `edges` has `id`, `source` and `target`."""
    queries = rows(nodes, "nodes"), rows(edges, "edges")
    return _dressed(nodegraph.Panel(), title, says, "none", queries)


def columns(panel: table.Panel, **names: str) -> table.Panel:
    """Show these fields in this order under these names; the time of the query is left out."""
    renamed = {field.replace("__", " #"): name for field, name in names.items()}
    options = {
        "excludeByName": {"Time": True},
        "indexByName": {field: n for n, field in enumerate(renamed)},
        "renameByName": renamed,
    }
    return panel.with_transformation(model.DataTransformerConfig("organize", options=options))


def column(panel: table.Panel, name: str, **properties: Any) -> table.Panel:
    """Settings of one column; `mappings`, `unit`, `color`, `links`, `width`..."""
    made = [model.DynamicConfigValue(_ID.get(k, k), v) for k, v in properties.items()]
    return panel.override_by_name(name, made)


def background() -> dict[str, str]:
    """The cell has the colour of its value."""
    return {"type": "color-background", "mode": "basic"}


def check_link(name: str) -> list[dict[str, Any]]:
    """To the page of the check that `name` gives."""
    url = f"{DOCS}/checks.md#{name}"
    return [{"title": "What this check proves, and what to do", "url": url, "targetBlank": True}]


def check_links(name: str) -> list[Builder[model.DashboardLink]]:
    """The same as a panel's data links."""
    (one,) = check_link(name)
    return [build.DashboardLink(one["title"]).url(one["url"]).target_blank(True)]


_ID = {"cell": "custom.cellOptions", "width": "custom.width", "color_mode": "color"}


def _dressed(made: Any, title: str, says: str, unit: str, queries: Any) -> Any:
    """What every panel has."""
    made = made.title(title).description(says).datasource(SOURCE).no_value(NOT_SEEN)
    for query in queries:
        made = made.with_target(query)
    return made.unit(unit)


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)


def fixed(color: str) -> build.FieldColor:
    """One colour whatever the value."""
    return build.FieldColor().mode(model.FieldColorModeId.FIXED).fixed_color(color)


PLAIN = fixed(BLUE)
UNSEEN = fixed(GREY)
