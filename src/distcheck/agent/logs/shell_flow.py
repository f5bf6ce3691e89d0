"""Which commands of a script run, as far as its tests can be told (POSIX.1-2017, 2.9).

Three answers: yes, no, and None where that hangs on what is not known.
"""

import re
from collections.abc import Sequence

from msgspec import Struct

from distcheck.agent.logs.shell_variables import Word
from distcheck.pattern import pattern

_NUMBER = pattern(r"-?\d{1,18}\Z", re.ASCII)
_TESTS = {"[": "]", "[[": "]]"}
_LOOPS = frozenset({"while", "until", "for", "select", "case", "function"})
_CLOSES = frozenset({"fi", "done", "esac"})
_OTHER_SIDE = {")": "(", "}": "{"}


def both(*told: bool | None) -> bool | None:
    """No where one is no, else None where one is unknown."""
    return False if False in told else None if None in told else True


def is_test(words: Sequence[Word]) -> bool:
    """Whether this is `[ ... ]`, `[[ ... ]]` or `test ...`."""
    return bool(words) and words[0].text in ("test", *_TESTS)


def outcome(words: Sequence[Word]) -> bool | None:
    """What a command returns: known for `true`, `false` and plain tests."""
    first = words[0].text if words else ""
    if first in ("true", ":", "false"):
        return first != "false"
    if not is_test(words):
        return None
    end = _TESTS.get(first)
    inside = words[1:-1] if end and words[-1].text == end else words[1:]
    negated = bool(inside) and inside[0].text == "!"
    inside = inside[1:] if negated else inside
    if not all(w.known for w in inside):
        return None
    found = _compared([w.text for w in inside])
    return None if found is None else found is not negated


def _compared(words: list[str]) -> bool | None:
    if len(words) == 1:
        return bool(words[0])
    if len(words) == 2 and words[0] in ("-n", "-z"):
        return bool(words[1]) is (words[0] == "-n")
    if len(words) != 3:
        return None
    left, operator, right = words
    if operator in ("=", "==", "!="):
        return None if set("*?[") & set(right) else (left == right) is (operator != "!=")
    if not _NUMBER.match(left) or not _NUMBER.match(right):
        return None
    one, other = int(left), int(right)
    named = {
        "-eq": one == other, "-ne": one != other, "-lt": one < other,
        "-le": one <= other, "-gt": one > other, "-ge": one >= other,
    }  # fmt: skip
    return named.get(operator)


class _Block(Struct):
    """One open construct: whether its commands run, and, of an `if`, an earlier branch's did."""

    opened_by: str
    runs: bool | None
    taken: bool | None = False


class Flow:
    """Where a script stands: the constructs that are open, and what the last command returned."""

    def __init__(self) -> None:
        self._blocks: list[_Block] = []
        self._status: bool | None = None
        self._tested = False
        self._join = ""

    @property
    def runs(self) -> bool | None:
        """Whether the command that comes now is run."""
        return both(*(b.runs for b in self._blocks), self._joined())

    @property
    def depth(self) -> int:
        """How many constructs are open."""
        return len(self._blocks)

    @property
    def subshells(self) -> int:
        """How many subshells are open."""
        return sum(b.opened_by == "(" for b in self._blocks)

    @property
    def can_end(self) -> bool:
        """Whether `exit` here ends the script, not only a subshell or a function."""
        return all(b.opened_by != "(" for b in self._blocks)

    def _joined(self) -> bool | None:
        if not self._join:
            return True
        if self._status is None:  # what is no test is meant to succeed
            return True if self._join == "&&" and not self._tested else None
        return self._status is (self._join == "&&")

    def operator(self, operator: str) -> None:
        """An operator or a newline was read."""
        if operator in ("&&", "||"):
            self._join = operator
        elif operator == "(":
            self.opened("(")
        elif operator == ")":
            self.closed(")")
        else:
            self._join = ""

    def opened(self, word: str) -> None:
        """`if`, a loop, a function, `{` or `(` begins."""
        self._blocks.append(_Block(word, None if word in _LOOPS else self._joined()))
        self._join = ""

    def closed(self, word: str) -> None:
        """`fi`, `done`, `esac`, `}` or `)` was read; a `)` of a `case` closes nothing."""
        top = self._blocks[-1].opened_by if self._blocks else ""
        fits = top in ("{", "function") if word == "}" else top == _OTHER_SIDE.get(word, top)
        if fits and top:
            self._blocks.pop()
        if word in _CLOSES:
            self._status = None
        self._join = ""

    def keyword(self, word: str) -> None:
        """`then`, `elif`, `else` or `do` was read."""
        block = self._blocks[-1] if self._blocks else None
        self._join = ""
        if block is None or block.opened_by != "if":
            return
        free = None if block.taken is None else not block.taken
        if word == "then":
            block.runs = both(free, self._status)
            block.taken = True if True in (block.taken, self._status) else _either(block, self)
        else:
            block.runs = free

    @property
    def status(self) -> bool | None:
        """What the last command returned."""
        return self._status

    def returned(self, status: bool | None, *, negated: bool, tested: bool) -> None:
        """A command was read that runs, or may."""
        status = None if status is None else status is not negated
        if self._join and self._status is None and self._tested:
            status = None if status is not (self._join == "||") else status
        self._status, self._tested = status, tested
        self._join = ""


def _either(block: _Block, flow: Flow) -> bool | None:
    return None if None in (block.taken, flow.status) else False
