"""The README of the Helm chart: the table of its values, made of the comments in values.yaml."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

CHART = Path(__file__).parents[1] / "deploy" / "helm" / "distcheck"
_LINE = re.compile(r"( *)([a-zA-Z]+):")
HEAD = """
Installs the agents on GPU nodes and, if asked, `distcheck serve`: the same objects as the plain
manifests of `deploy/`. How to choose, upgrade and uninstall is in
[docs/deploy.md](../../../docs/deploy.md).

    kubectl create namespace distcheck
    kubectl label namespace distcheck pod-security.kubernetes.io/enforce=privileged
    helm install distcheck deploy/helm/distcheck --namespace distcheck --set serve.enabled=true
    helm test distcheck --namespace distcheck

The label lets pods in that read the node's processes. The names of objects do not depend on the
release: one installation a cluster.

| value | default | what it is |
|---|---|---|
"""


def chart_page(made: str) -> str:
    """deploy/helm/distcheck/README.md."""
    text = (CHART / "values.yaml").read_text()
    values = yaml.safe_load(text)
    rows = (f"| `{path}` | {_default(values, path)} | {says} |\n" for path, says in told(text))
    return f"# The distcheck chart\n\n{made}\n{HEAD}{''.join(rows)}"


def told(text: str) -> Iterator[tuple[str, str]]:
    """The dotted name of each value that a comment `# -- ...` stands above, and the comment."""
    path: list[str] = []
    says = ""
    for line in text.splitlines():
        if "# -- " in line:
            says = line.partition("# -- ")[2]
        elif found := _LINE.match(line):
            depth = len(found[1]) // 2
            path = [*path[:depth], found[2]]
            if says:
                yield ".".join(path), says[0].upper() + says[1:]
            says = ""


def _default(values: Any, path: str) -> str:
    for name in path.split("."):
        values = values[name]
    return f"`{json.dumps(values)}`"
