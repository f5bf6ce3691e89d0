"""`distcheck serve` as a process, before the stand-in cluster of the lab."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.warm import warm_world

from distcheck.agent.cli.lab import _environ
from distcheck.lab.machine import free_port
from distcheck.lab.scenarios import load
from distcheck.lab.world import World


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    os.environ["DISTCHECK_LAB_RAY"] = "replayed"
    with warm_world(load("replicated")) as world:
        yield world


@contextmanager
def serving(kubeconfig: Path, *words: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    port = free_port()
    command = [sys.executable, "-m", "distcheck", "serve", "--kubeconfig", str(kubeconfig)]
    command += ["--listen", f"127.0.0.1:{port}", "--interval", "1s", *words]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.communicate()


def get(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


def until(url: str, status: int) -> bytes:
    deadline = time.monotonic() + 60
    while (seen := get(url))[0] != status:
        assert time.monotonic() < deadline, seen
        time.sleep(0.05)
    return seen[1]


def until_says(url: str, text: str) -> None:
    deadline = time.monotonic() + 60
    while text not in get(url)[1].decode():
        assert time.monotonic() < deadline, url
        time.sleep(0.1)


def verdict(url: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(until(f"{url}/v1/verdict/llm/{name}", 200))
    return found


def test_each_group_is_verified_and_told_of(world: World) -> None:
    with serving(world.kubeconfig) as (process, url):
        until(f"{url}/readyz", 200)
        report = verdict(url, "vllm-head")
        assert (report["schema"], report["verdict"]) == ("distcheck.report/v1", "fail")
        assert verdict(url, "vllm-worker-0")["verdict"] == "fail"
        metrics = get(f"{url}/metrics")[1].decode()
        assert 'distcheck_verdict{verdict="fail",workload="vllm-head"' in metrics
        assert "distcheck_discovery_success 1.0" in metrics
        assert "distcheck_groups 1.0" in metrics
        assert metrics.count("distcheck_workload_gpu_share{") == 32
        assert 'distcheck_workload_pod_info{node="gpu-b",role="worker"' in metrics
        all_of_them = json.loads(get(f"{url}/v1/verdicts")[1])
        assert [g["workload"] for g in all_of_them["groups"]] == ["vllm-head"]
        missing = get(f"{url}/v1/verdict/llm/nobody")
        assert missing[0] == 404
        assert json.loads(missing[1])["known"] == ["llm/vllm-head"]
        assert get(f"{url}/v1/verdict/llm")[0] == 404
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_a_command_in_the_lab_is_told_where_each_agents_metrics_are(world: World) -> None:
    told = _environ(world)["DISTCHECK_LAB_METRICS"].split()
    assert len(told) == 2
    for address in told:
        until_says(f"http://{address}/metrics", "distcheck_gpu_weights_bytes{")


def test_it_is_not_ready_before_pods_can_be_listed_and_says_why(tmp_path: Path) -> None:
    config = tmp_path / "kubeconfig"
    config.write_text(_UNREACHABLE.format(port=free_port()))
    with serving(config) as (process, url):
        assert until(f"{url}/healthz", 200) == b"ok\n"
        deadline = time.monotonic() + 60
        while b"cannot be listed" not in get(f"{url}/readyz")[1]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert get(f"{url}/readyz")[0] == 503
        assert "distcheck_discovery_success 0.0" in get(f"{url}/metrics")[1].decode()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


_UNREACHABLE = """\
apiVersion: v1
kind: Config
current-context: x
contexts: [{{name: x, context: {{cluster: x, user: x}}}}]
clusters: [{{name: x, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
users: [{{name: x, user: {{token: t}}}}]
"""
