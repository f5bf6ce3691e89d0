"""Whatever `--fix` mends, all else is as it was: bytes outside of the edits, and what is meant."""

import random
import re
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from distcheck.agent.manifests.findings import MENDS
from distcheck.agent.manifests.lint import Asked, Judged, judged
from distcheck.agent.manifests.mending import why_left
from distcheck.agent.manifests.streams import chunks
from distcheck.checks.manifest.report import LintReport
from distcheck.checks.manifest.rules import rules

TEXTS = [
    p.read_text("utf-8") for p in sorted((Path(__file__).parent / "manifests").rglob("*.yaml"))
]
ASKED = Asked(tuple(r for r in rules() if r.id in MENDS))
FAULTS = [
    (re.compile(r'(?<=value: )"(\d+)"'), r"\1"),
    (re.compile(r"(?<=replicas: )(\d+)"), r'"\1"'),
    (re.compile(r"(?<=[pP]ort: )(\d+)$", re.MULTILINE), r"'\1'"),
    (re.compile(r"(?<=size: )(\d+)$", re.MULTILINE), r'"\1"  # beside'),
    (re.compile("/dev/shm"), "/cache"),
    (re.compile(r"^( *)(- name: \w+)$", re.MULTILINE), r"\1# above\n\1\2  # behind"),
    (re.compile(r"^(\s*)(value: \S+)$", re.MULTILINE), r"\1# distcheck above\n\1\2\t# é"),
]


def lint(text: str) -> Judged:
    return judged([("a.yaml", text)], ASKED)


def read(text: str) -> list[Any]:
    return [_document(chunk) for _, chunk in chunks(text)]


def _document(text: str) -> Any:
    """What PyYAML's own loader reads; a document that is none, as it stands."""
    try:
        return yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError:
        return text


def applied(text: str, report: LintReport) -> str:
    """The edits of the report, as an editor would apply them: from the last to the first."""
    edits = {(e.line, e.column, e.end_column, e.text) for f in report.findings for e in f.edits}
    lines = text.split("\n")
    for line, column, end, new in sorted(edits, reverse=True):
        old = lines[line - 1]
        lines[line - 1] = f"{old[: column - 1]}{new}{old[end - 1 :]}"
    return "\n".join(lines)


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        below = [leaves(v, f"{path}.{k}") for k, v in value.items()]
    elif isinstance(value, list):
        below = [leaves(v, f"{path}[{n}]") for n, v in enumerate(value)]
    else:
        return {path.removeprefix("."): value}
    return {k: v for part in below for k, v in part.items()}


def _in_object(path: str) -> str:
    """Paths of a report are those in the object, also where it is an item of a List."""
    return re.sub(r"^items\[\d+\]\.", "", path)


def faulty(text: str, pattern: re.Pattern[str], fault: str, rng: random.Random) -> str:
    """The text with most matches made wrong."""
    return pattern.sub(lambda m: m.expand(fault) if rng.random() < 0.7 else m[0], text)


def without_shm(document: Any) -> Any:
    """The document without volumes and mounts that are called as `--fix` calls its own."""
    if isinstance(document, dict):
        kept = {k: without_shm(v) for k, v in document.items()}
        return {k: v for k, v in kept.items() if k not in ("volumes", "volumeMounts") or v}
    if isinstance(document, list):
        mine = ("dshm", "distcheck-shm")
        return [without_shm(v) for v in document if not _is_called(v, mine)]
    return document


def _is_called(item: Any, names: tuple[str, ...]) -> bool:
    return isinstance(item, dict) and item.get("name") in names


@settings(max_examples=80, deadline=None)
@given(st.integers(0, len(TEXTS) - 1), st.integers(0, 1 << 30))
def test_all_else_is_as_it_was(which: int, seed: int) -> None:
    rng = random.Random(seed)
    text = TEXTS[which]
    for pattern, fault in rng.sample(FAULTS, 4):
        text = faulty(text, pattern, fault, rng)
    told = lint(text)
    new = told.mended.get("a.yaml", text)
    fixable = [f for f in told.report.findings if f.fixable]
    assert bool(fixable) == (new != text)
    assert applied(text, told.report) == new
    for tag, a, b, c, d in SequenceMatcher(
        None, text.split("\n"), new.split("\n"), False
    ).get_opcodes():
        assert tag == "equal" or b - a <= d - c
    changed = {f.at.path for f in fixable}
    for old, mended in zip(read(text), read(new), strict=True):
        before, after = leaves(without_shm(old)), leaves(without_shm(mended))
        assert before.keys() == after.keys()
        others = {_in_object(k) for k in before if before[k] != after[k]}
        assert others <= changed
    again = lint(new)
    assert again.mended == {}
    assert not any(f.fixable for f in again.report.findings)
    assert why_left(text, new) is None
