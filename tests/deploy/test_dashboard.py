"""The Grafana dashboard as a file: what a reader and Grafana need of every panel."""

import itertools
import json
import re
from typing import Any

import pytest

from distcheck.agent import families as agent
from distcheck.agent.openmetrics import BUILD
from distcheck.agent.serve import families as serve
from distcheck.checks.catalog import catalog
from tests.deploy.manifests import DEPLOY, kubectl

BOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "distcheck.json").read_text())
PANELS = [p for p in BOARD["panels"] if p["type"] != "row"]
GREY, NOT_SEEN = "#7b8087", "not seen"
GREEN = {"green", "dark-green", "semi-dark-green", "light-green", "super-light-green"}


def each_dict(value: Any) -> Any:
    """All objects in `value`, however deep."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    yield from [value] if isinstance(value, dict) else []
    for one in inner:
        yield from each_dict(one)


@pytest.mark.parametrize("panel", PANELS, ids=lambda p: str(p["title"]))
def test_a_panel_says_what_it_shows_and_in_which_unit(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert len(panel["description"]) > 30
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"]
    assert defaults["noValue"] == NOT_SEEN
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    assert all(t["datasource"] == panel["datasource"] for t in panel["targets"])


def test_every_metric_of_a_query_exists_and_has_the_labels_that_are_asked_for() -> None:
    families = {f"distcheck_{f.name}": f for f in (BUILD, *agent.FAMILIES, *serve.FAMILIES)}
    for query in (t["expr"] for p in PANELS for t in p["targets"]):
        for name, matchers in re.findall(r"(distcheck_\w+)(?:\{([^}]*)\})?", query):
            family = families[name.removesuffix("_total")]
            asked = set(re.findall(r"(\w+)=~?\"", matchers))
            assert asked <= set(family.labels), query


def test_what_was_not_seen_is_grey_whatever_the_panel() -> None:
    bases = [d["steps"][0] for d in each_dict(PANELS) if "steps" in d]
    assert bases
    assert all(base == {"color": GREY, "value": None} for base in bases)
    nulls = [d["options"]["result"] for d in each_dict(PANELS) if d.get("type") == "special"]
    assert nulls
    assert all((one["text"], one["color"]) == (NOT_SEEN, GREY) for one in nulls)


def test_no_query_puts_a_number_where_no_series_is() -> None:
    queries = [t["expr"] for p in PANELS for t in p["targets"]]
    assert not [q for q in queries if "vector(" in q or "absent(" in q]


def test_green_needs_a_pass_or_a_number() -> None:
    """A word that is not a pass, such as `unknown`, is never green."""
    words = {
        (result["text"], result["color"])
        for d in each_dict(PANELS)
        if d.get("type") == "value"
        for result in d["options"].values()
    }
    good = {text for text, color in words if color in GREEN}
    assert good == {
        "pass", "open", "up", "works", "rdma", "mnnvl", "peer-to-peer",
    }  # fmt: skip


def test_ids_are_unique_and_panels_do_not_overlap() -> None:
    ids = [p["id"] for p in BOARD["panels"]]
    assert len(ids) == len(set(ids))
    cells = [
        (x, y)
        for at in (p["gridPos"] for p in BOARD["panels"])
        for x, y in itertools.product(
            range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])
        )
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23


def test_rows_are_full_so_that_the_page_has_no_holes() -> None:
    cells: dict[int, int] = {}
    for at in (p["gridPos"] for p in BOARD["panels"]):
        for y in range(at["y"], at["y"] + at["h"]):
            cells[y] = cells.get(y, 0) + at["w"]
    assert set(cells.values()) == {24}


def test_every_variable_that_is_used_is_defined() -> None:
    defined = {v["name"] for v in BOARD["templating"]["list"]}
    text = json.dumps(BOARD)
    used = set(re.findall(r"\$\{?([a-z]\w*)", text))
    assert used == defined


def test_references_of_a_panel_are_unique() -> None:
    for panel in PANELS:
        names = [t["refId"] for t in panel["targets"]]
        assert len(names) == len(set(names)), panel["title"]


def test_a_check_leads_to_its_page() -> None:
    links = [d["url"] for d in each_dict(PANELS) if "checks.md#" in str(d.get("url"))]
    assert len(links) == 3
    anchors = (DEPLOY.parent / "docs" / "checks.md").read_text()
    assert all(f'<a id="{check.id}"></a>' in anchors for check in catalog())


def test_kustomize_makes_a_config_map_that_grafanas_sidecar_takes() -> None:
    import yaml  # type: ignore[import-untyped]  # noqa: PLC0415

    made = yaml.safe_load(kubectl("kustomize", str(DEPLOY / "grafana")))
    assert made["kind"] == "ConfigMap"
    assert made["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(made["data"]["distcheck.json"]) == BOARD
    assert len(made["data"]["distcheck.json"]) < 200_000, "kubectl apply keeps a copy of 256 KiB"
