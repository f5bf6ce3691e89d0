"""The folders beside this file: one a kind of serving group, as a user would write it.

`manifest.yaml` is what the user applies. `operator.yaml`, where there is one, is what an
operator that `controllers` does not know makes of it. `expected.toml` says what must come out:
`[group]` the group that every one of its `targets` leads to, `[intent]` what its specs ask for.
"""

import tomllib
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from tests.cluster.manifests.controllers import Object, made

HERE = Path(__file__).parent
FOLDERS = sorted(p.parent.name for p in HERE.glob("*/expected.toml"))


def manifests(folder: str) -> list[Object]:
    """The objects that are applied, and those of an operator."""
    files = sorted((HERE / folder).glob("*.yaml"))
    return [o for f in files for o in yaml.safe_load_all(f.read_text(encoding="utf-8")) if o]


def objects(folder: str) -> list[Object]:
    """Everything that the cluster holds then: workloads, Services, running pods."""
    return made(manifests(folder))


def expected(folder: str, table: str) -> dict[str, Any]:
    """One table of `expected.toml`; empty where it has none."""
    text = (HERE / folder / "expected.toml").read_text(encoding="utf-8")
    found: dict[str, Any] = tomllib.loads(text).get(table, {})
    return found
