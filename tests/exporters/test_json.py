"""JSON is what its schema says, and its schemas are shipped."""

import json
from importlib.resources import files

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import msgspec
import pytest
from msgspec import structs
from tests.evidence_builder import healthy

from distcheck.agent.cli.schema import TYPES, schema_text
from distcheck.checks.catalog import catalog
from distcheck.checks.evidence import encode_evidence
from distcheck.checks.judging import judge
from distcheck.checks.report import Report
from distcheck.exporters.json import render_json


def test_a_report_is_what_its_schema_says() -> None:
    report = judge(healthy(), catalog()).report
    said = json.loads(render_json(report))
    jsonschema.validate(said, json.loads(schema_text("report")))
    assert msgspec.json.decode(render_json(report), type=Report) == report


def test_evidence_is_what_its_schema_says() -> None:
    said = json.loads(encode_evidence(healthy()))
    jsonschema.validate(said, json.loads(schema_text("evidence")))


def test_a_report_has_the_fields_of_the_contract() -> None:
    said = json.loads(render_json(judge(healthy(), catalog()).report))
    assert said["schema"] == "distcheck.report/v1"
    assert {"distcheck_version", "observed_at", "target", "intent", "verdict", "summary"} <= set(
        said
    )
    assert said["intent"]["from"]["tp"] == "command of vllm-head-0"
    assert set(said["checks"][0]) >= {"id", "title", "outcome", "core", "says", "cause", "cites"}


@pytest.mark.parametrize("name", TYPES)
def test_the_schema_in_the_package_is_the_one_of_the_types(name: str) -> None:
    shipped = files("distcheck").joinpath("schemas", f"{name}.json").read_text(encoding="utf-8")
    assert shipped == schema_text(name)
    jsonschema.Draft202012Validator.check_schema(json.loads(shipped))


def test_every_place_that_is_named_stands_beside_its_value() -> None:
    asked = structs.replace(
        healthy().intent,
        gpus=16,
        ports={"gcs": 6379},
        nccl={"NCCL_DEBUG": "INFO"},
        sources={"tp": "a", "gpus": "b", "ports.gcs": "c", "nccl.NCCL_DEBUG": "d"},
    )
    report = judge(structs.replace(healthy(), intent=asked), catalog()).report
    said = json.loads(render_json(report))["intent"]
    for name in said["from"]:
        field, _, key = name.partition(".")
        assert (said[field][key] if key else said[field]) is not None
