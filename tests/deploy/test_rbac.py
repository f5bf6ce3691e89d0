"""The roles that we ship are enough for what the code asks, and give no more than they say."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from distcheck.agent.cluster import reach
from distcheck.lab.scenarios import load
from distcheck.lab.world import World
from tests.deploy.manifests import DEPLOY, documents
from tests.deploy.roles import OnlyRoles, granted, refusals
from tests.serve.test_serve_process import get, serving, until
from tests.warm import warm, warm_world

USER, SERVE = DEPLOY / "rbac-user.yaml", DEPLOY / "serve" / "rbac.yaml"
GATE = DEPLOY / "rbac-gate.yaml"
FILES = [USER, SERVE, GATE]
EVERYWHERE = "list pods in all"
"""Asked first to find agents in a namespace of any name; then `distcheck` alone."""


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    os.environ["DISTCHECK_LAB_RAY"] = "replayed"
    with warm_world(load("healthy-tp16")) as world:
        yield world


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    yield from refusals(monkeypatch)


def run(world: World, *words: str) -> dict[str, Any]:
    done = warm().run(["distcheck", *words, "--kubeconfig", str(world.kubeconfig)])
    assert done.stdout, done.stderr.decode()
    return outcomes(done.stdout)


def outcomes(report: bytes) -> dict[str, Any]:
    return {c["id"]: (c["outcome"], c["cause"]) for c in json.loads(report)["checks"]}


WAYS = {
    ("verify", "vllm-head-0"): USER,
    ("verify", "sts/vllm-worker"): GATE,
    ("verify", "vllm-head-0", "--no-agents"): USER,
}


@pytest.mark.parametrize("words", WAYS, ids=" ".join)
def test_a_user_and_a_gate_with_this_role_find_what_an_administrator_finds(
    world: World, refused: set[str], words: tuple[str, ...]
) -> None:
    world.api.denied = ()
    free = run(world, *words, "-o", "json")
    world.api.denied = (OnlyRoles(grants=granted(WAYS[words])),)
    assert run(world, *words, "-o", "json") == free
    assert refused <= {EVERYWHERE}


def test_serve_with_its_role_finds_what_an_administrator_finds(
    world: World, refused: set[str]
) -> None:
    world.api.denied = ()
    free = run(world, "verify", "sts/vllm-head", "-o", "json")
    world.api.denied = (OnlyRoles(grants=granted(SERVE)),)
    with serving(world.kubeconfig) as (_, url):
        mine = outcomes(until(f"{url}/v1/verdict/llm/vllm-head", 200))
        assert b"distcheck_discovery_success 1.0" in get(f"{url}/metrics")[1]
    assert mine == free
    assert refused == set()


@pytest.mark.parametrize("file", FILES, ids=lambda p: p.stem)
def test_the_role_grants_no_secret_no_wildcard_and_no_change(file: Path) -> None:
    for one in granted(file):
        assert not one.resources & {"secrets", "*", "nodes/proxy", "pods/proxy", "serviceaccounts"}
        assert one.verbs <= {"get", "list", "watch", "create"}
        if "create" in one.verbs:
            assert one.resources <= {"pods/exec", "pods/portforward"}
            assert one.namespace is not None
    roles = [o for o in documents(file) if "rules" in o]
    for rule in (r for o in roles for r in o["rules"]):
        assert "*" not in (*rule["apiGroups"], *rule["resources"], *rule["verbs"])


def test_only_the_user_may_exec_and_streams_have_both_verbs() -> None:
    """A websocket is a GET; from 1.35 on `create` is asked for as well."""
    assert [f for f in FILES for g in granted(f) if "pods/exec" in g.resources] == [USER]
    streams = [
        g for f in FILES for g in granted(f) if g.resources & {"pods/exec", "pods/portforward"}
    ]
    assert streams
    assert all(g.verbs == {"get", "create"} for g in streams)
    for file in (SERVE, GATE):
        forwards = {g.namespace for g in granted(file) if "pods/portforward" in g.resources}
        assert forwards == {reach.AGENT_NAMESPACE}


@pytest.mark.parametrize("file", FILES, ids=lambda p: p.stem)
def test_every_binding_names_a_role_of_its_file_and_every_role_is_bound(file: Path) -> None:
    made = documents(file)
    roles = {
        (o["kind"], o["metadata"]["name"], o["kind"] == "Role" and o["metadata"]["namespace"])
        for o in made
        if "rules" in o
    }
    bound = {
        (r["kind"], r["name"], r["kind"] == "Role" and o["metadata"]["namespace"])
        for o in made
        if (r := o.get("roleRef"))
    }
    assert roles == bound
