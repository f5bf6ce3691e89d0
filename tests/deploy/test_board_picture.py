"""The painter of the dashboard's picture: it shows what Prometheus said, and nothing else."""

import json
import sys
import xml.dom.minidom
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from tests.deploy.manifests import DEPLOY

BOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "distcheck.json").read_text())
CHOSEN = {"namespace": "llm", "workload": "vllm-head"}
GREENS = ("#73bf69", "#7eb26d")


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ModuleType, ModuleType]]:
    monkeypatch.syspath_prepend(str(DEPLOY.parent / "tools"))
    from board_picture import frames, picture  # type: ignore[import-not-found]  # noqa: PLC0415

    yield frames, picture
    for name in [n for n in sys.modules if n.startswith("board_picture")]:
        del sys.modules[name]


def nothing(_path: str, **_query: object) -> dict[str, list[object]]:
    return {"result": []}


def test_where_nothing_was_seen_every_panel_says_so_and_none_is_green(
    tools: tuple[ModuleType, ModuleType],
) -> None:
    frames, picture = tools
    drawn = picture.picture(BOARD, frames.Source(nothing, 0.0, 60.0, CHOSEN), (), ["vllm-head-0"])
    xml.dom.minidom.parseString(drawn)
    panels = [p for p in BOARD["panels"] if p["type"] != "row"]
    assert drawn.count(">not seen<") == len(panels)
    assert not any(green in drawn for green in GREENS)


def one(value: float, **labels: str) -> dict[str, object]:
    return {"metric": labels, "value": [60.0, str(value)]}


def test_queries_of_one_table_become_columns_of_one_row(
    tools: tuple[ModuleType, ModuleType],
) -> None:
    frames, _ = tools
    (panel,) = [p for p in BOARD["panels"] if p["title"] == "Groups"]

    def ask(_path: str, query: str, **_more: object) -> dict[str, list[dict[str, object]]]:
        value = 16.0 if "gpus_expected" in query else 4.0 if "== 1) * 4" in query else 0.0
        return {"result": [one(value, workload_namespace="llm", workload="vllm-head")]}

    (row,) = frames.Source(ask, 0.0, 60.0, CHOSEN).rows(panel)
    assert (row["Namespace"], row["Workload"], row["Verdict"], row["GPUs"]) == (
        "llm", "vllm-head", 4.0, 16.0,
    )  # fmt: skip


def test_a_pair_of_pods_that_nobody_tried_is_null_in_the_matrix(
    tools: tuple[ModuleType, ModuleType],
) -> None:
    frames, _ = tools
    (panel,) = [p for p in BOARD["panels"] if p["title"].startswith("Ports")]
    tried = [one(1, pair="a to b", service="gcs"), one(0, pair="b to a", service="raylet")]
    rows = frames.Source(lambda *_, **__: {"result": tried}, 0.0, 60.0, CHOSEN).rows(panel)
    assert rows == [
        {"From and to": "a to b", "gcs": 1.0, "raylet": None},
        {"From and to": "b to a", "gcs": None, "raylet": 0.0},
    ]
