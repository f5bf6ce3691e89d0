"""How our own bugs are told: what raised, and what to report where."""

import sys
from collections.abc import Iterable

from distcheck.agent.own_bugs import for_a_log

_ISSUES = "https://github.com/distcheck/distcheck/issues"
_EVIDENCE = "the file that `distcheck collect` writes"
_MANIFEST = "the smallest manifest that shows it, without what is secret"


def tell_bugs(traces: Iterable[str], *, of_manifests: bool = False) -> None:
    """Tracebacks on standard error with how to report them; nothing where there are none."""
    told = "".join(map(for_a_log, traces))
    if not told:
        return
    whose, beside = ("manifests", _MANIFEST) if of_manifests else ("cluster", _EVIDENCE)
    sys.stderr.write(
        f"{told}This is a bug of distcheck, not of your {whose}. Please report it with the lines\n"
        f"above, `distcheck --version`, and if you can\n{beside}:\n{_ISSUES}\n"
    )
