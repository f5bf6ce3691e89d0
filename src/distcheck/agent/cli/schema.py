"""`distcheck schema`: what the JSON that goes in and out looks like."""

import importlib
import json
from typing import Annotated

import msgspec

from distcheck.agent.cli.command import Program, argument
from distcheck.agent.cli.options import refused
from distcheck.agent.cli.output import say

TYPES: dict[str, tuple[str, str]] = {
    "report": ("distcheck.checks.report", "Report"),
    "evidence": ("distcheck.checks.evidence", "Evidence"),
    "logs": ("distcheck.checks.logs_report", "LogsReport"),
    "lint": ("distcheck.checks.manifest.report", "LintReport"),
    "plan": ("distcheck.checks.knowledge.plan", "Plan"),
}
Name = Annotated[str, argument("report, evidence, logs, lint or plan.", "|".join(TYPES))]


def schema(name: Name) -> int:
    """JSON Schema (2020-12) of a report, of evidence, of what `logs`, `lint` and `plan` print."""
    if name not in TYPES:
        raise refused("schema", name, tuple(TYPES))
    say(schema_text(name))
    return 0


def schema_text(name: str) -> str:
    """The schema as indented JSON, with a newline; the same types give the same bytes."""
    module, shape = TYPES[name]
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"distcheck.{name}/v1",
    }
    schema = msgspec.json.schema(
        getattr(importlib.import_module(module), shape), schema_hook=_anything
    )
    return json.dumps(head | schema, indent=2) + "\n"


def _anything(shape: type) -> dict[str, object]:
    """A model's `config.json` is kept as it is: any JSON value."""
    if shape is object:
        return {"description": "Any JSON value."}
    raise TypeError(f"no schema for {shape}")


PROGRAM = Program(schema)
