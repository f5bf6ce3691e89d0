"""Values that stand in for what a tool fills in before the manifest is applied."""

import re

from distcheck.pattern import pattern

_FORMS = pattern(
    r"\s*(?:\$.*|.*\$\{.*|<.*>|.*\{\{.*|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*|[A-Z_]*PLACEHOLDER.*|__.*__|\(\$.*\)"
    r"|\[.*\]|\.\.\.)\s*\Z",
    re.DOTALL,
)
"""`$` at the front is left for envsubst, sed and the like."""
_IN_BRACES = pattern(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*\Z")
"""`{MODEL_FOLDER}` without quotes: what a person is to write there, to YAML a mapping."""


_SED = pattern(
    r"(?i)(?:[a-z0-9]+[-_.])*(?:template|placeholder|replace-?me|change-?me|your|num)(?:[-_.][a-z0-9]+)*\Z"
)
"""`template-num-nodes`: words that sed puts a number in for."""


_MARKS = frozenset("$`{}<>")


def is_open(text: str) -> bool:
    """Whether a shell, a tool or a reader is to put something into it: `$TP`, `<HEAD>`, `{{x}}`."""
    return not _MARKS.isdisjoint(text)


def number_later(value: object) -> str:
    """The same for a field that takes numbers: words that nobody writes as one."""
    stands = isinstance(value, str) and len(value) < _LONGEST and _SED.match(value)
    return filled_later(value) or ("what fills this place before it is applied" if stands else "")


_LONGEST = 64


def filled_later(value: object) -> str:
    """What cannot be seen where `value` stands in for another; empty where it is one itself."""
    if isinstance(value, dict) and len(value) == 1:
        name, held = next(iter(value.items()))
        value = name if held is None and _IN_BRACES.match(str(name)) else value
    stands = isinstance(value, str) and _FORMS.match(value)
    return "what fills this place before it is applied" if stands else ""
