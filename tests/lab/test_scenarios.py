"""Every scenario is found out: real agents, real ports, a real API; the expectation is its file."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import msgspec
import pytest
from tests.probes.namespaces import need_namespaces
from tools import shown

from distcheck.checks.report import Report
from distcheck.lab.expect import compare
from distcheck.lab.machine import free_subnet
from distcheck.lab.ray import RealRay, ray_is_installed
from distcheck.lab.scenario import Scenario
from distcheck.lab.scenarios import load, load_all, names
from distcheck.lab.world import World


@pytest.mark.parametrize("name", names())
def test_verify_finds_what_the_scenario_says(name: str) -> None:
    """The verdict, the exit code and every check are as the scenario expects.

    So is what the documents show of it.
    """
    if load(name).world.firewall:
        need_namespaces()
    command = [sys.executable, "-m", "distcheck", "lab", "run", name, "-o", "json"]
    env = _env() | {"DISTCHECK_LAB_RAY": "replayed"}
    report = _found_out(load(name), command, env)
    assert shown.drift(name, report) == ""


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
    with World(scenario, real) as world:
        command = [sys.executable, "-m", "distcheck", "verify", "vllm-head-0", "-o", "json"]
        _found_out(scenario, command, _env() | {"KUBECONFIG": str(world.kubeconfig)})


def _found_out(scenario: Scenario, command: list[str], env: dict[str, str]) -> Report:
    done = subprocess.run(command, capture_output=True, timeout=120, check=False, env=env)
    assert done.stdout, done.stderr.decode()
    report = msgspec.json.decode(done.stdout, type=Report)
    assert compare(scenario, report) == [], json.dumps(json.loads(done.stdout), indent=1)
    assert done.returncode == scenario.expect.exit
    return report


def _env() -> dict[str, str]:
    return {**os.environ, "NO_COLOR": "1"}
