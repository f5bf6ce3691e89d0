"""`lint` as SARIF 2.1.0, as GitHub code scanning reads it.

Code scanning opens an alert for each result, also for one with `suppressions`, which it does not
know (github/codeql-action issue 1230): what a comment silences is told as a notification. It takes
25,000 results of a run and shows 5,000, the gravest; 1,000 characters of a description, which is an
alert's title, so it must not read as if all were well; relative addresses are from the root of the
repository. Rules without a result are left out, as ruff does: their pages are 290 KB.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from distcheck.checks.manifest.finding import LEVELS
from distcheck.checks.manifest.report import At, LintFinding, LintReport, NotJudged
from distcheck.checks.manifest.rule import Rule
from distcheck.exporters.json_text import json_text
from distcheck.exporters.sarif_places import artifact, location
from distcheck.exporters.sarif_rules import LEVEL_OF, rule_of
from distcheck.exporters.typography import visible

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_MOST_RESULTS, _MOST_ALSO = 25_000, 99
_SEMVER = re.compile(r"\d+\.\d+\.\d+\Z", re.ASCII)


def render_sarif(
    report: LintReport, rules: Sequence[Rule], root: str = "", code: int | None = None
) -> str:
    """One run, with the rules that found something; files below the folder `root` are relative.

    `code` is how the run ends, where that is not by what was found.
    """
    gravest = sorted(report.open, key=lambda f: LEVELS.index(f.level))[:_MOST_RESULTS]
    finding = {f.id for f in gravest}
    told = [r for r in rules if r.id in finding]
    number = {r.id: n for n, r in enumerate(told)}
    seen: Counter[str] = Counter()
    driver: dict[str, Any] = {
        "name": "distcheck",
        "version": report.distcheck_version,
        "informationUri": "https://github.com/distcheck/distcheck",
        "rules": [rule_of(r) for r in told],
    }
    if _SEMVER.match(report.distcheck_version):
        driver["semanticVersion"] = report.distcheck_version
    run: dict[str, Any] = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(f, number, seen, root) for f in gravest],
        "invocations": [_invocation(report, root, code)],
    }
    whole = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return json_text(whole)


def _result(
    one: LintFinding, number: dict[str, int], seen: Counter[str], root: str
) -> dict[str, Any]:
    unseen = f"Not seen: {one.unseen}" if one.unseen else ""
    parts = (t.rstrip(".") for t in (one.says, unseen, one.fix) if t)
    text = " ".join(t if t.endswith(("?", "!")) else f"{t}." for t in parts)
    mark = hashlib.sha256(
        f"{one.id}|{PurePath(one.at.file)}|{one.at.source.strip()}".encode(
            errors="backslashreplace"
        )
    ).hexdigest()
    seen[mark] += 1
    told: dict[str, Any] = {
        "ruleId": one.id,
        "level": LEVEL_OF[one.level],
        "message": {"text": visible(text)},
        "locations": [location(one.at, root)],
        "partialFingerprints": {"primaryLocationLineHash": f"{mark[:32]}:{seen[mark]}"},
    }
    if one.id in number:
        told["ruleIndex"] = number[one.id]
    if one.also:
        also = one.also[:_MOST_ALSO]
        told["relatedLocations"] = [{"id": n, **location(a, root)} for n, a in enumerate(also, 1)]
    if one.edits:
        told["fixes"] = [_fix(one, root)]
    return told


def _fix(one: LintFinding, root: str) -> dict[str, Any]:
    changes = [
        {"deletedRegion": {"startLine": e.line, "startColumn": e.column,
                           "endLine": e.line, "endColumn": e.end_column},
         "insertedContent": {"text": e.text}}
        for e in one.edits
    ]  # fmt: skip
    change = {"artifactLocation": artifact(one.at.file, root), "replacements": changes}
    return {"description": {"text": visible(one.fix)}, "artifactChanges": [change]}


def _invocation(report: LintReport, root: str, code: int | None) -> dict[str, Any]:
    silenced = (_silenced(one, root) for one in report.findings if one.silenced is not None)
    told: dict[str, Any] = {
        "executionSuccessful": not report.grave,
        "toolExecutionNotifications": [*(_noted(n, root) for n in report.not_judged), *silenced],
    }
    if code is not None:
        told |= {"exitCode": code, "exitCodeDescription": "a bug of distcheck"}
    return told


def _noted(one: NotJudged, root: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "level": "error" if one.unreadable or one.bug else "note",
        "message": {"text": visible(f"not judged: {one.says}" if one.bug else one.says)},
        "locations": [location(At(one.file, one.line, one.column, one.column), root)],
    }
    if one.rule:
        told["associatedRule"] = {"id": one.rule}
    if one.trace:
        message = "\n".join(visible(line) for line in one.trace.split("\n"))
        told["exception"] = {"kind": "bug of distcheck", "message": message}
    return told


def _silenced(one: LintFinding, root: str) -> dict[str, Any]:
    return {
        "level": "note",
        "message": {"text": visible(f"silenced: {one.says}. Reason: {one.silenced}")},
        "associatedRule": {"id": one.id},
        "locations": [location(one.at, root)],
    }
