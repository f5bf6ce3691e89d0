"""Every scenario is found out: real agents, real ports, a real API; the expectation is its file."""

import json
import os
import subprocess
import sys

import msgspec
import pytest

from distcheck.checks.report import Report
from distcheck.lab.expect import compare
from distcheck.lab.ray import ray_is_installed
from distcheck.lab.scenarios import load, names


@pytest.mark.parametrize("name", names())
def test_verify_finds_what_the_scenario_says(name: str) -> None:
    """The verdict, the exit code and every check are as the scenario expects."""
    _find_out(name, "replayed")


@pytest.mark.xdist_group("ray")
@pytest.mark.parametrize("name", names())
def test_verify_finds_the_same_beside_a_real_ray_cluster(name: str) -> None:
    """Two raylets on loopback in place of a recording, where Ray is installed."""
    if not ray_is_installed():
        assert not os.environ.get("CI"), "CI installs Ray"
        pytest.skip("ray is not installed")
    _find_out(name, "real")


def _find_out(name: str, ray: str) -> None:
    scenario = load(name)
    command = [sys.executable, "-m", "distcheck", "lab", "run", name, "-o", "json"]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False, env=_env(ray))
    assert done.stdout, done.stderr.decode()
    report = msgspec.json.decode(done.stdout, type=Report)
    assert compare(scenario, report) == [], json.dumps(json.loads(done.stdout), indent=1)
    assert done.returncode == scenario.expect.exit


def _env(ray: str) -> dict[str, str]:
    return {**os.environ, "NO_COLOR": "1", "DISTCHECK_LAB_RAY": ray}
