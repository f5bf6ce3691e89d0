"""What every kind of serving group asks for, by its manifests: values, and where each stands."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from distcheck.agent.cluster.finding.group import find_group
from distcheck.agent.cluster.intent.beside import read_beside
from distcheck.agent.cluster.intent.declared import declared_intent
from distcheck.checks.evidence import Intent
from tests.cluster.manifests.folders import FOLDERS, expected, objects
from tests.cluster.manifests.world import cluster

_SAID = frozenset(Intent.__struct_fields__) - {"sources", "agreed"}


def intent_of(folder: str, tmp_path: Path) -> Intent:
    held = objects(folder)
    pods = {o["metadata"]["name"]: o for o in held if o["kind"] == "Pod"}
    with cluster(tmp_path, held) as (api, _, _):
        group = find_group(api, "llm", expected(folder, "group")["targets"][0])
        raw = [pods[p.name] for p in group.pods]
        return declared_intent(raw, read_beside(api, "llm", raw), ())


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_manifest_asks_for_this_and_says_where(folder: str, tmp_path: Path) -> None:
    wanted = expected(folder, "intent")
    places: dict[str, str] = wanted.pop("from", {})
    found: dict[str, Any] = msgspec.to_builtins(intent_of(folder, tmp_path))
    assert {k: v for k, v in found.items() if k in _SAID} == wanted
    assert {k: found["from"].get(k) for k in places} == places
