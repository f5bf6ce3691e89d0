"""What the caller may not do is told before it fails, with what is lost by it."""

from pathlib import Path
from typing import Any, cast

import pytest

from distcheck.agent.cluster import access
from distcheck.agent.cluster.api import Api
from distcheck.agent.cluster.errors import NotFound
from distcheck.lab.apiserver import Denial
from tests.cluster.manifests.build import two_nodes
from tests.cluster.manifests.world import cluster

POLICIES, SLICES = "networkpolicies", "endpointslices"
GROUPS = ["", "networking.k8s.io", "discovery.k8s.io"]
LISTED = ["pods", "services", "events", POLICIES, SLICES]
NEEDS = (*access.OF_GROUP, *access.WITHOUT_AGENTS, *access.EXEC)


class Rules:
    """An API server that answers reviews of rules, and of single verbs."""

    def __init__(self, rules: object, *, incomplete: bool = False, allowed: bool = False) -> None:
        self.asked: list[str] = []
        self._answers = {
            "SelfSubjectRulesReview": {"resourceRules": rules, "incomplete": incomplete},
            "SelfSubjectAccessReview": {"allowed": allowed},
        }

    def create(self, _path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(body["kind"])
        return {**body, "status": self._answers[body["kind"]]}


def said(rules: Rules) -> tuple[str, ...]:
    return access.lacking(cast(Api, rules), "llm", NEEDS)


def rule(verbs: list[str], resources: list[str], groups: list[str] | None = None) -> dict[str, Any]:
    return {"verbs": verbs, "resources": resources, "apiGroups": groups or GROUPS}


def test_one_question_tells_all_rules() -> None:
    rules = Rules([rule(["*"], ["*"], ["*"])])
    assert said(rules) == ()
    assert rules.asked == ["SelfSubjectRulesReview"]


def test_each_resource_that_lacks_a_verb_is_said_once_with_what_is_lost() -> None:
    every = [*LISTED, "pods/log", "pods/portforward"]
    rules = Rules([rule(["get", "list", "create"], every), rule(["get"], ["pods/exec"])])
    (told,) = said(rules)
    assert told.startswith("you may not create pods/exec in namespace llm: nothing inside")


def test_a_star_is_every_resource_but_a_name_is_not_its_subresource() -> None:
    assert said(Rules([rule(["*"], ["pods", "services", "events", "*/log", "*/exec"])])) != ()
    assert said(Rules([rule(["*"], ["*"])])) == ()


def test_a_rule_counts_in_its_own_api_group_alone() -> None:
    told = said(Rules([rule(["*"], ["*"], [""])]))
    assert [t.split(" in ")[0] for t in told] == [f"you may not list {r}" for r in LISTED[3:]]


def test_a_rule_for_some_names_does_not_cover_a_resource() -> None:
    some = {**rule(["*"], ["*"]), "resourceNames": ["vllm-head-0"]}
    assert len(said(Rules([some]))) == 8


def test_where_the_rules_are_not_all_each_open_need_is_asked_on_its_own() -> None:
    rules = Rules([rule(["list"], LISTED)], incomplete=True, allowed=True)
    assert said(rules) == ()
    assert rules.asked.count("SelfSubjectAccessReview") == len(NEEDS) - len(LISTED)


@pytest.mark.parametrize("rules", [None, [None, 5], [{"verbs": "get"}], {"a": 1}, "x"])
def test_rules_of_another_shape_are_no_right(rules: object) -> None:
    assert len(said(Rules(rules))) == 8


def test_a_server_that_reviews_nothing_is_no_refusal() -> None:
    class Nothing(Rules):
        def create(self, _path: str, body: dict[str, Any]) -> dict[str, Any]:
            raise NotFound(str(body["kind"]))

    assert said(Nothing([])) == ()


def test_the_stand_in_is_asked_verb_by_verb(tmp_path: Path) -> None:
    denied = (Denial(("get",), ("pods/log",)), Denial(("list",), ("events",)))
    with cluster(tmp_path, two_nodes(), denied=denied) as (api, _, _):
        told = access.lacking(api, "llm", NEEDS)
    assert [t.split(" in ")[0] for t in told] == [
        "you may not list events",
        "you may not get pods/log",
    ]
