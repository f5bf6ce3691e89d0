"""The manifests of `deploy/` as an API server would get them."""

import functools
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml  # type: ignore[import-untyped]

from distcheck.lab.apiserver import kinds
from distcheck.lab.apiserver.discovery import discover
from distcheck.lab.apiserver.kinds import Kind

Object = dict[str, Any]

DEPLOY = Path(__file__).parents[2] / "deploy"
TOOLS = DEPLOY.parent / ".tools" / "bin"
"""Where `make tools` puts helm and kubectl."""
AGENT = DEPLOY / "daemonset.yaml"
PATCHES = sorted(p for part in ("tiers", "options") for p in (DEPLOY / part).glob("*/patch.yaml"))
OBJECTS = sorted(p for p in DEPLOY.glob("*.yaml") if p.name != "kustomization.yaml")
OVERLAYS = sorted(p.parent for p in (DEPLOY / "overlays").glob("*/kustomization.yaml"))
TIERS = {"no capabilities": "no-capabilities", "default": None, "port probes": "port-probes"}


def documents(path: Path) -> list[Object]:
    """All objects of a file."""
    return list(yaml.safe_load_all(path.read_text()))


def daemonset() -> Object:
    """The agent's, as shipped."""
    return next(d for d in documents(AGENT) if d["kind"] == "DaemonSet")


def tool(name: str) -> str:
    """The path of `helm` or `kubectl`; skips where there is none, except in CI."""
    found = shutil.which(name, path=f"{TOOLS}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        assert not os.environ.get("CI"), f"CI installs {name}"
        pytest.skip(f"{name} is not installed: make tools")
    return found


KINDS = (
    *kinds.KINDS,
    *(
        Kind("monitoring.coreos.com", "v1", f"{kind.lower()}s", kind)
        for kind in ("PodMonitor", "ServiceMonitor", "PrometheusRule")
    ),
    Kind("", "v1", "serviceaccounts", "ServiceAccount"),
    Kind("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", namespaced=False),
    *(
        Kind("rbac.authorization.k8s.io", "v1", f"{kind.lower()}s", kind, namespaced=namespaced)
        for kind, namespaced in (
            ("Role", True), ("RoleBinding", True),
            ("ClusterRole", False), ("ClusterRoleBinding", False),
        )
    ),
)  # fmt: skip


class _Discovery(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        said = discover(urlsplit(self.path).path, KINDS)
        self.send_response(200 if said else 404)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(said.body if said else b"{}")

    def log_message(self, *_args: object) -> None:
        """Nothing to say."""


@contextmanager
def discovery() -> Iterator[str]:
    """The address of an API server that tells which kinds there are, and takes none."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Discovery)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def kubectl(*words: str, given: str = "") -> str:
    """What kubectl prints, without any cluster."""
    env = {**os.environ, "KUBECONFIG": os.devnull}
    done = subprocess.run(
        [tool("kubectl"), *words], input=given, text=True, capture_output=True, check=False, env=env
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@functools.cache
def built(folder: Path) -> tuple[Object, ...]:
    """What `kubectl kustomize` makes of a folder."""
    return tuple(yaml.safe_load_all(kubectl("kustomize", str(folder))))


@functools.cache
def patched(patch: Path) -> Object:
    """The DaemonSet after `kubectl patch --patch-file`."""
    words = ("patch", "--local", "-f", "-", "--patch-file", str(patch), "-o", "json")
    made: Object = yaml.safe_load(kubectl(*words, given=yaml.safe_dump(daemonset())))
    return made


def of_tier(name: str) -> Object:
    """The DaemonSet of one of TIERS."""
    patch = TIERS[name]
    if patch is None:
        return daemonset()
    return patched(DEPLOY / "tiers" / patch / "patch.yaml")


def pod_spec(made: Object) -> Object:
    spec: Object = made["spec"]["template"]["spec"]
    return spec


def container(made: Object) -> Object:
    (one,) = pod_spec(made)["containers"]
    found: Object = one
    return found


def capabilities(made: Object) -> set[str]:
    """Those added, after all others were dropped."""
    rights = container(made)["securityContext"]["capabilities"]
    assert rights["drop"] == ["ALL"]
    return set(rights.get("add") or ())


def environment(made: Object) -> dict[str, str | None]:
    """Variables by name; None for what is not a plain value."""
    return {v["name"]: v.get("value") for v in container(made)["env"]}
