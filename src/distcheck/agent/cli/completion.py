"""Shell completion as a plugin of kubectl: what its own completion asks when a user presses Tab.

kubectl runs `kubectl_complete-NAME` with the words of the line, the last one as far as it is typed,
and reads lines of `word<TAB>what it is`, then `:` and a number (kubernetes/kubernetes#105867):
4 offers no files beside them, 0 does.
"""

import importlib

from distcheck.agent.cli.app import COMMANDS
from distcheck.exporters.formats import FORMATS

_FILES, _NO_FILES = 0, 4


def answer(words: list[str]) -> str:
    """What may stand in place of the last of `words`, which is empty where none was begun."""
    *before, begun = words or [""]
    if not before:
        return _offered({name: says for name, (_, says) in COMMANDS.items()}, begun, _NO_FILES)
    if before[-1] in ("-o", "--output"):
        return _offered(dict.fromkeys(FORMATS, ""), begun, _NO_FILES)
    if before[0] in COMMANDS and begun.startswith("-"):
        return _offered(_options(before), begun, _NO_FILES)
    return _offered({}, begun, _FILES)


def _options(words: list[str]) -> dict[str, str]:
    program = importlib.import_module(COMMANDS[words[0]][0]).PROGRAM
    known = getattr(program, "options", None)
    return known(words[1:]) if known else {}


def _offered(known: dict[str, str], begun: str, then: int) -> str:
    rows = [f"{word}\t{says}" for word, says in known.items() if word.startswith(begun)]
    return "\n".join([*rows, f":{then}", ""])
