"""The image as built: what is in it, and that the commands of the manifests run in it."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from distcheck import __version__
from distcheck.lab.machine import free_port
from tests.deploy.manifests import DEPLOY, container, daemonset, discovery, documents, environment
from tests.image.built import Image, answer, built

pytestmark = pytest.mark.xdist_group("image")
OWN = "opt/distcheck/lib/python3.11/site-packages"
(SERVE,) = documents(DEPLOY / "serve" / "deployment.yaml")


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    with built() as made:
        yield made


def kubeconfig(server: str) -> dict[str, object]:
    return {
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }


@contextmanager
def running(command: list[str]) -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def test_it_runs_as_nobody_and_starts_distcheck(image: Image) -> None:
    assert image.config["User"] == "65532:65532"
    assert image.config["Entrypoint"] == ["distcheck"]
    assert image.config["StopSignal"] == "SIGTERM"
    assert "Volumes" not in image.config
    assert "ExposedPorts" not in image.config
    done = image.run(*image.config["Entrypoint"], *image.config["Cmd"])
    assert done.returncode == 0, done.stderr
    assert "Usage: distcheck COMMAND" in done.stdout


def test_its_labels_are_those_of_this_version(image: Image) -> None:
    labels = image.config["Labels"]
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_nothing_that_installs_software_is_left_in_it(image: Image) -> None:
    names = {p.name for p in (image.root / OWN).iterdir()}
    assert "distcheck" in names
    assert not names & {"pip", "setuptools", "wheel", "hatchling", "_distutils_hack"}
    assert not list((image.root / "usr/local/lib/python3.11/site-packages").iterdir())
    for place in ("src", "dist", "root/.cache", "opt/distcheck/bin/pip", "usr/local/bin/pip3"):
        assert not (image.root / place).exists()


def test_its_packages_are_the_lock_s_and_the_package_itself(image: Image) -> None:
    lock = (DEPLOY.parent / "requirements.lock").read_text().splitlines()
    locked = {row.split()[0] for row in lock if "==" in row and "win32" not in row}
    kinds = [p.name.removesuffix(".dist-info").rsplit("-", 1) for p in
             (image.root / OWN).glob("*.dist-info")]  # fmt: skip
    present = {f"{name.replace('_', '-').lower()}=={version}" for name, version in kinds}
    assert present == {row.lower() for row in locked} | {f"distcheck=={__version__}"}


def test_its_modules_have_their_bytecode_and_no_checkout_is_in_it(image: Image) -> None:
    package = image.root / OWN / "distcheck"
    modules = [p for p in package.rglob("*.py") if "collector_inside" not in p.name]
    assert len(modules) > 100
    for module in modules:
        assert (module.parent / "__pycache__" / f"{module.stem}.cpython-311.pyc").exists()
    assert not list(image.root.glob("**/.git"))


def test_the_root_is_read_only_in_these_tests(image: Image) -> None:
    done = image.run("rm", "/opt/distcheck/bin/distcheck")
    assert "Read-only file system" in done.stderr


@pytest.mark.parametrize("words", [
    ["distcheck", "--version"], ["distcheck", "list"], ["distcheck", "explain", "SHARD001"],
    ["distcheck", "schema", "report"],
], ids=" ".join)  # fmt: skip
def test_commands_that_ask_nobody_run_in_it(image: Image, words: list[str]) -> None:
    done = image.run(*words)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_the_manifest_s_agent_runs_in_it(image: Image) -> None:
    door, port = free_port(), free_port()
    given = {name: value for name, value in environment(daemonset()).items() if value is not None}
    given |= {
        "DISTCHECK_NODE": "gpu-a",
        "DISTCHECK_HOST_SYS": "/sys",
        "DISTCHECK_STATE": "/tmp/state",
        "DISTCHECK_LISTEN": f"127.0.0.1:{door}",
        "DISTCHECK_METRICS": f"127.0.0.1:{port}",
    }
    rights = container(daemonset())["securityContext"]
    user = f"{rights['runAsUser']}:{rights['runAsGroup']}"
    command = image.command(container(daemonset())["command"], given, user)
    with running(command) as process:
        asked = container(daemonset())["livenessProbe"]["httpGet"]["path"]
        assert answer(process, f"http://127.0.0.1:{port}{asked}") == b"ok\n"
        assert b"distcheck_build_info" in answer(process, f"http://127.0.0.1:{port}/metrics")


def test_the_manifest_s_serve_runs_in_it(image: Image) -> None:
    port, shipped = free_port(), container(SERVE)
    words = [*shipped["command"], "--interval=60s", f"--listen=127.0.0.1:{port}"]
    with discovery() as server:
        user = SERVE["spec"]["template"]["spec"]["securityContext"]
        (image.root / "kubeconfig").write_text(json.dumps(kubeconfig(server)))
        given = {"KUBECONFIG": "/kubeconfig"} | {
            name: value for name, value in environment(SERVE).items() if value is not None
        }
        command = image.command(words, given, f"{user['runAsUser']}:{user['runAsGroup']}")
        with running(command) as process:
            path = shipped["livenessProbe"]["httpGet"]["path"]
            assert answer(process, f"http://127.0.0.1:{port}{path}")


def test_the_dockerfile_names_each_base_by_its_digest() -> None:
    lines = (DEPLOY.parent / "Dockerfile").read_text().splitlines()
    (base,) = [line.removeprefix("ARG PYTHON=") for line in lines if line.startswith("ARG PYTHON=")]
    assert re.fullmatch(r"docker\.io/library/python:3\.11-slim-bookworm@sha256:[0-9a-f]{64}", base)
    stages = [line.split()[1] for line in lines if line.startswith("FROM ")]
    assert stages == ["${PYTHON}", "${PYTHON}"]
