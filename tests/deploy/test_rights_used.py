"""What the code asks for is what the manifests grant: no more, and no less but what is named."""

from collections.abc import Iterable

import pytest

from distcheck.agent.cluster import reach
from tests.deploy.asked import asked, serve, verify_by_agents, verify_inside
from tests.deploy.manifests import DEPLOY, Object, documents
from tests.deploy.roles import granted_by

pytestmark = pytest.mark.xdist_group("rights")

INTO_PODS = {f"{verb} pods/portforward in llm" for verb in ("get", "create")}
"""Ray's GCS and the engine, where an agent does not answer: any port of any pod is too much."""


def cluster_wide() -> set[str]:
    """Policies that hold for all namespaces; NET003 names what it could not list."""
    return {r for r in asked(verify_by_agents) if r.endswith(" in all")}


def rights(objects: Iterable[Object]) -> set[str]:
    return {r for grant in granted_by(objects) for r in grant.rights()}


def covered(right: str, granted: set[str]) -> set[str]:
    """The grants that cover a right: the same one, or the same one for all namespaces."""
    verb_and_what, _, _ = right.partition(" in ")
    return granted & {right, f"{verb_and_what} in all"}


def compare(wanted: frozenset[str], objects: Iterable[Object]) -> tuple[set[str], set[str]]:
    """What is asked for and not granted, and what is granted and never asked for."""
    granted = rights(objects)
    used = {grant for right in wanted for grant in covered(right, granted)}
    return {r for r in wanted if not covered(r, granted)}, granted - used


def test_a_user_is_granted_what_verify_asks_for_and_no_more() -> None:
    wanted = asked(verify_by_agents) | asked(verify_inside)
    assert compare(wanted, documents(DEPLOY / "rbac-user.yaml")) == (set(), set())


def test_serve_is_granted_what_it_asks_for_but_no_way_into_the_pods() -> None:
    wanted = asked(serve, everywhere=True)
    assert compare(wanted, documents(DEPLOY / "serve" / "rbac.yaml")) == (INTO_PODS, set())


def test_a_gate_is_granted_its_namespace_and_the_agents() -> None:
    wanted = asked(verify_by_agents)
    assert compare(wanted, documents(DEPLOY / "rbac-gate.yaml")) == (
        INTO_PODS | cluster_wide(), set(),
    )  # fmt: skip
    places = {r.rpartition(" ")[2] for r in rights(documents(DEPLOY / "rbac-gate.yaml"))}
    assert places == {"llm", reach.AGENT_NAMESPACE}


def test_policies_of_the_cluster_are_listed_and_nothing_else_of_it() -> None:
    found = cluster_wide()
    assert len(found) == 6
    assert all(r.startswith("list ") and "policies" in r for r in found)


def test_a_right_too_many_and_one_too_few_would_be_found() -> None:
    objects = documents(DEPLOY / "rbac-gate.yaml")
    role = next(o for o in objects if o["kind"] == "Role")
    role["rules"][0]["verbs"] = ["get", "watch"]
    lacking, unused = compare(asked(verify_by_agents), objects)
    assert "list pods in llm" in lacking
    assert unused == {"watch pods in llm"}
