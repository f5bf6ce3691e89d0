"""Every scenario is found out: real agents, real ports, a real API; the expectation is its file."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import urlopen

import msgspec
import pytest
from tests.lab.prometheus import Prometheus, need_prometheus
from tests.probes.namespaces import need_namespaces
from tests.warm import Forked, warm, warm_world

from distcheck.agent.cli.judging import Judging
from distcheck.agent.cli.select import select
from distcheck.agent.cli.serve import Cluster, rounds_of
from distcheck.agent.serve.web import Web
from distcheck.checks.report import Report
from distcheck.lab.expect import compare
from distcheck.lab.machine import free_subnet
from distcheck.lab.ray import RealRay, ray_is_installed
from distcheck.lab.scenario import Scenario
from distcheck.lab.scenarios import load, load_all, names
from distcheck.lab.world import World


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """One for all labs of this process."""
    need_prometheus()
    one = Prometheus(tmp_path_factory.mktemp("prometheus"))
    with one.running():
        yield one
        differences = one.differences()
        assert not differences, "\n".join(["alerts of labs differ:", *differences])


@pytest.fixture
def kept(request: pytest.FixtureRequest) -> Prometheus | None:
    """It, where it is installed, as it is in CI: elsewhere all else is tested without it."""
    there = shutil.which("prometheus") or os.environ.get("CI")
    return request.getfixturevalue("prometheus") if there else None


WATCHED = (
    *("405b-no-logs", "gdr-lost", "gpu-lost", "half-seen", "healthy-tp16"),
    *("link-down", "ray-port-filtered", "shm-leaked"),
)
"""Those that a Prometheus watches while they run: one for each way in which an alert comes to be.

Of the others it scrapes the pages that they leave.
"""


@pytest.mark.parametrize("name", [n for n in names() if n not in WATCHED])
def test_verify_finds_what_the_scenario_says(
    name: str, kept: Prometheus | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The verdict, the exit code and every check are as expected; so are alerts, in the end.

    Alerts are compared when Prometheus has judged them: at the latest where `prometheus` ends.
    """
    with _lab(name, monkeypatch) as (scenario, world):
        begun = time.time()
        _found_out(scenario, _verify(world))
        with _served(world) as address:
            pages = {node: _looked(at, begun) for node, at in world.metrics.items()}
            pages |= {"serve": _page(address)}
    if kept is not None:
        kept.keep(name, pages, set(scenario.expect.alerts))


@pytest.mark.parametrize("name", WATCHED)
def test_verify_and_alerts_say_what_the_scenario_expects(
    name: str, prometheus: Prometheus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The verdict, the exit code, every check, and all alerts are as the scenario expects."""
    nodes = load(name).world.agents
    with prometheus.place(nodes) as place, _lab(name, monkeypatch) as (scenario, world):
        expected, verify = set(scenario.expect.alerts), _verify(world)
        with _served(world) as address:
            place.open({**world.metrics, "serve": address})
            _found_out(scenario, verify)
            assert prometheus.alerts(place, expected) == expected


@contextmanager
def _lab(name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Scenario, World]]:
    """Up, with a Ray that is replayed."""
    scenario = load(name)
    if scenario.world.firewall:
        need_namespaces()
    monkeypatch.setenv("DISTCHECK_LAB_RAY", "replayed")
    with warm_world(scenario) as world:
        yield scenario, world


def _page(address: str) -> bytes:
    with urlopen(f"http://{address}/metrics", timeout=60) as answer:
        page: bytes = answer.read()
    return page


def _looked(address: str, since: float) -> bytes:
    """The page of an agent that has looked by itself since then: before, the node came to be."""
    deadline = time.monotonic() + 60
    while True:
        page = _page(address)
        at = re.search(rb"^distcheck_last_look_timestamp_seconds (\S+)$", page, re.MULTILINE)
        if at is not None and float(at[1]) > since:
            return page
        assert time.monotonic() < deadline, "the agent does not look"
        time.sleep(0.05)


@contextmanager
def _served(world: World) -> Iterator[str]:
    """The address of a `serve` that ends its first round; its rounds are over at once."""
    cluster = Cluster(None, str(world.kubeconfig), 60.0, agents=True)
    rounds = rounds_of(cluster, ((), 60.0), Judging(select(None, None, None), None, None))
    rounds.once()
    found = {k.report.verdict for k in rounds.verdicts.all(time.monotonic()).values()}
    expect = world.scenario.expect
    assert found == {"unknown" if "VerdictUnknown" in expect.alerts else expect.verdict}
    with Web(("127.0.0.1", 0), rounds) as web:
        threading.Thread(target=web.serve_forever, args=(0.02,), daemon=True).start()
        yield f"127.0.0.1:{web.server_address[1]}"
        web.shutdown()


@pytest.fixture(scope="module")
def real() -> Iterator[RealRay]:
    """Two raylets on loopback, for all scenarios in which both have joined."""
    if not ray_is_installed():
        assert not os.environ.get("CI"), "CI installs Ray"
        pytest.skip("ray is not installed")
    subnet = free_subnet()
    ray = RealRay([(f"{subnet}.2", 8), (f"{subnet}.3", 8)])
    ray.start()
    yield ray
    ray.stop()


BESIDE_RAY = (
    *("healthy-tp16", "healthy-tp8-pp2", "replicated", "8b-tp8", "socket-fallback"),
    *("ray-worker-missing", "no-agents", "one-node-silent", "port-blocked", "405b-no-logs"),
)
"""One for each way in which Ray takes part; what else differs has nothing to do with it."""


@pytest.mark.xdist_group("ray")
@pytest.mark.parametrize("name", [s.name for s in load_all() if s.name in BESIDE_RAY])
def test_verify_finds_the_same_beside_a_real_ray_cluster(name: str, real: RealRay) -> None:
    """A scenario in which a node has not joined starts a cluster of its own."""
    scenario = load(name)
    with warm_world(scenario, real) as world:
        _found_out(scenario, _verify(world))


def _verify(world: World) -> Forked | subprocess.Popen[bytes]:
    words = ["distcheck", "verify", "vllm-head-0", "-o", "json"]
    env = {**os.environ, "NO_COLOR": "1", "KUBECONFIG": str(world.kubeconfig)}
    if not world.scenario.world.firewall:
        return warm().start(words, env=env)
    command = [sys.executable, "-m", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)


def _found_out(scenario: Scenario, verify: Forked | subprocess.Popen[bytes]) -> None:
    with verify:
        told, complaints = verify.communicate(timeout=120)
    assert told, complaints.decode()
    report = msgspec.json.decode(told, type=Report)
    assert compare(scenario, report) == [], json.dumps(json.loads(told), indent=1)
    assert verify.returncode == scenario.expect.exit
