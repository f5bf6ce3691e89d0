"""The Helm chart as helm renders it, and the plain manifests of the same choice."""

import functools
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from tests.deploy.manifests import DEPLOY, Object, kubectl, tool

CHART = DEPLOY / "helm" / "distcheck"
HELMS_OWN = {"app.kubernetes.io/managed-by", "helm.sh/chart"}
"""Labels that only the chart's objects have."""


def helm(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """What helm says, without any cluster."""
    env = {**os.environ, "KUBECONFIG": os.devnull}
    command = [tool("helm"), *words]
    return subprocess.run(
        command, input=given, text=True, capture_output=True, check=False, env=env
    )


def refused(values: Object) -> str:
    """Why helm does not render the chart with these values."""
    done = helm("template", "distcheck", str(CHART), "-f", "-", given=json.dumps(values))
    assert done.returncode != 0
    return done.stderr


def rendered(values: Object, namespace: str = "distcheck") -> list[Object]:
    """All objects, the test's pod too."""
    return list(_rendered(json.dumps(values, sort_keys=True), namespace))


@functools.cache
def _rendered(values: str, namespace: str) -> tuple[Object, ...]:
    words = ("template", "distcheck", str(CHART), "--namespace", namespace, "-f", "-")
    done = helm(*words, given=values)
    assert done.returncode == 0, done.stderr
    return tuple(o for o in yaml.safe_load_all(done.stdout) if o)


def kustomized(
    at: Path, resources: list[str], components: list[str], more: Object | None = None
) -> list[Object]:
    """The same of bases and components below deploy/; `more` fields of the kustomization."""
    for folder in (*resources, *components):
        (at / folder.replace("/", "-")).symlink_to(DEPLOY / folder)
    parts = {"resources": resources, "components": components}
    names = {k: [f.replace("/", "-") for f in v] for k, v in parts.items() if v}
    (at / "kustomization.yaml").write_text(yaml.safe_dump({**names, **(more or {})}))
    return list(yaml.safe_load_all(kubectl("kustomize", str(at))))


def is_test(one: Object) -> bool:
    """Whether helm makes it for `helm test` alone."""
    return "helm.sh/hook" in one["metadata"].get("annotations", {})


def bare(one: Object) -> Object:
    """Without what differs for no reason: Helm's labels, and the order of variables."""
    copy: dict[str, Any] = yaml.safe_load(yaml.safe_dump(one))
    labels = copy["metadata"].get("labels", {})
    copy["metadata"]["labels"] = {k: v for k, v in labels.items() if k not in HELMS_OWN}
    for made in copy.get("spec", {}).get("template", {}).get("spec", {}).get("containers", ()):
        made["env"].sort(key=lambda v: v["name"])
    return copy


def keyed(objects: list[Object]) -> dict[tuple[str, str, str], Object]:
    """Objects by kind, namespace and name, which are unique."""
    found = {
        (o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"]): bare(o)
        for o in objects
    }
    assert len(found) == len(objects)
    return found
