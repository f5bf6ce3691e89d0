"""The dashboard as a whole: rows, variables, links; and its text."""

import json
from collections.abc import Iterator

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from .agents import agents
from .fleet import fleet
from .group import group, holds
from .look import DOCS
from .panels import SOURCE
from .promql import GROUP
from .wires import memory, reach, talks

ROWS = {
    "All groups": fleet,
    "$namespace/$workload": group,
    "Who holds what": holds,
    "Who talks over what": talks,
    "/dev/shm": memory,
    "Ray and ports": reach,
    "The agents themselves": agents,
}


def text() -> str:
    """The file that Grafana reads."""
    made = json.loads(JSONEncoder(sort_keys=True).encode(_board().build()))
    _number(made["panels"])
    return json.dumps(made, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _board() -> build.Dashboard:
    made = (
        build.Dashboard("distcheck: serving groups")
        .uid("distcheck")
        .description("Whether each multi-node LLM serving group is one sharded model on a healthy "
                     "interconnect, and why not. Grey is what nobody saw.")
        .tags(["distcheck", "gpu", "nccl", "ray"])
        .readonly()
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .time("now-6h", "now")
        .refresh("1m")
        .timezone("browser")
        .link(build.DashboardLink("Checks").url(f"{DOCS}/checks.md").target_blank(True))
        .link(build.DashboardLink("Symptoms").url(f"{DOCS}/symptoms.md").target_blank(True))
    )  # fmt: skip
    for variable in _variables():
        made = made.with_variable(variable)
    for title, panels in ROWS.items():
        made = made.with_row(build.Row(title))
        for panel in panels():
            made = made.with_panel(panel)
    return made


def _variables() -> Iterator[build.QueryVariable | build.DatasourceVariable]:
    yield build.DatasourceVariable("datasource").label("Data source").type("prometheus")
    yield _labels("namespace", "Namespace", "distcheck_verdict", "workload_namespace")
    own = 'distcheck_verdict{workload_namespace="$namespace"}'
    yield _labels("workload", "Workload", own, "workload")
    pods = f"distcheck_workload_pod_info{{{GROUP}}}"
    yield (
        _labels("pod", "Pod", pods, "workload_pod")
        .multi(True)
        .include_all(True)
        .current(model.VariableOption(text="All", value="$__all", selected=True))
        .hide(model.VariableHide.HIDE_VARIABLE)
    )


def _labels(name: str, title: str, series: str, label: str) -> build.QueryVariable:
    """The values of a label, read again when the time range changes."""
    query = {"query": f"label_values({series}, {label})", "refId": name}
    return (
        build.QueryVariable(name)
        .label(title)
        .query(query)
        .datasource(SOURCE)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
    )


def _number(panels: list[dict[str, object]]) -> None:
    """Ids in the order of the page, so that links to a panel stay."""
    for number, panel in enumerate(panels, 1):
        panel["id"] = number
