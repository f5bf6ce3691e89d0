"""The bill of materials: CycloneDX by its own schema, the same each time, and all of the lock."""

import json
from importlib import resources
from typing import Any

import pytest
from jsonschema import Draft7Validator  # type: ignore[import-untyped]
from referencing import Registry, Resource
from tools.sbom import ROOT, document, rows

LOCK, DOCKERFILE = (ROOT / "requirements.lock").read_text(), (ROOT / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(document(LOCK, DOCKERFILE))
    return whole


def schema(name: str) -> dict[str, Any]:
    """One of those that come with CycloneDX's own library."""
    file = resources.files("cyclonedx.schema._res") / f"{name}.SNAPSHOT.schema.json"
    whole: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return whole


def test_it_is_valid_by_the_schema_of_cyclonedx(made: dict[str, Any]) -> None:
    beside = {"jsf-0.82.SNAPSHOT.schema.json": "jsf-0.82", "spdx.SNAPSHOT.schema.json": "spdx"}
    at = "http://cyclonedx.org/schema/"
    known = [(at + name, Resource.from_contents(schema(one))) for name, one in beside.items()]
    validator = Draft7Validator(schema("bom-1.6"), registry=Registry().with_resources(known))
    assert [e.message for e in validator.iter_errors(made)] == []
    broken = made | {"components": [{"type": "no such type", "name": "x"}]}
    assert list(validator.iter_errors(broken))


def test_it_is_the_same_each_time_and_names_no_time(made: dict[str, Any]) -> None:
    assert document(LOCK, DOCKERFILE) == json.dumps(made, indent=2, sort_keys=True) + "\n"
    assert "timestamp" not in made["metadata"]


def test_it_has_every_row_of_the_lock_with_its_hashes_and_the_base(made: dict[str, Any]) -> None:
    base, *packages = sorted(made["components"], key=lambda c: c["type"])
    assert base["version"].startswith("3.11-slim-bookworm@sha256:")
    assert f"{base['name']}:{base['version']}" in DOCKERFILE
    wanted = {(row.name, row.version) for row in rows(LOCK)}
    assert {(c["name"], c["version"]) for c in packages} == wanted
    assert len(wanted) > 30
    for package in packages:
        (files,) = package["externalReferences"]
        assert all(f"sha256:{one['content']}" in LOCK for one in files["hashes"])
        assert files["hashes"]


def test_packages_for_other_systems_are_not_in_the_image(made: dict[str, Any]) -> None:
    assert "colorama" in LOCK
    assert "colorama" not in {c["name"] for c in made["components"]}


def test_licences_are_spdx_ids_or_the_package_s_own_words(made: dict[str, Any]) -> None:
    told = {c["name"]: c["licenses"] for c in made["components"] if c.get("licenses")}
    assert told["msgspec"] == [{"license": {"id": "BSD-3-Clause"}}]
    assert told["nvidia-ml-py"] == [{"license": {"name": "BSD"}}]
    assert told["aiohttp"] == [{"expression": "Apache-2.0 AND MIT"}]


def test_it_tells_what_needs_what(made: dict[str, Any]) -> None:
    needs = {d["ref"]: d.get("dependsOn", []) for d in made["dependencies"]}
    (root,) = [ref for ref in needs if ref.startswith("pkg:oci/distcheck@")]
    assert any(one.startswith("pkg:pypi/grpcio@") for one in needs[root])
    assert not any(one.startswith("pkg:pypi/idna@") for one in needs[root])
