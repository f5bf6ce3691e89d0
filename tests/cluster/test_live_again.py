"""A group that is looked at again and again is judged again where something was edited."""

from copy import deepcopy
from typing import Any

import pytest

from distcheck.agent.cluster.finding.written import Written
from distcheck.agent.manifests import live_again
from distcheck.agent.manifests.live import judged_live
from distcheck.agent.manifests.live_again import LiveRules
from distcheck.checks.evidence import Missing
from distcheck.checks.evidence.manifests import Manifests
from distcheck.checks.evidence.policy import NetworkPolicies
from tests.cluster.manifests.folders import manifests

GROUP = manifests("leaderworkerset-vllm")[0]
CLOSED: dict[str, dict[str, object]] = {"closed": {"podSelector": {}, "policyTypes": ["Ingress"]}}
Looks = list[tuple[Any, ...]]


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    """Each time that the rules judged something."""
    told: Looks = []

    def counted(*given: Any) -> Manifests | Missing:
        told.append(given)
        return judged_live(*given)

    monkeypatch.setattr(live_again, "judged_live", counted)
    return told


def group(image: str = "vllm/vllm-openai:v0.10.2", **more: Any) -> Written:
    one = deepcopy(GROUP)
    for part in ("leaderTemplate", "workerTemplate"):
        one["spec"]["leaderWorkerTemplate"][part]["spec"]["containers"][0]["image"] = image
    return Written((one | more,))


def ids(found: Manifests | Missing) -> set[str]:
    assert isinstance(found, Manifests)
    return {f.id for f in found.findings}


def test_what_did_not_change_is_judged_once_whatever_its_status_says(looks: Looks) -> None:
    rules, first = LiveRules(), group(status={"readyReplicas": 0})
    again = group(status={"readyReplicas": 1})
    again.workloads[0]["metadata"] |= {"resourceVersion": "7", "managedFields": [{"time": "now"}]}
    assert rules.judged(first) is rules.judged(again)
    assert len(looks) == 1


def test_an_edited_object_is_judged_again(looks: Looks) -> None:
    rules = LiveRules()
    assert "CONF075" not in ids(rules.judged(group()))
    assert "CONF075" in ids(rules.judged(group("vllm/vllm-openai:latest")))
    assert "CONF075" not in ids(rules.judged(group()))
    assert len(looks) == 2


def test_policies_and_what_could_not_be_read_count_too(looks: Looks) -> None:
    rules, one = LiveRules(), group()
    assert "CONF029" not in ids(rules.judged(one, NetworkPolicies({}, "GET")))
    assert "CONF029" in ids(rules.judged(one, NetworkPolicies(CLOSED, "GET")))
    rules.judged(one, Missing("refused"))
    rules.judged(Written(one.workloads, unread={"PersistentVolumeClaim": "refused"}))
    assert len(looks) == 4


def test_of_many_groups_only_the_last_are_kept(
    looks: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_again, "_MOST", 2)
    rules = LiveRules()
    for tag in ("v1", "v2", "v1", "v3", "v1", "v2"):
        rules.judged(group(f"vllm/vllm-openai:{tag}"))
    assert len(looks) == 4


def test_what_could_not_be_judged_is_tried_again(looks: Looks) -> None:
    rules = LiveRules()
    for _ in range(2):
        assert isinstance(rules.judged(Written(why="refused")), Missing)
    assert len(looks) == 2
