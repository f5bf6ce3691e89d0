"""The simple commands inside a command line that runs a shell string."""

import re
import shlex
from collections.abc import Iterator, Sequence

_MOST_DEPTH = 4
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh"})
_SEPARATORS = frozenset({";", "&&", "||", "|", "&", "(", ")", "{", "}", "\n"})


def commands(argv: Sequence[str], depth: int = 0) -> Iterator[tuple[str, ...]]:
    """The simple commands of `argv`: itself, or each one of the shell string that it runs."""
    script = _script(argv)
    if script is None or depth >= _MOST_DEPTH:
        yield tuple(argv)
        return
    for command in _split(script):
        yield from commands(command, depth + 1)


def _script(argv: Sequence[str]) -> str | None:
    """The string of `bash -c STRING`, also behind `exec` or `env A=B`."""
    for i, word in enumerate(argv[:-1]):
        flag = argv[i + 1]
        if word.rpartition("/")[2] in _SHELLS and flag.startswith("-") and flag.endswith("c"):
            return argv[i + 2] if i + 2 < len(argv) else None
    if len(argv) == 1 and re.search(r"\s", argv[0]):
        return argv[0]
    return None


def _split(script: str) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for word in _words(script.replace("\\\n", " ").replace("\n", " ; ")):
        if word in _SEPARATORS:
            parts.append([])
        else:
            parts[-1].append(word)
    return [p for p in parts if p]


def _words(script: str) -> list[str]:
    lexer = shlex.shlex(script, posix=True, punctuation_chars=";&|()")
    lexer.whitespace_split = True
    try:
        return list(lexer)
    except ValueError:  # an unclosed quote: the words as they stand are still worth reading
        return script.split()
