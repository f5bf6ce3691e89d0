"""The agent as the manifest runs it: its capabilities, a read-only root, its environment."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from distcheck.lab.machine import free_port
from tests.deploy.manifests import capabilities, container, daemonset, environment, pod_spec
from tests.probes.node_folder import need_root

SCRIPT = (
    "mount --bind {state} {state} && mount -o remount,bind,ro / && "
    "! touch {probe} 2>/dev/null && "
    "exec setpriv --bounding-set=-all{added} --inh-caps=-all --no-new-privs {agent}"
)


@contextmanager
def running(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int, int]]:
    """The agent in a mount namespace of its own, and the ports of its door and its metrics."""
    made, (door, metrics) = daemonset(), (free_port(), free_port())
    state = folder / "state"
    state.mkdir()
    added = "".join(f",+{name.lower()}" for name in sorted(capabilities(made)))
    agent = f"{sys.executable} -m {' '.join(container(made)['command'])}"
    script = SCRIPT.format(state=state, probe=folder / "probe", added=added, agent=agent)
    given = {name: value for name, value in environment(made).items() if value is not None}
    here = {
        "PATH": os.environ["PATH"],
        "DISTCHECK_NODE": "gpu-a",
        "DISTCHECK_HOST_SYS": "/sys",
        "DISTCHECK_STATE": str(state),
        "DISTCHECK_LISTEN": f"127.0.0.1:{door}",
        "DISTCHECK_METRICS": f"127.0.0.1:{metrics}",
    }
    command = ["unshare", "-m", "sh", "-c", script]
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=given | here) as process:
        try:
            yield process, door, metrics
        finally:
            process.kill()


def answer(process: subprocess.Popen[bytes], url: str) -> bytes:
    """The body of a good answer, once there is one."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stderr and process.stderr.read().decode()
        try:
            with urllib.request.urlopen(url, timeout=60) as said:
                return bytes(said.read())
        except urllib.error.URLError:
            time.sleep(0.05)
    raise AssertionError(f"{url} does not answer")


def test_it_starts_answers_the_kubelet_and_ends_in_the_time_it_has(tmp_path: Path) -> None:
    for tool in ("unshare", "setpriv"):
        if why := need_root(tool):
            assert not os.environ.get("CI"), f"CI {why}"
            pytest.skip(why)
    made = daemonset()
    with running(tmp_path) as (process, door, metrics):
        for probe in ("livenessProbe", "readinessProbe"):
            path = container(made)[probe]["httpGet"]["path"]
            told = {"/healthz": b"ok", "/metrics": b"distcheck_"}[path]
            assert told in answer(process, f"http://127.0.0.1:{metrics}{path}")
        seen = answer(process, f"http://127.0.0.1:{door}/v1/evidence?pod=llm/nobody-0")
        assert b'"node":"gpu-a"' in seen
        process.terminate()
        assert process.wait(pod_spec(made)["terminationGracePeriodSeconds"]) == 0
