"""Each fault that is put into a healthy manifest is found by its rule, where it was put.

`faults.yaml` has them as users write them: the same fault in several spellings and kinds.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from tests.lint.judge import judged

HERE = Path(__file__).parent


class Strict(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML ships no types
    """A key that stands twice would lose the first one's rows."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [k.value for k, _ in node.value]
        assert len(keys) == len(set(keys)), f"twice in line {node.start_mark.line + 1}: {keys}"
        held: dict[Any, Any] = super().construct_mapping(node, deep)
        return held


FAULTS: dict[str, dict[str, list[Any]]] = yaml.load(
    (HERE / "faults.yaml").read_text("utf-8"), Strict
)
CASES = [
    pytest.param(name, rule, edits, id=f"{name}-{rule}-{number}")
    for name, by_rule in FAULTS.items()
    for rule, cases in by_rule.items()
    for number, edits in enumerate(cases)
]


def put(text: str, edits: list[list[str]]) -> tuple[str, set[int]]:
    """The text with the faults in it, and the lines of what is new."""
    for old, new, *every in edits:
        assert old in text
        text = text.replace(old, new, -1 if every else 1)
    return text, {line for _, new, *_ in edits if new for line in places(text, new)}


def places(text: str, part: str) -> Iterator[int]:
    """Every line of `text` that a copy of `part` covers, from 1."""
    at = text.find(part)
    while at >= 0:
        first = text.count("\n", 0, at) + 1
        yield from range(first, first + part.count("\n") + 1)
        at = text.find(part, at + 1)


@pytest.mark.parametrize(("name", "rule", "edits"), CASES)
def test_a_fault_is_found_where_it_was_put(name: str, rule: str, edits: list[list[str]]) -> None:
    healthy = (HERE / "manifests/healthy" / f"{name}.yaml").read_text("utf-8")
    text, lines = put(healthy, edits)
    rule, _, how = rule.partition(" ")
    findings = [
        f for f in judged(text, only=rule).findings if (f.level == "hint") == (how == "hint")
    ]
    assert findings
    assert how == "elsewhere" or any(f.at.line in lines for f in findings)
