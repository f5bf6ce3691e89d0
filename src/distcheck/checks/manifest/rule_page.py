"""The page of a rule, as its docstring has it."""

import re
from collections.abc import Callable
from functools import cache
from textwrap import dedent
from typing import Any

from msgspec import Struct

from distcheck.pattern import pattern

_SECTIONS = ("What", "Why", "Fix", "Fails", "Passes", "Source")
_HEADING = pattern(r"^(What|Why|Fix|Fails|Passes|Unsure|Certain|Source):[ \t]*$", re.MULTILINE)


class RulePage(Struct, frozen=True):
    """What `distcheck explain` shows, all from the docstring; the examples are tests.

    `unsure` is an example that the rule cannot judge: it gives a hint there, or nothing.
    `certain` is why there can be none, of the few rules that always know.
    """

    title: str
    what: str
    why: str
    fix: str
    fails: str
    passes: str
    source: str
    unsure: str = ""
    certain: str = ""


@cache
def page_of(rule_id: str, body: Callable[..., Any]) -> RulePage:
    """What the docstring of `body` says.

    Raises:
        TypeError: a section that is absent.
    """
    title, _, rest = (body.__doc__ or "").partition("\n")
    parts = _HEADING.split(dedent(rest))
    found = dict(zip(parts[1::2], (dedent(p).strip("\n") for p in parts[2::2]), strict=True))
    if not title or any(name not in found for name in _SECTIONS):
        raise TypeError(f"{rule_id}: the docstring needs a title and the sections {_SECTIONS}")
    if ("Unsure" in found) == ("Certain" in found):
        raise TypeError(f"{rule_id}: the docstring needs the section Unsure or Certain")
    flow = {k: " ".join(v.split()) for k, v in found.items()}
    return RulePage(
        title.rstrip("."), flow["What"], flow["Why"], flow["Fix"],
        found["Fails"] + "\n", found["Passes"] + "\n", flow["Source"],
        found.get("Unsure", ""), flow.get("Certain", ""),
    )  # fmt: skip
