"""The manifests that `kubectl apply -f` takes in one file, made of those that kustomize reads."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from alerts_page import prometheus_rule

DEPLOY = Path(__file__).parents[1] / "deploy"
HEADS = {
    "daemonset.yaml": """\
# The agent of distcheck: one pod on each GPU node. It holds no Kubernetes API token, opens one
# port (/metrics), and writes to one folder of the node. docs/agent.md says who may ask it.
#
#   kubectl apply -f deploy/daemonset.yaml
#
# Made by `make docs` of the files in deploy/agent/: edit those.
""",
    "serve.yaml": """\
# `distcheck serve`: finds the serving groups of the cluster by itself, verifies each on an
# interval, and tells: GET /v1/verdict/NAMESPACE/WORKLOAD, /v1/verdicts, /metrics.
#
#   kubectl apply -f deploy/daemonset.yaml -f deploy/serve.yaml
#
# Made by `make docs` of the files in deploy/serve/: edit those.
""",
}
FOLDERS = {"daemonset.yaml": "agent", "serve.yaml": "serve"}
CHART = "deploy/helm/distcheck"
COPIES = {
    "serve-rbac.yaml": ["serve/rbac.yaml"],
    "network-policies.yaml": [
        "options/network-policies/agent.yaml",
        "options/network-policies/serve.yaml",
    ],
    "monitors.yaml": ["prometheus/monitors.yaml"],
}
"""What the chart's templates read: it may hold no link to a file beside it."""


def deploy_files(made: Mapping[str, str]) -> dict[str, str]:
    """Path from the repository's root, and text; of `made` files the text that they will have."""
    whole = {f"deploy/{name}": HEADS[name] + _joined(DEPLOY / at) for name, at in FOLDERS.items()}
    copies = {f"{CHART}/files/{name}": _together(DEPLOY, files) for name, files in COPIES.items()}
    copies |= {f"{CHART}/files/{Path(path).name}": text for path, text in made.items()}
    return whole | copies | {f"{CHART}/files/prometheusrule.yaml": prometheus_rule()}


def _joined(folder: Path) -> str:
    """The resources of a kustomization, in its order."""
    names = re.findall(r"^  - (.+)$", (folder / "kustomization.yaml").read_text(), re.MULTILINE)
    return _together(folder, names)


def _together(folder: Path, names: Iterable[str]) -> str:
    return "---\n".join((folder / name).read_text() for name in names)
