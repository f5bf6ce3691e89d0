"""The one door to PyYAML for manifests: the first document of a text, as a tree.

libyaml's parser gives events; `tree_building.py` makes values of them, as `kubectl` reads them.
"""

import re
from typing import Any

from distcheck.agent.manifests.tree import NotYamlError, Tree
from distcheck.agent.manifests.tree_building import Builder
from distcheck.pattern import late_patterns

MOST_EVENTS = 400_000


def load_parser() -> None:
    """Import PyYAML without compiling the patterns of its own parser, which libyaml's needs not.

    For a command that has one thread: others import it with their first text.
    """
    with late_patterns():
        import yaml  # type: ignore[import-untyped] # noqa: F401, PLC0415 - for its import


def read_tree(text: str, first_line: int = 0) -> Tree | None:
    """The first document of `text`, whose first line is number `first_line`; None for none.

    Raises:
        NotYamlError: whatever is wrong with `text`.
    """
    import yaml  # noqa: PLC0415 - its one door

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    built = Builder(first_line, _starts(text))
    try:
        for number, event in enumerate(yaml.parse(text, Loader=loader)):
            if number > MOST_EVENTS:
                says = f"not read: of one document distcheck reads {MOST_EVENTS:,} keys and values"
                raise NotYamlError(says, built.line, 0, of_ours=True)
            built.take(event)
            if built.done:
                built.tree.rest = _rest(text, event.end_mark.index, first_line)
                break
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = built.at(mark) if mark else (first_line, 0)
        says = _words(error, _character(text, line - first_line, column))
        raise NotYamlError(says, line, column) from error
    except yaml.YAMLError as error:
        says = " ".join(str(error).split())[:200].partition(' in "<')[0]
        raise NotYamlError(says, *_spot(text, error, first_line)) from error
    return built.tree if built.begun else None


def _starts(text: str) -> list[int] | None:
    """Where lines begin, for text with what only YAML 1.1 takes for the end of a line."""
    if text.isascii() or not any(c in text for c in "\x85\u2028\u2029"):
        return None
    return [0, *(found.end() for found in re.finditer("\n", text))]


def _rest(text: str, end: int, first_line: int) -> tuple[int, int] | None:
    """Where more than comments, directives and marks stands behind character `end`."""
    line = first_line + text.count("\n", 0, end)
    while end < len(text):
        stop = text.find("\n", end) + 1 or len(text) + 1
        said = text[end : stop - 1]
        if said.strip() and not said.lstrip().startswith(("#", "...", "%")):
            column = end - text.rfind("\n", 0, end) - 1
            return line, column + len(said) - len(said.lstrip())
        line, end = line + 1, stop
    return None


def _spot(text: str, error: Any, first_line: int) -> tuple[int, int]:
    """Where a character stands that is not allowed at all."""
    before = text[: getattr(error, "position", 0) or 0]
    return first_line + before.count("\n"), len(before) - before.rfind("\n") - 1


def _words(error: Any, at: str) -> str:
    if at == "\t":
        return "a tab where spaces must be: YAML is indented by spaces only"
    says = " ".join(f"{error.problem or error}".split())[:200]
    context = " ".join((error.context or "").split())[:100]
    return f"{says} ({context})" if context else says


def _character(text: str, line: int, column: int) -> str:
    lines = text.split("\n")
    return lines[line][column : column + 1] if line < len(lines) else ""
