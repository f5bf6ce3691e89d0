"""One script, read as a shell would run it; see `shell.py`."""

import re
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from distcheck.agent.logs.shell_exported import Exported
from distcheck.agent.logs.shell_flow import Flow, is_test, outcome
from distcheck.agent.logs.shell_tokens import Part, Token
from distcheck.agent.logs.shell_variables import Budget, Value, Variables, Word
from distcheck.pattern import pattern

_MOST_WORDS = 4096
_MOST_BLOCKS = 100
_ASSIGNMENT = pattern(r"([A-Za-z_]\w{0,127})(\+?)=", re.ASCII)
_ELEMENT = pattern(r"([A-Za-z_]\w{0,127})\[", re.ASCII)
_NAME = pattern(r"[A-Za-z_]\w{0,127}", re.ASCII)
_MOST_ARITHMETIC = 200
_FILLS = frozenset({"unset", "read", "mapfile", "readarray", "let", "getopts"})
"""Builtins that set the variables that they name."""
_DECLARES = frozenset({"export", "declare", "local", "readonly", "typeset"})
_SETS_ANYTHING = frozenset({"source", ".", "eval"})
_OPENS = frozenset({"if", "while", "until", "for", "select", "case", "function", "{"})
_GO_ON = frozenset({"if", "while", "until", "{"})
"""Constructs whose commands begin right behind the word."""
_CLOSES = frozenset({"fi", "done", "esac", "}"})
_PIPES = frozenset({"|", "|&"})
_ASIDE = _PIPES | {"&"}
_BETWEEN = frozenset({"then", "else", "elif", "do"})
_ENDS = frozenset({"exec", "exit", "return"})
_SAYS = frozenset({"echo", "printf", ":", "grep", "pgrep", "pkill", "which", "command"})

_ASKS = frozenset({"grep", "pgrep", "which", "command", "type", "hash", "nvidia-smi"})
"""Commands that are run to hear whether they succeed."""

Parts = tuple[Part, ...]


class Ran(Struct, frozen=True):
    """A simple command, and the variables that the script gave it.

    Not `sure` where it hangs on what is not known whether it is run.
    """

    words: tuple[str, ...]
    variables: Mapping[str, str]
    sure: bool = True


class Script:
    """One pass over the tokens of a script; `exported` is what it hands to what it runs."""

    def __init__(self, found: list[Token], variables: Variables, budget: Budget) -> None:
        self._tokens, self._variables, self._at = found, variables, 0
        self._budget = budget
        self.exported = Exported(budget)
        self._flow = Flow()
        self._aside, self._last = False, ""
        self._piped = _pipes_a_block(found)
        self._arrays: list[tuple[re.Match[str], Value]] = []
        self._ended, self._may_have_ended = False, False

    def run(self) -> Iterator[Ran]:
        """The simple commands, in their order."""
        while self._at < len(self._tokens) and not self._ended:
            if self._flow.depth > _MOST_BLOCKS:
                self._budget.spend()
            if not self._budget.step():
                return
            operator = self._tokens[self._at].operator
            if operator:
                self._at += 1
                self._operator(operator)
                continue
            words = self._words()
            self._aside = self._last in _PIPES or self._next() in _ASIDE
            if not self._begins_function(words):
                ran = self._command(words)
                if ran is not None:
                    yield ran

    def _operator(self, operator: str) -> None:
        """What a subshell sets is gone behind it."""
        before = self._flow.subshells
        if operator == "(" and self._next() == "(":
            self._arithmetic()
        self._last = operator
        self._flow.operator(operator)
        if self._flow.subshells > before:
            self._variables.enter()
            self.exported.enter()
        elif self._flow.subshells < before:
            self._variables.leave()
            self.exported.leave()

    def _next(self) -> str:
        return self._tokens[self._at].operator if self._at < len(self._tokens) else ""

    def _arithmetic(self) -> None:
        """`((NAME *= 2))` may set every name in it."""
        for token in self._tokens[self._at + 1 : self._at + _MOST_ARITHMETIC]:
            if token.operator == ")":
                break
            self._forget("".join(p.raw for p in token.parts))

    def _forget(self, text: str) -> None:
        for name in _NAME.findall(text[:_MOST_ARITHMETIC]):
            self._variables.set(name, None)

    def _words(self) -> list[Parts]:
        """The words up to the next operator; arrays that they set are read on the way."""
        self._arrays.clear()
        words: list[Parts] = []
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            if token.operator == "(" and words and _array_name(words[-1]):
                self._array(words.pop())
            elif token.operator == ">":
                self._at += 1
            elif token.operator:
                break
            else:
                words.append(token.parts)
                self._at += 1
        return words

    def _array(self, head: Parts) -> None:
        """`NAME=(a b)` and `NAME+=(a b)`: set once it is known whether the command runs."""
        held: list[Word] = []
        self._at += 1
        while self._at < len(self._tokens) and self._tokens[self._at].operator != ")":
            held += self._variables.words(self._tokens[self._at].parts)
            self._at += 1
        self._at += 1
        found = _ASSIGNMENT.match(head[0].text)
        if found is not None:
            self._arrays.append((found, tuple(held)))

    def _set(self, name: str, value: Value, *, adds: bool) -> None:
        """`NAME=value` where it runs; unknown from here on where it may."""
        before = self._variables.values.get(name) if adds else ()
        aside = self._aside or (self._piped and self._flow.depth)
        runs_now = None if aside else self._flow.runs
        if runs_now is False:
            return
        lost = runs_now is None or before is None or len(before) + len(value) > _MOST_WORDS
        joined = None if lost or before is None else (*before, *value)
        if joined and len(joined) == 1 and not joined[0].known and joined[0].text[:1] in "$`":
            joined = None
        self._variables.set(name, joined)

    def _begins_function(self, words: list[Parts]) -> bool:
        """`name() {`: what is inside may run, later."""
        following = [t.operator for t in self._tokens[self._at : self._at + 2]]
        if len(words) != 1 or following != ["(", ")"]:
            return False
        self._at += 2
        self._flow.opened("function")
        while self._at < len(self._tokens) and self._tokens[self._at].operator == "\n":
            self._at += 1
        if self._at < len(self._tokens) and _plain(self._tokens[self._at].parts) == "{":
            self._at += 1
        return True

    def _command(self, words: list[Parts]) -> Ran | None:
        negated = False
        for at, parts in enumerate(words):
            keyword = _plain(parts)
            if keyword in _OPENS:
                self._flow.opened(keyword)
                if keyword not in _GO_ON:
                    self._unread_header(words[at:])
                    return None
            elif keyword in _CLOSES:
                self._flow.closed(keyword)
            elif keyword in _BETWEEN:
                self._flow.keyword(keyword)
            elif keyword not in ("!", "time"):
                return self._simple(words[at:], negated=negated)
            negated = negated is not (keyword == "!")
        if self._arrays:
            self._set_arrays()
            self._flow.returned(None, negated=False, tested=False)
        return None

    def _set_arrays(self) -> None:
        for found, value in self._arrays:
            self._set(found[1], value, adds=bool(found[2]))
        self._arrays.clear()

    def _unread_header(self, words: list[Parts]) -> None:
        """`for NAME in ...` sets NAME to one after the other."""
        if _plain(words[0]) in ("for", "select") and len(words) > 1:
            self._variables.set(_plain(words[1]), None)

    def _simple(self, words: list[Parts], *, negated: bool) -> Ran | None:
        self._set_arrays()
        self._variables.sure = self._flow.runs is True
        sure = self._variables.sure and not self._may_have_ended
        if self._flow.runs is False:
            return None
        element = _ELEMENT.match(words[0][0].text) if _is_bare(words[0][0]) else None
        if element is not None:  # `NAME[1]=value`
            self._variables.set(element[1], None)
            return None
        assigned, rest = _assignments(words)
        own = [(found, self._variables.joined(parts)) for found, parts in assigned]
        if not rest:
            for found, word in own:
                self._assign(found, word)
            self._flow.returned(None, negated=False, tested=False)
            return None
        said = [w for parts in rest for w in self._variables.words(parts)]
        self._effects(rest, said)
        tested = is_test(said) or bool(said and said[0].text in _ASKS)
        self._flow.returned(outcome(said), negated=negated, tested=tested)
        if not said or said[0].text in _SAYS | _DECLARES or is_test(said):
            return None
        given = {found[1]: word.text for found, word in own if word.known}
        front = (f"{name}={text}" for name, text in given.items())
        return Ran((*front, *(w.text for w in said)), self.exported.given(given), sure)

    def _assign(self, found: re.Match[str], word: Word) -> None:
        before = self._variables.text(found[1]) if found[2] else None
        if found[2] and (before is None or before.isdigit() or not word.known):
            self._variables.set(found[1], None)  # after `declare -i` it adds
        elif before is not None:
            self._set(found[1], (Word(before + word.text),), adds=False)
        else:
            self._set(found[1], (word,), adds=False)
        self.exported.set(found[1], self._variables.text(found[1]))

    def _effects(self, rest: list[Parts], said: Sequence[Word]) -> None:
        """What a builtin does to the variables, and to the rest of the script."""
        first = said[0].text if said else ""
        if first in _DECLARES:
            self.exported.mark([w.text for w in said])
            for found, parts in _assignments([p for p in rest[1:] if not _is_flag(p)])[0]:
                self._assign(found, self._variables.joined(parts))
        elif first in _FILLS or (first == "printf" and any("-v" in w.text for w in said[1:2])):
            for word in said[1:]:
                self._forget(word.text)
        elif first in ("shift", "set") and not all(w.text.startswith(("-", "+")) for w in said[1:]):
            self._variables.set("@", None)
        elif first in _SETS_ANYTHING and not said[-1].text.endswith("/activate"):
            self._variables.cloud()
        elif first in _ENDS and (first != "exec" or len(said) > 1):
            self._ended = self._flow.runs is True and self._flow.can_end
            self._may_have_ended = True


def _pipes_a_block(found: Sequence[Token]) -> bool:
    """Whether a pipe, or `&`, makes a subshell of a `{ }`, `if` or loop anywhere."""
    last = ""
    for token in found:
        here = token.operator or _plain(token.parts)
        if (last in _CLOSES and here in _ASIDE) or (last in _PIPES and here in _OPENS):
            return True
        last = last if here in (">", "\n") and last else here
    return False


def _assignments(words: list[Parts]) -> tuple[list[tuple[re.Match[str], Parts]], list[Parts]]:
    """The leading `NAME=value` words with the parts of each value, and the words after them."""
    found: list[tuple[re.Match[str], Parts]] = []
    for at, parts in enumerate(words):
        name = None if parts[0].quoted else _ASSIGNMENT.match(parts[0].text)
        if name is None or parts[0].kind != "text":
            return found, words[at:]
        text = parts[0].text[name.end() :]
        head = Part("text", text, quoted=False, raw=text)
        found.append((name, (head, *parts[1:])))
    return found, []


def _plain(parts: Parts) -> str:
    """The word as written, where nothing in it is quoted or to be put in."""
    return "".join(p.text for p in parts) if all(_is_bare(p) for p in parts) else ""


def _is_bare(part: Part) -> bool:
    return part.kind == "text" and not part.quoted


def _is_flag(parts: Parts) -> bool:
    return _plain(parts).startswith("-")


def _array_name(parts: Parts) -> bool:
    text = _plain(parts)
    found = _ASSIGNMENT.match(text)
    return found is not None and found.end() == len(text)
