"""`lint` as SARIF 2.1.0, as GitHub code scanning reads it."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

import msgspec

from distcheck.checks.manifest.report import At, LintFinding, LintReport
from distcheck.checks.manifest.rule import Rule
from distcheck.exporters.typography import visible

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_DOCS = "https://github.com/distcheck/distcheck/blob/main/docs/lint.md"
_LEVELS = {"error": "error", "warning": "warning", "hint": "note"}


def render_sarif(report: LintReport, rules: Sequence[Rule]) -> str:
    """One run, with every rule that was judged by."""
    number = {r.id: n for n, r in enumerate(rules)}
    seen: Counter[str] = Counter()
    driver = {
        "name": "distcheck",
        "version": report.distcheck_version,
        "informationUri": "https://github.com/distcheck/distcheck",
        "rules": [_rule(r) for r in rules],
    }
    run: dict[str, Any] = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(f, number, seen) for f in report.findings],
        "invocations": [_invocation(report)],
    }
    whole = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode() + "\n"


def _rule(rule: Rule) -> dict[str, Any]:
    page = rule.page
    return {
        "id": rule.id,
        "name": "".join(w.title() for w in rule.name.split("_")),
        "shortDescription": {"text": page.title},
        "fullDescription": {"text": page.what},
        "help": {"text": f"{page.what}\n\n{page.why}\n\nFix: {page.fix}"},
        "helpUri": f"{_DOCS}#{rule.id.lower()}",
        "defaultConfiguration": {"level": _LEVELS[rule.level]},
    }


def _result(one: LintFinding, number: dict[str, int], seen: Counter[str]) -> dict[str, Any]:
    text = ". ".join(t.rstrip(".") for t in (one.says, one.unseen, one.fix) if t) + "."
    mark = hashlib.sha256(f"{one.id}|{one.at.file}|{one.at.source.strip()}".encode()).hexdigest()
    seen[mark] += 1
    told: dict[str, Any] = {
        "ruleId": one.id,
        "level": _LEVELS[one.level],
        "message": {"text": visible(text)},
        "locations": [_location(one.at)],
        "partialFingerprints": {"primaryLocationLineHash": f"{mark[:32]}:{seen[mark]}"},
    }
    if one.id in number:
        told["ruleIndex"] = number[one.id]
    if one.also:
        told["relatedLocations"] = [{"id": n, **_location(a)} for n, a in enumerate(one.also, 1)]
    if one.silenced is not None:
        told["suppressions"] = [{"kind": "inSource", "justification": visible(one.silenced)}]
    return told


def _location(at: At) -> dict[str, Any]:
    region = {
        "startLine": max(at.line, 1), "startColumn": max(at.column, 1),
        "endColumn": max(at.end_column, 2),
    }  # fmt: skip
    artifact = {"uri": quote(PurePath(at.file).as_posix())}
    return {"physicalLocation": {"artifactLocation": artifact, "region": region}}


def _invocation(report: LintReport) -> dict[str, Any]:
    notes = [
        {"level": "error" if n.unreadable else "note", "message": {"text": visible(n.says)},
         "locations": [_location(At(n.file, n.line, n.column, n.column + 1))]}
        for n in report.not_judged
    ]  # fmt: skip
    unreadable = any(n.unreadable for n in report.not_judged)
    return {"executionSuccessful": not unreadable, "toolExecutionNotifications": notes}
