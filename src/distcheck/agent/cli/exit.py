"""Exit codes, and the one exception that ends a command early."""

from collections.abc import Iterable

PASS = 0
FAIL = 1
USAGE = 2
UNKNOWN = 3
WAITED = 4
BUG = 70
SIGNALLED = 128
"""And the number of the signal that ended the command: 143 for SIGTERM, 129 for SIGHUP."""
INTERRUPTED = 130
BROKEN_PIPE = 141

MEANINGS = {
    PASS: "pass (warnings allowed unless --strict)",
    FAIL: "fail: something is proven wrong",
    USAGE: "usage, configuration or input error; no check selected; target not found or ambiguous",
    UNKNOWN: "unknown: not enough evidence for a verdict, or the cluster cannot be reached",
    WAITED: "--wait ran out",
    BUG: "a bug of distcheck: the traceback goes to standard error, with how to report it",
}


class Stop(Exception):  # noqa: N818 - an orderly end, not an error of the program
    """End the command with `code`, and say `says` in one line on standard error.

    `mends`: time may mend it, so that a command that waits looks again.
    """

    def __init__(self, code: int, says: str, *, mends: bool = False) -> None:
        super().__init__(says)
        self.code = code
        self.says = says
        self.mends = mends


def usage(says: str) -> Stop:
    """What was asked for cannot be done as written (exit code 2)."""
    return Stop(USAGE, says)


def _number(word: str) -> str:
    """The number that an id ends in: `CONF098` is no misspelling of another number."""
    return word[len(word.rstrip("0123456789")) :].lstrip("0")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` (did you mean X?)` where a known word is near, else nothing."""
    from distcheck.checks.knowledge.spelling import alike  # noqa: PLC0415 - only for a wrong word

    folded = {k.casefold(): k for k in known if _number(k) == _number(word)}
    near = alike(word.casefold(), folded)
    return f" (did you mean {folded[near[0]]}?)" if near else ""
