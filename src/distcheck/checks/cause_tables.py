"""Tables of causes as part of a check's docstring, so that its page and its verdicts agree."""

import inspect
import textwrap
from collections.abc import Callable, Mapping
from typing import TypeVar

from distcheck.checks.knowledge.nccl_remedies import Cause

_Body = TypeVar("_Body", bound=Callable[..., object])
_INDENT = "    "


def with_causes(**tables: Mapping[str, Cause]) -> Callable[[_Body], _Body]:
    """Put each table where the docstring has a line with its name in braces."""

    def filled(body: _Body) -> _Body:
        doc = inspect.cleandoc(body.__doc__ or "")
        for name, table in tables.items():
            doc = doc.replace(f"{_INDENT}{{{name}}}", _listed(table))
        body.__doc__ = doc
        return body

    return filled


def _listed(table: Mapping[str, Cause]) -> str:
    lines = "\n".join(f"{name}: {cause.means}" for name, cause in table.items())
    return textwrap.indent(lines, _INDENT)
