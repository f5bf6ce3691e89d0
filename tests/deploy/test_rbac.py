"""The roles that we ship are enough for what the code asks, and give no more than they say."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from distcheck.agent.cluster import kinds, reach
from distcheck.agent.cluster.finding.group import find_group
from distcheck.agent.cluster.kinds import Kind
from distcheck.lab.layout import NAMESPACE
from distcheck.lab.scenarios import load
from distcheck.lab.world import World
from tests.cluster.manifests.folders import FOLDERS, expected, objects
from tests.cluster.manifests.world import cluster
from tests.deploy.manifests import DEPLOY, documents
from tests.deploy.roles import OnlyRoles, granted, refusals
from tests.serve.test_serve_process import get, serving, until

USER, SERVE = DEPLOY / "rbac-user.yaml", DEPLOY / "serve" / "rbac.yaml"
FILES = [USER, SERVE]
EVERYWHERE = "list pods in all"
"""Asked first to find agents in a namespace of any name; then `distcheck` alone."""


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    os.environ["DISTCHECK_LAB_RAY"] = "replayed"
    with World(load("healthy-tp16")) as world:
        yield world


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    yield from refusals(monkeypatch)


def run(world: World, *words: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "distcheck", *words, "--kubeconfig", str(world.kubeconfig)]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert done.stdout, done.stderr.decode()
    return outcomes(done.stdout)


def outcomes(report: bytes) -> dict[str, Any]:
    return {c["id"]: (c["outcome"], c["cause"]) for c in json.loads(report)["checks"]}


WAYS = [
    ("verify", "vllm-head-0"),
    ("verify", "sts/vllm-worker"),
    ("verify", "vllm-head-0", "--no-agents"),
]


@pytest.mark.parametrize("words", WAYS, ids=" ".join)
def test_a_user_with_this_role_finds_what_an_administrator_finds(
    world: World, refused: set[str], words: tuple[str, ...]
) -> None:
    world.api.denied = ()
    free = run(world, *words, "-o", "json")
    world.api.denied = (OnlyRoles(grants=granted(USER)),)
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
@pytest.mark.parametrize("folder", FOLDERS)
def test_every_kind_of_group_is_found_with_it(
    tmp_path: Path, refused: set[str], folder: str, file: Path
) -> None:
    """From all targets that the manifests' own expectation names."""
    for target in expected(folder, "group").get("targets", ()):
        with cluster(tmp_path, objects(folder)) as (api, server, _):
            free = find_group(api, NAMESPACE, target)
            server.denied = (OnlyRoles(grants=granted(file)),)
            mine = find_group(api, NAMESPACE, target)
        assert (mine.pods, mine.intent, mine.notes) == (free.pods, free.intent, free.notes)
    assert refused == set()


@pytest.mark.parametrize("file", FILES, ids=lambda p: p.stem)
def test_every_kind_that_the_code_knows_may_be_read(file: Path) -> None:
    known = [k for k in vars(kinds).values() if isinstance(k, Kind)]
    rules = OnlyRoles(grants=granted(file))
    lacking = [
        f"{verb} {kind.plural}"
        for kind in known
        for verb in ("get", "list")
        if (verb, kind)
        != ("list", kinds.CONFIGMAP)  # read one by one, by the names that pods mount
        if rules.covers(verb, kind.plural, NAMESPACE)
    ]
    assert lacking == []
    groups = {
        group
        for one in documents(file)
        for rule in one.get("rules", ())
        for group in rule["apiGroups"]
    }
    assert groups >= {k.api.split("/")[2] if "/apis/" in k.api else "" for k in known}


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
    assert not any("pods/exec" in g.resources for g in granted(SERVE))
    streams = [
        g for f in FILES for g in granted(f) if g.resources & {"pods/exec", "pods/portforward"}
    ]
    assert streams
    assert all(g.verbs == {"get", "create"} for g in streams)
    agents = {g.namespace for g in granted(SERVE) if "pods/portforward" in g.resources}
    assert agents == {reach.AGENT_NAMESPACE}


@pytest.mark.parametrize("file", FILES, ids=lambda p: p.stem)
def test_every_binding_names_a_role_of_its_file_and_every_role_is_bound(file: Path) -> None:
    made = documents(file)
    roles = {(o["kind"], o["metadata"]["name"]) for o in made if "rules" in o}
    bound = {(o["roleRef"]["kind"], o["roleRef"]["name"]) for o in made if "roleRef" in o}
    assert roles == bound
