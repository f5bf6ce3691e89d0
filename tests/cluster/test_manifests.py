"""From any member or owner, each kind of serving group that users write comes out whole."""

from pathlib import Path
from typing import Any

import pytest

from distcheck.agent.cluster.api import Query
from distcheck.agent.cluster.errors import Ambiguous
from distcheck.agent.cluster.finding.group import Group, find_group
from tests.cluster.manifests.folders import FOLDERS, expected, objects
from tests.cluster.manifests.world import cluster, jobs_served

MOST_CALLS = 16
"""To find a group: gathering takes pods, nodes and a list of agents on top."""


@pytest.fixture(autouse=True)
def _jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs_served(monkeypatch)


def cases(key: str) -> list[tuple[str, str]]:
    return [(f, t) for f in FOLDERS for t in expected(f, "group").get(key, ())]


def found(tmp_path: Path, folder: str, target: str) -> Group:
    with cluster(tmp_path, objects(folder)) as (api, _, _):
        return find_group(api, "llm", target)


@pytest.mark.parametrize(("folder", "target"), cases("targets"))
def test_every_member_and_owner_leads_to_the_whole_group(
    tmp_path: Path, folder: str, target: str
) -> None:
    group, wanted = found(tmp_path, folder, target), expected(folder, "group")
    assert [p.name for p in group.pods] == wanted["pods"]
    assert [p.gpus for p in group.pods] == wanted["gpus"]
    assert [p.role for p in group.pods] == ["leader"] + ["worker"] * (len(group.pods) - 1)
    assert group.pods[0].container == wanted["container"]
    assert (group.target.size, group.troubles) == (wanted.get("size"), ())
    assert wanted.get("says", "") in " ".join(group.notes)


@pytest.mark.parametrize(("folder", "target"), cases("ambiguous"))
def test_where_several_groups_fit_each_is_listed_once(
    tmp_path: Path, folder: str, target: str
) -> None:
    with pytest.raises(Ambiguous) as caught:
        found(tmp_path, folder, target)
    assert list(caught.value.candidates) == expected(folder, "group")["ambiguous"][target]


@pytest.mark.parametrize(("folder", "target"), cases("targets"))
def test_finding_a_group_takes_few_calls(tmp_path: Path, folder: str, target: str) -> None:
    with cluster(tmp_path, objects(folder)) as (api, _, _):
        find_group(api, "llm", target)
        assert 0 < api.calls <= MOST_CALLS


EVERY_KIND = ("leaderworkerset-vllm", "raycluster-multihost", "rayservice-llm", "nimservice-ray")


def test_a_wrong_guess_of_a_name_among_all_kinds_is_still_cheap(tmp_path: Path) -> None:
    installed = [o for f in EVERY_KIND for o in objects(f)]
    for one in installed:
        one["metadata"]["namespace"] = "other"
    with cluster(tmp_path, [*installed, *objects("deployment-head-workers")]) as (api, _, _):
        assert len(find_group(api, "llm", "llama-head-0").pods) == 3
        assert api.calls <= 18


def test_items_of_lists_need_no_kind(tmp_path: Path) -> None:
    """The API server leaves `kind` out of the items of its own lists."""
    with cluster(tmp_path, objects("deployment-head-workers")) as (api, _, _):
        listed = api.items

        def bare(path: str, query: Query = ()) -> list[dict[str, Any]]:
            hidden = ("kind", "apiVersion")
            return [{k: v for k, v in o.items() if k not in hidden} for o in listed(path, query)]

        api.items = bare  # type: ignore[method-assign]
        group = find_group(api, "llm", "llama-head")
    assert (len(group.pods), group.target.size, group.troubles) == (3, 3, ())
