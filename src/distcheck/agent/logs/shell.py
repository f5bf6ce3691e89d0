"""The simple commands inside a command line that runs a shell string.

Read as a shell would run them, as far as that can be told from the text: variables that the
script sets, defaults, arithmetic, and tests whose outcome is known. Nothing is executed.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

from distcheck.agent.logs.shell_script import Ran, Script
from distcheck.agent.logs.shell_tokens import tokens
from distcheck.agent.logs.shell_variables import Budget, Known, Variables
from distcheck.pattern import pattern

_MOST_DEPTH = 4
_LEAST_CHARACTERS = 1 << 15
MOST_CHARACTERS = 64 << 10
"""Of a script, that are read; `reads_whole` tells where that is not all."""
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh"})
_STRING_FLAG = pattern(r"-[a-zA-Z]{0,16}c[a-zA-Z]{0,16}\Z")


def commands(argv: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The simple commands of `argv`: itself, or each one of the shell string that it runs."""
    yield from (ran.words for ran in runs(argv))


def runs(
    argv: Sequence[str],
    known: Known | None = None,
    *,
    assume: bool = False,
) -> Iterator[Ran]:
    """As `commands`, with the variables of the container put in; what is unknown stays written.

    With `assume`, a name that `known` lacks counts as unset where the script has a default.
    Of a long script the beginning is read (`reads_whole`).
    """
    script, positional = _script(argv)
    if script is None:
        yield Ran(tuple(argv), {})
    else:
        yield from _remembered(script)(script, positional, _held(known), assume=assume)[0]


def reads_whole(argv: Sequence[str], known: Known | None = None, *, assume: bool = False) -> bool:
    """Whether `runs` reads all of it: a script that is longer, or costs more, is read in part."""
    script, positional = _script(argv)
    if script is None:
        return True
    return _remembered(script)(script, positional, _held(known), assume=assume)[1]


def _held(known: Known | None) -> frozenset[tuple[str, str | None]] | None:
    return None if known is None else frozenset(known.items())


def _whole(
    script: str,
    positional: tuple[str, ...],
    known: frozenset[tuple[str, str | None]] | None,
    *,
    assume: bool,
) -> tuple[tuple[Ran, ...], bool]:
    """What it runs, and whether it was read to its end."""
    given = None if known is None else dict(known)
    budget = Budget(characters=min(_LEAST_CHARACTERS + 16 * len(script), 1 << 18))
    found = tuple(_read(script, positional, given, assume=assume, depth=0, budget=budget))
    return found, budget.lasted and len(script) <= MOST_CHARACTERS


_SHORT = 4096
_short, _long = lru_cache(maxsize=1024)(_whole), lru_cache(maxsize=16)(_whole)


def _remembered(script: str) -> Callable[..., tuple[tuple[Ran, ...], bool]]:
    """The same script is asked for its server, its Ray, and whom it joins."""
    return _short if len(script) <= _SHORT else _long


def _read(
    script: str, positional: tuple[str, ...], known: Known | None, *, assume: bool, depth: int,
    budget: Budget,
) -> Iterator[Ran]:  # fmt: skip
    """Scripts in scripts are read from the same budget."""
    variables = Variables(known, assume=assume, positional=positional, budget=budget)
    reader = Script(tokens(script[:MOST_CHARACTERS]), variables, budget)
    for ran in reader.run():
        inner, its_own = _script(ran.words)
        if inner is None or depth + 1 >= _MOST_DEPTH:
            yield ran
            continue
        hidden = dict.fromkeys(n for n in reader.exported.hidden if n not in (known or {}))
        given = {**(known or {}), **ran.variables, **hidden}
        budget.pay(len(given))
        for one in _read(inner, its_own, given, assume=assume, depth=depth + 1, budget=budget):
            sure = ran.sure and one.sure
            yield Ran(one.words, {**ran.variables, **one.variables}, sure)


def is_script(argv: Sequence[str]) -> bool:
    """Whether this is a shell with a string to run."""
    return _script(argv)[0] is not None


def _script(argv: Sequence[str]) -> tuple[str | None, tuple[str, ...]]:
    """The string of `bash -c STRING`, also behind `exec` or `env A=B`, and what follows it."""
    for i, word in enumerate(argv[:-1]):
        if word.rpartition("/")[2] in _SHELLS and (at := _string_at(argv, i + 1)):
            return argv[at], tuple(argv[at + 1 :])
    if len(argv) == 1 and re.search(r"\s", argv[0]):
        return argv[0], ()
    return None, ()


def _string_at(argv: Sequence[str], start: int) -> int:
    """Where the string after `-c`, `-lc` or `-o pipefail -c` is; 0 where there is none."""
    takes_one = False
    for at in range(start, len(argv) - 1):
        word = argv[at]
        if takes_one:
            takes_one = False
        elif _STRING_FLAG.match(word):
            found = at + (2 if "o" in word else 1)
            found += list(argv[found : found + 1]) == ["--"]
            return found if found < len(argv) else 0
        elif not word.startswith(("-", "+")):
            return 0
        else:
            takes_one = word.endswith(("o", "O")) and not word.startswith("--")
    return 0
